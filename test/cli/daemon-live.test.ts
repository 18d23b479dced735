/** The commands against a real overlaned, in a network namespace of its own; Docker's client beside ours. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT, Netns } from '../live/netns.js';
import { hasTool } from '../peers.js';
import { askHere, HAS_DOCKER, MAIN, NEEDS_DOCKER, runProgram, temporary } from './overlaned.js';

const DAEMON = fileURLToPath(new URL('../../dist/daemon/main.js', import.meta.url));
const NEEDS = `${NEEDS_ROOT.slice(0, -1)}, dist/daemon and apt-get install iputils-ping nftables)`;
const CAN = hasRoot && existsSync(DAEMON) && ['ping', 'nft', 'nsenter'].every(hasTool);

describe.skipIf(!CAN)(`overlaned and its client ${NEEDS}`, () => {
  const folder = temporary();
  const socket = join(folder, 'd.sock');
  const overlane = (...args: string[]) =>
    args[0] === 'exec'
      ? runProgram(process.execPath, [MAIN, ...args], { OVERLANE_SOCKET: socket })
      : askHere(socket, args);
  const docker = (...args: string[]) => runProgram('docker', args, { DOCKER_HOST: `unix://${socket}` });
  let daemon: ChildProcess;

  beforeAll(async () => {
    const netns = new Netns('cli');
    // Not by ip-netns(8), which would hide the namespaces that the daemon makes in a mount namespace.
    const places = [
      '--store',
      join(folder, 'db'),
      '--folder',
      join(folder, 'lib'),
      '--run-folder',
      join(folder, 'run'),
    ];
    const words = [`--net=${netns.path}`, '--', process.execPath, DAEMON, '--socket', socket, ...places];
    daemon = spawn('nsenter', words, { stdio: 'ignore' });
    for (let i = 0; i < 1000 && !existsSync(socket) && daemon.exitCode === null; i++) await sleep(20);
  });

  afterAll(async () => {
    if (daemon.exitCode !== null) return;
    // Namespaces are mounts below the folder, which is removed.
    const { stdout } = await overlane('sandbox', 'ls', '-q', '--no-trunc');
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await overlane('sandbox', 'rm', '-f', ...ids);
    const ended = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    const late = setTimeout(() => daemon.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
  });

  it.skipIf(!HAS_DOCKER)(
    `a network of ours is one of Docker's client, and the other way round ${NEEDS_DOCKER}`,
    async () => {
      const flags = [
        '--subnet',
        '10.66.0.0/24',
        '--gateway',
        '10.66.0.9',
        '--ip-range',
        '10.66.0.64/26',
        '--label',
        'a=b',
      ];
      const more = ['--subnet', 'fd66::/64', '--ipv6', '--aux-address', 'x=10.66.0.70', '--internal'];
      for (const [make, remove] of [
        [overlane, docker],
        [docker, overlane],
      ] as const) {
        const { status, stdout, stderr } = await make('network', 'create', ...flags, ...more, 'both');
        expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
        expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
        for (const words of [['ls'], ['ls', '-q', '--no-trunc', '-f', 'label=a=b'], ['inspect', 'both', 'bridge']]) {
          expect(await overlane('network', ...words)).toEqual(await docker('network', ...words));
        }
        expect(await remove('network', 'rm', 'both')).toEqual({ status: 0, stdout: 'both\n', stderr: '' });
      }
    },
  );

  it('two sandboxes: ping by exec, files, ports, inspect; what is in use stays', async () => {
    const must = async (...args: string[]) => {
      const { status, stdout, stderr } = await overlane(...args);
      expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: '' });
      return stdout;
    };
    await must('network', 'create', '--subnet', '10.77.0.0/24', 'front');
    await must(
      'sandbox',
      'create',
      'a',
      '--network',
      'front',
      '--ip',
      '10.77.0.50',
      '--add-host',
      'db:1.2.3.4',
      '--dns',
      '9.9.9.9',
    );
    await must('sandbox', 'create', 'b', '--network', 'none');
    await must('network', 'disconnect', 'none', 'b');
    await must('network', 'connect', '--ip', '10.77.0.51', '-p', '127.0.0.1:8080:80', 'front', 'b');

    expect(await must('exec', 'a', '--', 'ping', '-n', '-c', '2', '-i', '0.2', '-W', '2', '10.77.0.51')).toContain(
      ' 0% packet loss',
    );
    expect(await must('exec', 'a', 'sh', '-c', 'cat /etc/resolv.conf /etc/hosts')).toMatch(
      /nameserver 9\.9\.9\.9[\s\S]*1\.2\.3\.4\tdb\n[\s\S]*10\.77\.0\.50\t[0-9a-f]{12}\n/,
    );
    expect((await must('exec', 'a', 'ls', '/sys/class/net')).split('\n')).toContain('eth0');
    expect((await overlane('exec', 'b', 'sh', '-c', 'exit 9')).status).toBe(9);

    const list = await must('sandbox', 'ls');
    expect(list).toMatch(/^[0-9a-f]{12} +a +\S+\/run\/netns\/\w+ +front +10\.77\.0\.50\/24 *$/m);
    expect(list).toMatch(/ +b +\S+ +front +10\.77\.0\.51\/24 +127\.0\.0\.1:8080->80\/tcp$/m);
    const tables = await must('inspect', 'front');
    expect(tables).toMatch(/^net-\w+ +02:42:0a:4d:00:32 /m);
    expect(tables).toMatch(/balanced: every packet is accounted for\n$/);

    const busy = await overlane('network', 'rm', 'front');
    expect(busy.status).toBe(1);
    expect(busy.stderr).toMatch(/front .*active endpoints.* \(ERR_OVERLANE_BUSY\)\n$/);
    expect((await overlane('network', 'create', '--subnet', '10.77.0.0/25', 'x')).stderr).toMatch(
      /\(ERR_OVERLANE_OVERLAP\)\n$/,
    );
    expect((await overlane('network', 'create', 'front')).stderr).toMatch(/\(ERR_OVERLANE_EXISTS\)\n$/);
    expect(await must('sandbox', 'rm', 'a', 'b')).toBe('a\nb\n');
    expect(await must('network', 'prune', '-f')).toBe('Deleted Networks:\nfront\n\n');
  });

  it('a sandbox in a given namespace, and one in that of the host', async () => {
    const given = new Netns('given');
    expect((await overlane('sandbox', 'create', 'g', '--netns', given.name)).stderr).toBe('');
    const { stdout } = await overlane('exec', 'g', 'cat', '/proc/net/dev');
    expect(stdout).toContain('eth0');
    expect(given.links()).toEqual(['eth0']);
    expect((await overlane('sandbox', 'create', 'h', '--network', 'host')).stderr).toBe('');
    expect((await overlane('exec', 'h', 'true')).status).toBe(0);
    expect(await overlane('sandbox', 'rm', 'g', 'h')).toEqual({ status: 0, stdout: 'g\nh\n', stderr: '' });
    expect(given.links()).toEqual([]);
  });

  it('what is asked for on a sandbox that is not there makes nothing', async () => {
    const before = (await overlane('sandbox', 'ls', '-q')).stdout;
    const { status, stderr } = await overlane('sandbox', 'create', 'c', '--network', 'bridge', '--network', 'nope');
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'overlane: network nope not found (ERR_OVERLANE_MISSING)\n',
    });
    expect((await overlane('sandbox', 'ls', '-q')).stdout).toBe(before);
  });
});

/** The docker client itself, against an `overlaned` in a network namespace of its own: every `docker network` command. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DaemonHost, type SandboxView } from '../cnm/daemon-host.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { Program } from '../live/program.js';
import { hasTool } from '../peers.js';

const NEEDS_DOCKER = '(needs docker: apt-get install --no-install-recommends docker.io)';
const can = hasRoot && hasTool('docker');

interface Result {
  status: number;
  out: string;
  error: string;
}

/** What `docker network inspect` shows, as far as it is looked at. */
interface Shown {
  Id: string;
  Name: string;
  Containers: Record<string, { Name: string; IPv4Address: string; IPv6Address: string; MacAddress: string }>;
  [key: string]: unknown;
}

describe.skipIf(!can)(`docker network ${NEEDS_DOCKER} ${NEEDS_ROOT}`, () => {
  let host: DaemonHost;
  /** A configuration of its own: this user's may name another daemon. */
  const config = mkdtempSync(join(tmpdir(), 'overlane-docker-'));

  beforeAll(async () => {
    host = new DaemonHost('docker');
    await host.start();
  });

  afterAll(async () => {
    await host.remove();
    rmSync(config, { recursive: true, force: true });
  });

  const words = (...args: string[]) => ['--config', config, '--host', `unix://${host.socket}`, ...args];

  function docker(...args: string[]): Promise<Result> {
    return new Promise((resolve) => {
      execFile(
        'docker',
        words(...args),
        { timeout: 10_000, env: { PATH: process.env['PATH'] } },
        (error, out, text) => {
          resolve({ status: error === null ? 0 : Number(error.code ?? -1), out: out.trim(), error: text.trim() });
        },
      );
    });
  }

  async function fine(...args: string[]): Promise<string> {
    const { status, out, error } = await docker(...args);
    expect({ args, status, error }).toEqual({ args, status: 0, error: '' });
    return out;
  }

  /** A program in a sandbox, seen from where the daemon is: `ip netns exec` gave it mounts of its own. */
  function inside(box: SandboxView, ...program: string[]): { status: number | null; out: string } {
    const enter = ['--target', String(host.pid), '--mount', 'nsenter', `--net=${box.netns}`];
    const { status, stdout, stderr } = spawnSync('nsenter', [...enter, ...program], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    return { status, out: `${stdout}${stderr}` };
  }

  async function inspect(name: string): Promise<Shown> {
    const [shown] = JSON.parse(await fine('network', 'inspect', name)) as Shown[];
    return shown!;
  }

  async function names(...filters: string[]): Promise<string[]> {
    const asked = filters.flatMap((filter) => ['--filter', filter]);
    return (await fine('network', 'ls', '--format', '{{.Name}}', ...asked)).split('\n').filter((name) => name !== '');
  }

  it('finds the three predefined networks, and a daemon of version 1.41', async () => {
    expect((await fine('network', 'ls')).split('\n').map((line) => line.split(/ {2,}/).slice(1))).toEqual([
      ['NAME', 'DRIVER', 'SCOPE'],
      ['bridge', 'bridge', 'local'],
      ['host', 'host', 'local'],
      ['none', 'null', 'local'],
    ]);
    expect(await fine('version', '--format', '{{.Server.APIVersion}} {{.Client.APIVersion}}')).toBe('1.41 1.41');
    expect(await fine('info', '--format', '{{.Swarm.LocalNodeState}} {{.Plugins.Network}}')).toMatch(
      /^inactive \[bridge .*host null\]$/,
    );
  });

  it('create takes all of its options, and inspect shows them', async () => {
    const ipam = '--subnet 10.77.0.0/16 --gateway 10.77.0.1 --ip-range 10.77.4.0/24 --aux-address router=10.77.0.9';
    const six = '--ipv6 --subnet fd77::/64 --gateway fd77::1 --ipam-opt k=v --ipam-driver default';
    const other =
      '--driver bridge --internal --attachable --label x=y --label z --opt com.docker.network.driver.mtu=1400';
    const id = await fine('network', 'create', ...`${ipam} ${six} ${other} all`.split(' '));
    const { Id, Created, ...rest } = await inspect('all');
    expect(Id).toBe(id);
    expect(Math.abs(Date.parse(Created as string) - Date.now())).toBeLessThan(60_000);
    expect(rest).toEqual({
      Name: 'all',
      Scope: 'local',
      Driver: 'bridge',
      EnableIPv4: true,
      EnableIPv6: true,
      IPAM: {
        Driver: 'default',
        Options: { k: 'v' },
        Config: [
          {
            Subnet: '10.77.0.0/16',
            IPRange: '10.77.4.0/24',
            Gateway: '10.77.0.1',
            AuxiliaryAddresses: { router: '10.77.0.9' },
          },
          { Subnet: 'fd77::/64', Gateway: 'fd77::1' },
        ],
      },
      Internal: true,
      Attachable: true,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Containers: {},
      Options: { 'com.docker.network.driver.mtu': '1400' },
      Labels: { x: 'y', z: '' },
    });
    expect(await fine('network', 'inspect', '--verbose', '-f', '{{.Name}}', id.slice(0, 6), 'none')).toBe('all\nnone');
    expect(await fine('inspect', '-f', '{{.Driver}}', 'all')).toBe('bridge');
  });

  it.each([
    [['--scope', 'swarm'], /the scope of a network is that of its driver/],
    [['--ingress'], /ingress networks are not supported/],
    [['--config-only'], /configuration-only networks are not supported/],
    [['--config-from', 'all'], /configuration-only network are not supported/],
    [['--ipam-driver', 'dhcp'], /invalid ipam driver: 'dhcp'/],
    [['--driver', 'weave'], /driver weave not found/],
    [['--subnet', '10.77.8.0/24'], /overlaps with 10\.77\.0\.0\/16 of network all/],
    [['--subnet', '10.78.0.0/33'], /10\.78\.0\.0\/33/],
    [
      ['--opt', 'com.docker.network.driver.mut=1'],
      /unknown option .*; did you mean 'com\.docker\.network\.driver\.mtu'/,
    ],
  ])('create %j is refused', async (options, message) => {
    const { status, error, out } = await docker('network', 'create', ...options, 'refused');
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(error).toMatch(/^Error response from daemon: /);
    expect(error).toMatch(message);
    expect(await names('name=refused')).toEqual([]);
  });

  it('create refuses a name that is taken, predefined, or none', async () => {
    expect((await docker('network', 'create', 'all')).error).toContain('network with name all already exists');
    expect((await docker('network', 'create', 'bridge')).error).toContain(
      'operation is not permitted on predefined bridge network',
    );
    expect((await docker('network', 'create', 'a/b')).error).toContain('is no name of a network');
  });

  it('ls filters and formats', async () => {
    await fine('network', 'create', '--label', 'x=1', 'alpha');
    await fine('network', 'create', '--label', 'x=2', '--label', 'w', 'alphabet');
    expect(await names('name=alpha')).toEqual(['alpha', 'alphabet']);
    expect(await names('name=^alpha$')).toEqual(['alpha']);
    expect(await names('name=^alpha$', 'name=none')).toEqual(['alpha', 'none']);
    expect(await names('name=(a+)+!')).toEqual([]);
    expect(await names('label=x', 'name=alpha')).toEqual(['alpha', 'alphabet']);
    expect(await names('label=x=2')).toEqual(['alphabet']);
    expect(await names('label=x=1', 'label=w')).toEqual([]);
    expect(await names('type=builtin')).toEqual(['bridge', 'host', 'none']);
    expect(await names('type=custom', 'driver=bridge')).toEqual(['all', 'alpha', 'alphabet']);
    expect(await names('driver=null', 'scope=local')).toEqual(['none']);
    expect(await names('scope=swarm')).toEqual([]);
    expect(await names('dangling=true')).toEqual(['all', 'alpha', 'alphabet']);
    const { Id } = await inspect('alpha');
    expect(await names(`id=${Id.slice(0, 10)}`)).toEqual(['alpha']);
    expect(await fine('network', 'ls', '-q', '--no-trunc', '--filter', 'name=^alpha$')).toBe(Id);
    const line = await fine('network', 'ls', '--filter', 'name=alphabet', '--format', '{{json .}}');
    expect(JSON.parse(line)).toMatchObject({ Name: 'alphabet', Driver: 'bridge', Scope: 'local', IPv6: 'false' });
    expect((await docker('network', 'ls', '--filter', 'nme=x')).error).toContain("invalid filter 'nme'");
    expect((await docker('network', 'ls', '--filter', 'type=big')).status).toBe(1);
  });

  it('connect and disconnect a sandbox; it has the addresses there and then', async () => {
    const box = await host.sandbox('box', { network: 'alpha' });
    await fine(...'network create --subnet 10.79.0.0/24 --subnet fd79::/64 --ipv6 dual'.split(' '));
    const options = '--ip 10.79.0.77 --ip6 fd79::77 --alias web --alias www';
    await fine('network', 'connect', ...options.split(' '), 'dual', 'box');
    expect((await inspect('dual')).Containers).toEqual({
      [box.id]: expect.objectContaining({
        Name: 'box',
        MacAddress: '02:42:0a:4f:00:4d',
        IPv4Address: '10.79.0.77/24',
        IPv6Address: 'fd79::77/64',
      }) as unknown,
    });
    // The kernel's own view.
    const { out } = inside(box, 'ip', '-o', 'address', 'show', 'dev', 'eth1');
    expect(out).toContain('inet 10.79.0.77/24');
    expect(out).toContain('inet6 fd79::77/64');
    expect(inside(box, 'ping', '-n', '-c', '1', '-W', '2', '10.79.0.1').status).toBe(0);
    const format =
      '{{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{$e.IPAddress}} {{$e.Gateway}} {{$e.Aliases}};{{end}}';
    expect(await fine('inspect', '-f', format, 'box')).toContain('dual 10.79.0.77 10.79.0.1 [web www];');
    expect(await fine('ps', '--filter', 'network=dual', '--format', '{{.Names}} {{.State}}')).toBe('box running');

    expect((await docker('network', 'connect', 'dual', 'box')).error).toContain(
      'endpoint with name box already exists in network dual',
    );
    const inUse = await docker('network', 'rm', 'dual');
    expect(inUse.status).toBe(1);
    expect(inUse.error).toMatch(
      /error while removing network: network dual id [0-9a-f]{64} has active endpoints \(box\)/,
    );

    await fine('network', 'disconnect', 'dual', 'box');
    expect((await inspect('dual')).Containers).toEqual({});
    expect(inside(box, 'ip', 'link', 'show', 'eth1').status).not.toBe(0);
    for (const force of [[], ['-f']]) {
      const again = await docker('network', 'disconnect', ...force, 'dual', 'box');
      expect(again.error).toContain('container box is not connected to network dual');
    }
  });

  it.each([
    [['connect', 'dual', 'nobody'], 'No such container: nobody'],
    [['connect', 'nowhere', 'box'], 'network nowhere not found'],
    [['connect', '--ip', '10.1.1.1', 'dual', 'box'], '10.1.1.1 is in no subnet of network dual'],
    [['connect', '--link', 'a:b', 'dual', 'box'], 'links are not supported'],
    [
      ['connect', '--link-local-ip', '169.254.1.1', 'dual', 'box'],
      'link-local addresses of containers are not supported',
    ],
    [['connect', 'host', 'box'], "cannot be on network 'host'"],
    [['disconnect', 'dual', 'nobody'], 'No such container: nobody'],
    [['disconnect', '-f', 'dual', 'nobody'], 'No such container: nobody'],
    // Older clients have words of their own for these.
    [['inspect', 'nowhere'], /network nowhere not found|No such network: nowhere/],
    [['rm', 'nowhere'], /network nowhere not found|No such network: nowhere/],
    [['rm', 'host'], 'host is a pre-defined network and cannot be removed'],
  ])('%j: an error that says what is wrong', async (args, message) => {
    const { status, error } = await docker('network', ...args);
    expect(status).toBe(1);
    if (typeof message === 'string') expect(error).toContain(message);
    else expect(error).toMatch(message);
  });

  it('rm removes several, also when one of them fails', async () => {
    await fine('network', 'create', 'one');
    await fine('network', 'create', 'two');
    const { status, out, error } = await docker('network', 'rm', 'one', 'nowhere', 'two');
    expect({ status, out }).toEqual({ status: 1, out: 'one\ntwo' });
    expect(error).toMatch(/network nowhere not found|No such network: nowhere/);
  });

  it('prune goes by its filters, and leaves what is in use', async () => {
    expect(await fine('network', 'prune', '-f', '--filter', 'until=1h')).toBe('');
    expect(await fine('network', 'prune', '-f', '--filter', 'label=w')).toBe('Deleted Networks:\nalphabet');
    expect(await fine('network', 'prune', '-f', '--filter', 'label!=x')).toBe('Deleted Networks:\ndual');
    expect(await fine('network', 'prune', '-f')).toBe('Deleted Networks:\nall');
    expect(await names('type=custom')).toEqual(['alpha']);
    expect((await docker('network', 'prune', '-f', '--filter', 'until=soon')).error).toContain(
      "invalid value for 'until'",
    );
  });

  it('events tells what happened, and what happens', async () => {
    const format = '{{.Type}} {{.Action}} {{.Actor.Attributes.name}}';
    const past = await fine(
      'events',
      '--since',
      '10m',
      '--until',
      String(Date.now() / 1000),
      '--filter',
      'network=dual',
      '--format',
      format,
    );
    expect(past.split('\n')).toEqual(
      ['create', 'connect', 'disconnect', 'destroy'].map((action) => `network ${action} dual`),
    );
    const follow = new Program(['docker', ...words('events', '--filter', 'label=seen', '--format', format)]);
    // Until it follows, what happens may be missed: it is made to happen until it is seen.
    for (let i = 0; i < 50 && !follow.output.includes('network create seen'); i++) {
      await host.network({ Name: `seen${i}`, Labels: { seen: '' } });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(follow.output).toMatch(/network create seen\d/);
    await follow.stop();
    expect(await fine('network', 'prune', '-f', '--filter', 'label=seen')).toContain('seen0');
  });

  it('rm removes a sandbox; the rest of Docker is told to be elsewhere', async () => {
    await fine('rm', 'box');
    expect(await fine('ps', '-a', '-q')).toBe('');
    expect((await docker('rm', 'box')).error).toContain('No such container: box');
    for (const args of [['images'], ['volume', 'ls'], ['create', 'alpine'], ['service', 'ls'], ['pull', 'alpine']]) {
      const { status, error } = await docker(...args);
      expect(status).not.toBe(0);
      expect(error).toContain('is not supported: overlaned is networks only');
    }
  });
});

/** The program: its socket, how it starts and ends, what it brings back, and many clients at once. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { DaemonHost } from '../cnm/daemon-host.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { ask, messageIn } from './raw.js';

const MAIN = fileURLToPath(new URL('../../dist/daemon/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-daemon-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ends by itself, as it is told something wrong. */
function overlaned(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return { status, stdout, stderr };
}

describe('the command line', () => {
  it('--help and --version', () => {
    expect(overlaned('--version')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
    const { status, stdout } = overlaned('--help');
    expect(status).toBe(0);
    for (const option of ['--socket', '--group', '--store', '--workers', '--firewall'])
      expect(stdout).toContain(option);
  });

  it.each([
    [['--socket', 'here.sock'], 2, 'it must be an absolute path'],
    [['--workers', '0'], 2, 'a whole number from 1 to 64'],
    [['--firewall', 'iptables'], 2, 'Allowed choices are auto, none'],
    [['--sokcet', '/x'], 2, "unknown option '--sokcet'"],
    [['extra'], 2, 'too many arguments'],
    [['--socket', `/tmp/${'x'.repeat(120)}`], 2, 'too long'],
    [['--group', 'no-such-group'], 1, "there is no group 'no-such-group'"],
  ])('%j', (args, status, message) => {
    const said = overlaned(...args);
    expect(said.stderr).toContain(message);
    expect(said.stderr).toMatch(/^overlaned: [^\n]*\n$/);
    expect(said).toMatchObject({ status, stdout: '' });
  });

  it('a file in place of the socket stays, whatever it is', () => {
    const file = join(folder, 'precious');
    writeFileSync(file, 'data');
    const said = overlaned('--socket', file, '--store', join(folder, 'x.db'));
    expect(said).toMatchObject({ status: 1, stderr: expect.stringContaining('exists and is no socket') as string });
    expect(lstatSync(file).isFile()).toBe(true);
    expect(existsSync(join(folder, 'x.db'))).toBe(false);
  });
});

describe.skipIf(!hasRoot)(`the daemon ${NEEDS_ROOT}`, () => {
  const hosts: DaemonHost[] = [];
  afterEach(async () => {
    for (const host of hosts.splice(0)) await host.remove();
  });

  async function start(...options: string[]): Promise<DaemonHost> {
    const host = new DaemonHost('daemon', options);
    hosts.push(host);
    await host.start();
    return host;
  }

  const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

  it('only its owner may use the socket, or a group; nothing else is left beside it', async () => {
    const alone = await start('--no-default-bridge');
    expect(modeOf(alone.socket)).toBe('600');
    expect(readdirSync(alone.folder).filter((name) => name.startsWith('.'))).toEqual([]);
    const shared = await start('--group', '4242', '--no-default-bridge');
    expect([modeOf(shared.socket), statSync(shared.socket).gid, statSync(shared.socket).uid]).toEqual(['660', 4242, 0]);
    expect(modeOf(join(shared.folder, 'store.db'))).toBe('600');
  });

  it('another user is let in by the group alone', async () => {
    const host = await start('--group', '4242', '--no-default-bridge');
    // As a folder of sockets is.
    chmodSync(host.folder, 0o755);
    const as = (gid: number) => {
      const script = `require('net').connect(${JSON.stringify(host.socket)}).on('connect', () => process.exit(0)).on('error', (e) => { console.log(e.code); process.exit(1); })`;
      const { status, stdout } = spawnSync(process.execPath, ['-e', script], {
        uid: 65534,
        gid,
        encoding: 'utf8',
        timeout: 5000,
      });
      return [status, stdout.trim()];
    };
    expect(as(65534)).toEqual([1, 'EACCES']);
    expect(as(4242)).toEqual([0, '']);
  });

  it('a second one is refused, and does not disturb the first', async () => {
    const host = await start('--no-default-bridge');
    const { ino } = lstatSync(host.socket);
    const second = overlaned('--socket', host.socket, '--store', join(folder, 'second.db'));
    expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining('another program listens') as string });
    const same = overlaned('--socket', join(folder, 's2'), '--store', join(host.folder, 'store.db'));
    expect(same).toMatchObject({ status: 1, stderr: expect.stringContaining('ERR_OVERLANE_BUSY') as string });
    expect(lstatSync(host.socket).ino).toBe(ino);
    expect((await host.call('GET', '/_ping')).status).toBe(200);
  });

  it('after SIGKILL it replaces its stale socket, and networks and sandboxes are there again', async () => {
    const host = await start();
    await host.network({ Name: 'kept', IPAM: { Config: [{ Subnet: '10.66.0.0/24' }] }, Labels: { a: 'b' } });
    await host.sandbox('box', { network: 'kept', ips: ['10.66.0.9'] });
    const views = async () => {
      const networks = await host.ask<{ Name: string }[]>('GET', '/networks');
      return [networks.sort((a, b) => (a.Name < b.Name ? -1 : 1)), await host.ask('GET', '/overlane/sandboxes')];
    };
    const before = await views();
    await host.kill();
    expect(existsSync(host.socket)).toBe(true);
    await host.start();
    expect(await views()).toEqual(before);
    await host.ask('DELETE', '/overlane/sandboxes/box');
    await host.ask('DELETE', '/networks/kept');
  });

  it('SIGTERM ends requests and streams, removes the socket, and gives 0', async () => {
    const host = await start('--no-default-bridge');
    const stream = ask(host.socket, '/events');
    const idle = net.connect(host.socket);
    await expect.poll(() => idle.readyState).toBe('open');
    await host.ask('GET', '/_ping');
    const begin = performance.now();
    expect(await host.stop()).toBe(0);
    expect(performance.now() - begin).toBeLessThan(2000);
    expect((await stream).status).toBe(200);
    expect(existsSync(host.socket)).toBe(false);
    expect(host.log).toMatch(/"signal":"SIGTERM","msg":"stopping".*"msg":"stopped"/s);
    for (const line of host.log.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
  });

  it('sandboxes: all or nothing, with clear errors', async () => {
    const host = await start();
    await host.network({ Name: 'one', IPAM: { Config: [{ Subnet: '10.67.0.0/24' }] } });
    const make = (body: unknown) => ask(host.socket, '/overlane/sandboxes', { json: body });
    const wrong: [unknown, number, string][] = [
      [{ name: 'x', networks: [{ network: 'one' }, { network: 'none' }] }, 403, "'none' and another network exclude"],
      [{ name: 'x', networks: [{ network: 'one', ips: ['10.68.0.1'] }] }, 400, 'is in no subnet of network one'],
      [{ name: 'x', networks: [{ network: 'two' }] }, 404, 'network two not found'],
      [{ name: 'x', networks: [{ network: 'one', ports: [{ protocol: 'tcp' }] }] }, 400, "'networks[0].ports[0]"],
      [{ name: 'x', networks: [{ network: 'one', alias: ['a'] }] }, 400, "unknown field 'networks[0].alias'"],
      [{ name: 'x', networks: 'one' }, 400, "field 'networks' of the request body must be a list of networks"],
      [{ nmae: 'x' }, 400, "did you mean 'name'?"],
      [[], 400, 'must be a JSON object'],
    ];
    for (const [body, status, message] of wrong) {
      const answer = await make(body);
      expect([answer.status, messageIn(answer)]).toEqual([status, expect.stringContaining(message)]);
    }
    expect(await host.ask('GET', '/overlane/sandboxes')).toEqual([]);
    const box = await host.sandbox('box', { network: 'one', aliases: ['web'] });
    expect(box.endpoints).toEqual([
      expect.objectContaining({
        networkName: 'one',
        driver: 'bridge',
        interface: 'eth0',
        // The first one was given and taken back a moment ago.
        addresses: ['10.67.0.3/24'],
        aliases: ['web'],
        ports: [],
      }),
    ]);
    const view = await host.ask<{
      networks: { bridges: { ports: string[]; fdb: { mac: string }[] }[] }[];
      ports: { name: string }[];
    }>('GET', '/overlane/inspect?sandbox=box');
    expect(view.ports.map(({ name }) => name)).toEqual([box.endpoints[0]!.port]);
    expect(view.networks[0]!.bridges[0]!.ports).toContain(box.endpoints[0]!.port);
    expect(view.networks[0]!.bridges[0]!.fdb.map(({ mac }) => mac)).toContain(box.endpoints[0]!.mac);
    expect(view).toMatchObject({
      counters: { balanced: expect.any(Boolean), received: expect.stringMatching(/^\d+$/) },
    });
  });

  it('three hundred connections, half of them dead, leave it working', async () => {
    const host = await start('--no-default-bridge');
    const sockets = Array.from({ length: 300 }, (_, i) => {
      const socket = net.connect(host.socket);
      socket.on('error', () => {});
      socket.write(
        i % 2 === 0 ? 'GET /net' : 'POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{',
      );
      return socket;
    });
    // Beyond 256 they are closed at once; the others have ten seconds.
    await expect
      .poll(() => sockets.filter((socket) => socket.closed).length, { timeout: 5000 })
      .toBeGreaterThanOrEqual(44);
    for (const socket of sockets.slice(0, 150)) socket.destroy();
    await expect
      .poll(() =>
        host.call('GET', '/_ping').then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
    for (const socket of sockets) socket.destroy();
    const created = await Promise.all(
      Array.from({ length: 20 }, (_, i) => host.call('POST', '/networks/create', { Name: `same${i % 2}` })),
    );
    expect(created.map(({ status }) => status).sort()).toEqual([201, 201, ...Array.from({ length: 18 }, () => 409)]);
  });
});

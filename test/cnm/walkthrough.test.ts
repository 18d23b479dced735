/** What container networks are known for, with programs in real namespaces. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns } from '../live/netns.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

const live = describe.skipIf(!hasRoot);
const title = (text: string) => (hasRoot ? text : `${text} ${NEEDS_ROOT}`);

live(title('bridge networks'), () => {
  let host: DaemonHost;
  let outside: Netns;

  beforeAll(async () => {
    host = new DaemonHost('bridge', ['--no-default-bridge']);
    outside = new Netns('outside');
    joinByVeth([host.netns, '192.0.2.1/24'], [outside, '192.0.2.2/24']);
    await host.start();
  });
  afterAll(() => host.remove());

  afterEach(() => host.clear());

  function ipOf(sandbox: SandboxView, network: string): string {
    const endpoint = sandbox.endpoints.find(({ networkName }) => networkName === network)!;
    return endpoint.addresses[0]!.replace(/\/.*/, '');
  }

  it('two containers on a network ping each other, the gateway and the world outside', async () => {
    await host.network({ Name: 'web' });
    const a = await host.sandbox('a', { network: 'web' });
    const b = await host.sandbox('b', { network: 'web' });
    expect(host.ping(a, ipOf(b, 'web'))).toBe(2);
    expect(host.ping(b, ipOf(a, 'web').replace(/\d+$/, '1'))).toBe(2);
    // Masqueraded: the other side has no route back to the containers.
    expect(host.ping(a, '192.0.2.2')).toBe(2);
  });

  it('two networks are isolated; a container on both reaches both', async () => {
    await host.network({ Name: 'one' });
    await host.network({ Name: 'two' });
    const a = await host.sandbox('a', { network: 'one' });
    const b = await host.sandbox('b', { network: 'two' });
    const both = await host.sandbox('both', { network: 'one' }, { network: 'two' });
    expect(host.ping(a, ipOf(b, 'two'))).toBe(0);
    expect(host.ping(both, ipOf(a, 'one'))).toBe(2);
    expect(host.ping(both, ipOf(b, 'two'))).toBe(2);
    expect(both.endpoints.map(({ interface: link }) => link)).toEqual(['eth0', 'eth1']);
  });

  it('an internal network has no way out', async () => {
    await host.network({ Name: 'inner', Internal: true });
    const a = await host.sandbox('a', { network: 'inner' });
    const b = await host.sandbox('b', { network: 'inner' });
    expect(host.ping(a, ipOf(b, 'inner'))).toBe(2);
    expect(host.exec(a, 'ip', 'route', 'show', 'default').out).toBe('');
    // Nor for who makes itself one.
    host.exec(a, 'ip', 'route', 'add', 'default', 'via', ipOf(a, 'inner').replace(/\d+$/, '1'));
    expect(host.ping(a, '192.0.2.2')).toBe(0);
  });

  it('without icc containers do not reach each other, but the world', async () => {
    const Options = { 'com.docker.network.bridge.enable_icc': 'false' };
    await host.network({ Name: 'apart', Options });
    const a = await host.sandbox('a', { network: 'apart' });
    const b = await host.sandbox('b', { network: 'apart' });
    expect(host.ping(a, ipOf(b, 'apart'))).toBe(0);
    expect(host.ping(a, '192.0.2.2')).toBe(2);
  });

  it('a published port answers on the host, and from outside', async () => {
    await host.network({ Name: 'shop' });
    const ports = [{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }];
    const a = await host.sandbox('a', { network: 'shop', ports });
    const serve = `require('http').createServer((q,s)=>s.end('hello from a')).listen(80,'0.0.0.0',()=>console.log('up'))`;
    const { Program } = await import('../live/program.js');
    const server = new Program(['nsenter', `--net=${a.netns}`, process.execPath, '-e', serve]);
    await server.until(/up/);
    const get = (url: string) =>
      `require('http').get('${url}',r=>r.pipe(process.stdout)).setTimeout(3000,function(){this.destroy()}).on('error',e=>console.log(e.message))`;
    for (const [from, url] of [
      [outside, 'http://192.0.2.1:8080/'],
      [host.netns, 'http://192.0.2.1:8080/'],
      [host.netns, 'http://127.0.0.1:8080/'],
    ] as const) {
      expect((await from.exec(process.execPath, '-e', get(url))).out, url).toBe('hello from a');
    }
    await server.stop();
    await host.ask('DELETE', '/overlane/sandboxes/a');
    const { out } = await outside.exec(process.execPath, '-e', get('http://192.0.2.1:8080/'));
    expect(out).toMatch(/ECONNREFUSED|hang up/);
  });

  it('addresses come from the range, and keep clear of what others have', async () => {
    const Config = [
      {
        Subnet: '172.28.0.0/16',
        IPRange: '172.28.5.0/30',
        Gateway: '172.28.5.254',
        AuxiliaryAddresses: { printer: '172.28.5.1' },
      },
    ];
    await host.network({ Name: 'ranged', IPAM: { Config } });
    const made: string[] = [];
    for (const name of ['a', 'b', 'c']) made.push(ipOf(await host.sandbox(name, { network: 'ranged' }), 'ranged'));
    expect(made.sort()).toEqual(['172.28.5.0', '172.28.5.2', '172.28.5.3']);
    const full = await host.call('POST', '/overlane/sandboxes', { name: 'no-room', networks: [{ network: 'ranged' }] });
    expect(full.status).toBeGreaterThanOrEqual(400);
    expect((full.body as { message: string }).message).toMatch(/full/);
    // Nothing of it is left.
    expect((await host.call('GET', '/overlane/sandboxes/no-room')).status).toBe(404);
  });

  it("'none' has only loopback, 'host' the host's interfaces", async () => {
    const none = await host.sandbox('none', { network: 'none' });
    const links = (sandbox: SandboxView) => host.exec(sandbox, 'ip', '-o', 'link').out.trim().split('\n');
    expect(links(none)).toHaveLength(1);
    expect(host.ping(none, '127.0.0.1')).toBe(2);
    const own = await host.ask<SandboxView>('POST', '/overlane/sandboxes', {
      name: 'own',
      host: true,
      networks: [{ network: 'host' }],
    });
    expect(own.kind).toBe('host');
    // Its path is that of the daemon's own namespace, so look from there.
    const { out } = await host.netns.exec('ip', '-o', 'link');
    expect(out).toMatch(/wire/);
  });
});

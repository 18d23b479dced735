/** What others do to the things that container networks are made of, and what becomes of the networks. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns } from '../live/netns.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

const live = describe.skipIf(!hasRoot);
const title = (text: string) => (hasRoot ? text : `${text} ${NEEDS_ROOT}`);

/** Waits until it holds, ten seconds at most. */
async function settled(holds: () => boolean | Promise<boolean>, what: () => string = String): Promise<void> {
  const late = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > late) throw new Error(`it did not come about: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function ipOf({ endpoints }: SandboxView, network?: string): string {
  const found = endpoints.find(({ networkName }) => network === undefined || networkName === network);
  return found!.addresses[0]!.replace(/\/.*/, '');
}

const gatewayOf = (ip: string) => ip.replace(/\d+$/, '1');
const messageOf = (body: unknown) => (body as { message: string }).message;

live(title('trouble'), () => {
  let host: DaemonHost;
  /** Of the daemon, from its next start on. */
  const options: string[] = [];
  /** Of the host, as it was when there was nothing. */
  let bare: string[];
  const given: Netns[] = [];

  beforeAll(async () => {
    host = new DaemonHost('trouble', options);
    await host.start();
  });
  afterAll(() => host.remove());
  beforeEach(async () => {
    bare = await traces();
  });
  afterEach(async () => {
    for (const netns of given.splice(0)) netns.remove();
    await host.clear();
    await settled(
      async () => (await traces()).join() === bare.join(),
      () => host.netns.links().join(),
    );
  });

  /** Interfaces of the host and rules about them. */
  async function traces(): Promise<string[]> {
    const rules = (await host.netns.exec('nft', 'list', 'ruleset')).out;
    const named = rules.match(/"[^"\n]+"|dport \. [^\n]+|elements = [^\n]+/g) ?? [];
    return [...host.netns.links().sort(), ...named.sort()];
  }

  async function restart(how: 'kill' | 'stop' = 'kill'): Promise<void> {
    await host[how]();
    await host.start();
  }

  const bridgeLink = async (name: string) =>
    `br-${(await host.ask<{ Id: string }>('GET', `/networks/${name}`)).Id.slice(0, 12)}`;
  const look = (name: string) => host.ask<SandboxView>('GET', `/overlane/sandboxes/${name}`);

  async function givenSandbox(name: string, ...networks: string[]): Promise<[Netns, SandboxView]> {
    const netns = new Netns(name);
    given.push(netns);
    const body = { name, netns: netns.path, networks: networks.map((network) => ({ network })) };
    return [netns, await host.ask<SandboxView>('POST', '/overlane/sandboxes', body)];
  }

  it('a given namespace that is gone: its sandbox can be disconnected and deleted, but not connected', async () => {
    await host.network({ Name: 'one' });
    await host.network({ Name: 'two' });
    const [netns] = await givenSandbox('g', 'one');
    netns.remove();
    const refused = await host.call('POST', '/overlane/networks/two/connect', { sandbox: 'g' });
    expect([refused.status, messageOf(refused.body)]).toEqual([
      404,
      expect.stringMatching(/is gone; delete the sandbox/),
    ]);
    await host.ask('POST', '/networks/one/disconnect', { Container: 'g' });
    expect((await look('g')).endpoints).toEqual([]);
    await host.ask('DELETE', '/overlane/sandboxes/g');
    // The next one gets to know at the start.
    const [another] = await givenSandbox('h', 'one', 'two');
    another.remove();
    await restart();
    await host.says(/namespace .* of sandbox h is gone; the sandbox and its 2 endpoints were removed/);
    expect((await host.call('GET', '/overlane/sandboxes/h')).status).toBe(404);
    await host.ask('DELETE', '/networks/one');
    await host.ask('DELETE', '/networks/two');
  });

  it('a namespace of ours that is gone: deleted, or made again at the next start', async () => {
    await host.network({ Name: 'one' });
    const vanish = ({ netns }: SandboxView) => {
      execFileSync('umount', ['-l', netns]);
      execFileSync('rm', [netns]);
    };
    const a = await host.sandbox('a', { network: 'one' });
    const b = await host.sandbox('b', { network: 'one' });
    vanish(a);
    await host.ask('DELETE', '/overlane/sandboxes/a');
    vanish(b);
    await host.ask('POST', '/networks/one/disconnect', { Container: 'b' });
    const c = await host.sandbox('c', { network: 'one' });
    vanish(c);
    await restart();
    expect(host.ping(await look('c'), gatewayOf(ipOf(c)))).toBe(2);
    expect((await look('b')).endpoints).toEqual([]);
  });

  it("a network's interface that is deleted by hand is there again, and works", async () => {
    await host.network({ Name: 'one' });
    const a = await host.sandbox('a', { network: 'one' });
    const link = await bridgeLink('one');
    host.netns.ip('link', 'del', link);
    await settled(() => host.netns.links().includes(link));
    await settled(() => host.ping(a, gatewayOf(ipOf(a)), 1) === 1);
    await host.says(/interface br-\w+ of network one was deleted; it is made again/);
    const b = await host.sandbox('b', { network: 'one' });
    expect(host.ping(a, ipOf(b))).toBe(2);
    // And when the network is removed instead.
    await host.clear();
    await host.network({ Name: 'two' });
    host.netns.ip('link', 'del', await bridgeLink('two'));
    await host.ask('DELETE', '/networks/two');
  });

  it('what is done to an interface within the container is undone at the next start, but for its name', async () => {
    await host.network({ Name: 'one' });
    const names = ['deleted', 'renamed', 'down', 'bare', 'left'];
    const all = new Map<string, SandboxView>();
    for (const name of names) all.set(name, await host.sandbox(name, { network: 'one' }));
    const ip = (name: string, ...words: string[]) => {
      const { status, out } = host.exec(all.get(name)!, 'ip', ...words);
      if (status !== 0) throw new Error(out);
    };
    ip('deleted', 'link', 'del', 'eth0');
    await settled(() => /interface eth0 of endpoint \S+ was deleted in its sandbox/.test(host.log));
    for (const name of ['renamed', 'left']) {
      ip(name, 'link', 'set', 'eth0', 'down');
      ip(name, 'link', 'set', 'eth0', 'name', 'lan.0');
      ip(name, 'link', 'set', 'lan.0', 'up');
    }
    ip('down', 'link', 'set', 'eth0', 'down');
    ip('bare', 'address', 'flush', 'dev', 'eth0');
    await host.ask('POST', '/networks/one/disconnect', { Container: 'left' });
    await settled(() => !host.exec(all.get('left')!, 'ip', '-o', 'link').out.includes('lan.0'));
    await restart();
    for (const name of names.slice(0, 4)) {
      expect(host.ping(await look(name), gatewayOf(ipOf(all.get(name)!))), name).toBe(2);
      const routes = host.exec(all.get(name)!, 'ip', 'route', 'show', 'default').out;
      expect(routes, name).toMatch(/^default via/);
    }
    expect((await look('renamed')).endpoints[0]!.interface).toBe('lan.0');
    expect(host.exec(all.get('renamed')!, 'ip', '-o', 'link').out).not.toMatch(/eth0/);
  });

  for (const driver of ['macvlan', 'ipvlan']) {
    it(`${driver}: a parent that goes away and comes back, while the daemon runs and while it does not`, async () => {
      const wire = new Netns('wire');
      given.push(wire);
      const plug = () => {
        joinByVeth([host.netns, '198.18.0.1/24'], [wire, '198.18.0.9/24'], { name: 'plug' });
        // It is the host's end that is another one: who is out there stays who they are.
        wire.ip('link', 'set', 'plug', 'address', '02:00:00:00:00:09');
      };
      plug();
      const IPAM = { Config: [{ Subnet: '198.18.0.0/24', IPRange: '198.18.0.64/26', Gateway: '198.18.0.9' }] };
      await host.network({ Name: 'lan', Driver: driver, Options: { parent: 'plug' }, IPAM });
      const a = await host.sandbox('a', { network: 'lan' });
      const b = await host.sandbox('b', { network: 'lan' });
      expect(host.ping(a, '198.18.0.9')).toBe(2);
      const back = () =>
        settled(
          () => host.ping(a, '198.18.0.9', 1) === 1,
          () => host.log,
        );

      host.netns.ip('link', 'del', 'plug');
      expect((await host.ask<unknown[]>('GET', '/networks?filters={"name":["lan"]}')).length).toBe(1);
      expect(host.ping(a, ipOf(b))).toBe(2);
      const refused = await host.call('POST', '/overlane/sandboxes', { name: 'c', networks: [{ network: 'lan' }] });
      expect([refused.status, messageOf(refused.body)]).toEqual([404, expect.stringMatching(/plug/)]);
      await host.ask('POST', '/networks/lan/disconnect', { Container: 'b' });
      plug();
      await back();

      await host.kill();
      host.netns.ip('link', 'del', 'plug');
      await host.start();
      await host.says(/network lan could not be brought back: .*plug/);
      const busy = await host.call('POST', '/overlane/networks/lan/connect', { sandbox: 'b' });
      expect(busy.status).toBeGreaterThanOrEqual(400);
      plug();
      await back();
      await host.says(/network lan is back/);
      await host.ask('POST', '/overlane/networks/lan/connect', { sandbox: 'b' });

      // Without it, containers leave and the network goes, leaving nothing.
      host.netns.ip('link', 'del', 'plug');
      await restart();
      await host.ask('POST', '/networks/lan/disconnect', { Container: 'a' });
      expect(host.exec(a, 'ip', '-o', 'link').out).not.toMatch(/eth0/);
      await host.ask('DELETE', '/overlane/sandboxes/b');
      await host.ask('DELETE', '/networks/lan');
    });
  }
});

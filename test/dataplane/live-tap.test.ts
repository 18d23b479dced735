/** TAPs in network namespaces on a live dataplane: what the kernel in there sees of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Dataplane, type DataplaneOptions, type LinkChange, type Miss } from '../../src/index.js';
import { hasRoot, NEEDS_ROOT, Netns, ping } from '../live/netns.js';
import { from } from './frames.js';
import { expectBalance, failure, watch } from './lab.js';

const live = (options: DataplaneOptions = {}) => watch(new Dataplane(options));

async function eventually(look: () => boolean, what: string): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (look()) return;
    await sleep(10);
  }
  throw new Error(`not within five seconds: ${what}`);
}

describe.skipIf(!hasRoot)(`tap ports ${NEEDS_ROOT}`, () => {
  it('two namespaces on one bridge reach each other, and nothing is left after close', async () => {
    const [one, two] = [new Netns('c1'), new Netns('c2')];
    const dataplane = live();
    const first = dataplane.addPort({
      type: 'tap',
      netns: one.path,
      name: 'eth0',
      addresses: ['10.99.0.1/24', 'fd00::1/64'],
    });
    const second = dataplane.addPort({
      type: 'tap',
      netns: two.name,
      name: 'eth0',
      addresses: ['10.99.0.2/24', 'fd00::2/64'],
    });
    expect(first).toMatchObject({
      name: 'eth0',
      type: 'tap',
      interface: 'eth0',
      netns: one.path,
      mtu: 1500,
      mac: '02:42:0a:63:00:01',
    });
    expect(second.name).toBe(`${two.name}/eth0`);
    const bridge = dataplane.addBridge().attach(first).attach(second);
    await dataplane.start();
    expect(await ping(one, '10.99.0.2')).toBe(3);
    expect(await ping(two, 'fd00::1')).toBe(3);
    expect(await ping(one, '10.99.0.2', { size: 8000 })).toBe(3);
    expect(bridge.fdb()).toEqual(
      expect.arrayContaining([expect.objectContaining({ mac: '02:42:0a:63:00:02', port: second.name })]),
    );
    expect(dataplane.counters().ports['eth0']?.rx_packets).toBeGreaterThan(9n);
    await eventually(() => dataplane.counters().balanced, 'the sum holds');
    bridge.detach(second);
    second.close();
    await eventually(() => two.links().length === 0, 'the interface is gone');
    expect(one.links()).toEqual(['eth0']);
    await dataplane.close();
    expect(one.links()).toEqual([]);
  });

  it('carries without workers pinned, with two workers, and with one queue', async () => {
    const [one, two] = [new Netns('c1'), new Netns('c2')];
    const dataplane = live({ workers: [{ cpu: 0 }, {}], spin: 0 });
    const bridge = dataplane.addBridge();
    bridge.attach(
      dataplane.addPort({ type: 'tap', netns: one.name, interface: 'eth0', name: 'a', addresses: ['10.99.0.1/24'] }),
    );
    bridge.attach(
      dataplane.addPort({
        type: 'tap',
        netns: two.name,
        interface: 'eth0',
        name: 'b',
        addresses: ['10.99.0.2/24'],
        queues: 1,
      }),
    );
    await dataplane.start();
    expect(await ping(one, '10.99.0.2', { count: 10 })).toBe(10);
    await eventually(() => dataplane.counters().balanced, 'the sum holds');
  });

  it('routes, MAC, MTU and size of super-frames are as told', async () => {
    const netns = new Netns('c1');
    live().addPort({
      type: 'tap',
      netns: netns.path,
      name: 'eth0',
      mac: '02:00:00:00:00:77',
      addresses: ['10.99.0.1/24', 'fd00::1/64'],
      routes: [{ to: 'default', via: '10.99.0.254' }, { to: '10.1.0.0/16' }, { to: 'default', via: 'fd00::fe' }],
      mtu: 1450,
      gsoMaxSize: 30_000,
    });
    const [link] = JSON.parse(netns.ip('-j', '-d', 'link', 'show', 'eth0'));
    expect(link).toMatchObject({ address: '02:00:00:00:00:77', mtu: 1450, gso_max_size: 30_000 });
    const routes = JSON.parse(netns.ip('-j', 'route')) as { dst: string; gateway?: string }[];
    expect(routes.map(({ dst, gateway }) => [dst, gateway])).toEqual(
      expect.arrayContaining([
        ['default', '10.99.0.254'],
        ['10.1.0.0/16', undefined],
      ]),
    );
    expect(netns.ip('-6', 'route')).toContain('default via fd00::fe');
  });

  it('tells what becomes of the interface', async () => {
    const netns = new Netns('c1');
    const dataplane = live();
    const port = dataplane.addPort({ type: 'tap', netns: netns.path, name: 'eth0' });
    const memory = dataplane.addPort({ type: 'memory' });
    const links: LinkChange[] = [];
    dataplane.on('link', (batch) => links.push(...batch));
    await dataplane.start();
    netns.ip('link', 'set', 'eth0', 'mtu', '1400');
    await eventually(() => links.some(({ mtu }) => mtu === 1400), 'the MTU');
    expect(port.mtu).toBe(1400);
    netns.ip('link', 'set', 'eth0', 'down');
    await eventually(() => links.at(-1)?.state === 'down', 'down');
    dataplane.addBridge().attach(port).attach(memory);
    memory.inject([from(1, 2)]);
    await eventually(() => dataplane.counters().drops['drop_link_down'] === 1n, 'the drop');
    netns.ip('link', 'set', 'eth0', 'up');
    await eventually(() => links.at(-1)?.state === 'up', 'up');
    netns.ip('link', 'del', 'eth0');
    await eventually(() => links.at(-1)?.state === 'gone', 'gone');
    expect(links.every((link) => link.port === 'eth0')).toBe(true);
  });

  it('tells who is missing, and the control plane may answer', async () => {
    const [one, two] = [new Netns('c1'), new Netns('c2')];
    const dataplane = live();
    const first = dataplane.addPort({ type: 'tap', netns: one.path, name: 'eth0', addresses: ['10.99.0.1/24'] });
    const second = dataplane.addPort({ type: 'tap', netns: two.path, name: 'eth0', addresses: ['10.99.0.2/24'] });
    const bridge = dataplane.addBridge({ name: 'br', proxyArp: true, miss: 'drop' }).attach(first).attach(second);
    const misses: Miss[] = [];
    dataplane.on('miss', (batch) => {
      misses.push(...batch);
      for (const { ip } of batch) if (ip === '10.99.0.2') bridge.addNeighbor({ ip, mac: second.mac! });
      for (const { ip } of batch) if (ip === '10.99.0.1') bridge.addNeighbor({ ip, mac: first.mac! });
    });
    await dataplane.start();
    expect(await ping(one, '10.99.0.2', { count: 10 })).toBeGreaterThan(3);
    // The kernel asks for its own IPv6 addresses, too.
    const asked = misses.find(({ ip }) => ip === '10.99.0.2');
    expect(asked).toMatchObject({ bridge: 'br', port: 'eth0', vlan: null });
    expect(asked!.timestamp).toBeGreaterThan(BigInt(Date.now() - 60_000) * 1_000_000n);
  });

  it('a listener that throws is an uncaught exception, and the others are called', async () => {
    const netns = new Netns('c1');
    const dataplane = live();
    const port = dataplane.addPort({ type: 'tap', netns: netns.path, name: 'eth0', addresses: ['10.99.0.1/24'] });
    const bridge = dataplane.addBridge({ proxyArp: true }).attach(port);
    const seen: string[] = [];
    const uncaught: unknown[] = [];
    const mine = (error: unknown) => void uncaught.push(error);
    const theirs = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').on('uncaughtException', mine);
    try {
      dataplane.on('miss', () => {
        throw new Error('listener');
      });
      dataplane.on('link', (links) => seen.push(...links.map(({ mtu }) => String(mtu))));
      await dataplane.start();
      void netns.exec('ping', '-n', '-c', '1', '-W', '1', '10.99.0.9');
      await eventually(() => uncaught.length > 0, 'the exception');
      netns.ip('link', 'set', 'eth0', 'mtu', '1400');
      await eventually(() => seen.includes('1400'), 'the other event');
    } finally {
      process.off('uncaughtException', mine);
      for (const listener of theirs) process.on('uncaughtException', listener);
    }
    expect(String(uncaught[0])).toContain('listener');
    bridge.close();
    expectBalance(dataplane);
  });

  it('an interface that is there already is not taken over', () => {
    const netns = new Netns('c1');
    netns.ip('link', 'add', 'eth0', 'type', 'bridge');
    const dataplane = live();
    const { code, message } = failure(() => dataplane.addPort({ type: 'tap', netns: netns.path, name: 'eth0' }));
    expect([code, message]).toEqual(['ERR_OVERLANE_BUSY', expect.stringContaining("port 'eth0': ")]);
    expect([netns.links(), dataplane.ports.size]).toEqual([['eth0'], 0]);
  });

  it('a veth by AF_PACKET carries the same', async () => {
    const netns = new Netns('c1');
    netns.ip('link', 'add', 'outer', 'type', 'veth', 'peer', 'name', 'inner');
    netns.ip('link', 'set', 'outer', 'up');
    netns.ip('link', 'set', 'inner', 'up');
    netns.ip('address', 'add', '10.99.0.1/24', 'dev', 'inner');
    const far = new Netns('c2');
    const dataplane = live();
    const packet = dataplane.addPort({ type: 'packet', netns: netns.path, interface: 'outer' });
    const tap = dataplane.addPort({ type: 'tap', netns: far.path, name: 'eth0', addresses: ['10.99.0.2/24'] });
    expect(packet).toMatchObject({ name: 'outer', type: 'packet', mtu: 1500 });
    dataplane.addBridge().attach(packet).attach(tap);
    await dataplane.start();
    expect(await ping(netns, '10.99.0.2')).toBe(3);
    await dataplane.close();
    expect(netns.links().sort()).toEqual(['inner', 'outer']);
  });
});

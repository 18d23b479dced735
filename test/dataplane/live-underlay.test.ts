/** Two hosts, each a namespace with a dataplane, joined by UDP underlays over a veth: containers on one overlay. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Dataplane, type PathMtu } from '../../src/index.js';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns, ping } from '../live/netns.js';
import { failure, watch } from './lab.js';

interface Site {
  dataplane: Dataplane;
  host: Netns;
  container: Netns;
}

async function eventually(look: () => boolean, what: string): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (look()) return;
    await sleep(10);
  }
  throw new Error(`not within five seconds: ${what}`);
}

/** Host n of two: container 10.99.0.n, VTEP as given. */
function site(n: 1 | 2, host: Netns, vteps: [string, string], offload = true): Site {
  const container = new Netns(`c${n}`);
  const dataplane = watch(new Dataplane());
  const other = 3 - n;
  const underlay = dataplane.addUnderlay({
    type: 'udp',
    name: 'u0',
    netns: host.path,
    local: vteps[n - 1]!,
    port: 4789,
    offload,
  });
  const bridge = dataplane.addBridge({ name: 'br0', vni: 4097, underlay, proxyArp: true });
  const addresses = [`10.99.0.${n}/24`, `fd00::${n}/64`];
  bridge.attach(dataplane.addPort({ type: 'tap', netns: container.path, name: 'eth0', addresses, mtu: bridge.mtu }));
  const mac = `02:42:0a:63:00:0${other}`;
  bridge.addPeer({ mac, ip: `10.99.0.${other}`, vtep: vteps[other - 1]! });
  bridge.addPeer({ mac, ip: `fd00::${other}`, vtep: vteps[other - 1]! });
  return { dataplane, host, container };
}

async function pair(vteps: [string, string], length: number, offload = true): Promise<[Site, Site]> {
  const hosts = [new Netns('h1'), new Netns('h2')] as const;
  joinByVeth([hosts[0], `${vteps[0]}/${length}`], [hosts[1], `${vteps[1]}/${length}`]);
  const sites: [Site, Site] = [site(1, hosts[0], vteps, offload), site(2, hosts[1], vteps, offload)];
  for (const { dataplane } of sites) await dataplane.start();
  return sites;
}

describe.skipIf(!hasRoot)(`udp underlays ${NEEDS_ROOT}`, () => {
  it.each<[string, [string, string], number, boolean]>([
    ['IPv4', ['192.168.77.1', '192.168.77.2'], 24, true],
    ['IPv6', ['fd77::1', 'fd77::2'], 64, true],
    ['IPv4 without offload', ['192.168.77.1', '192.168.77.2'], 24, false],
  ])('carry small and large pings, of either IP version, over %s', async (name, vteps, length, offload) => {
    const [a, b] = await pair(vteps, length, offload);
    const over = name.startsWith('IPv4') ? 50 : 70;
    expect(a.dataplane.underlays.get('u0')).toMatchObject({ type: 'udp', mtu: 1500, local: vteps[0] });
    expect(a.dataplane.ports.get('eth0')?.mtu).toBe(1500 - over);
    expect(await ping(a.container, '10.99.0.2')).toBe(3);
    expect(await ping(b.container, 'fd00::1')).toBe(3);
    expect(await ping(a.container, '10.99.0.2', { size: 8000 })).toBe(3);
    expect(await ping(b.container, 'fd00::1', { size: 8000 })).toBe(3);
    for (const { dataplane } of [a, b]) {
      await eventually(() => dataplane.counters().balanced, 'the sum holds');
      const { ports, total } = dataplane.counters();
      expect(Object.keys(ports).sort()).toEqual(['eth0', 'u0']);
      expect(ports['u0']?.rx_packets).toBeGreaterThan(10n);
      expect(ports['u0']?.tx_packets).toBeGreaterThan(10n);
      expect(total['encapsulated']).toBeGreaterThan(10n);
      expect(total['decapsulated']).toBeGreaterThan(10n);
    }
    await a.dataplane.close();
    await b.dataplane.close();
    expect([a.container.links(), b.container.links()]).toEqual([[], []]);
    expect([a.host.links(), b.host.links()]).toEqual([['wire'], ['wire']]);
  });

  it('a UDP port that is in use is told, and free again after close', async () => {
    const host = new Netns('h1');
    const [first, second] = [watch(new Dataplane()), watch(new Dataplane())];
    const add = (dataplane: Dataplane) =>
      dataplane.addUnderlay({ type: 'udp', netns: host.path, local: '127.0.0.1', port: 4789 });
    const underlay = add(first);
    expect(failure(() => add(second))).toMatchObject({ code: 'ERR_OVERLANE_BUSY' });
    underlay.close();
    expect(add(second).type).toBe('udp');
  });

  it('an address that no interface has is told', () => {
    const host = new Netns('h1');
    const dataplane = watch(new Dataplane());
    const { message } = failure(() => dataplane.addUnderlay({ type: 'udp', netns: host.path, local: '192.168.77.9' }));
    expect(message).toMatch(/underlay 'udp0': .*192\.168\.77\.9/);
    expect(dataplane.underlays.size).toBe(0);
  });

  it('a router with a narrow way beyond it raises mtu events', async () => {
    const [h1, router, h2] = [new Netns('h1'), new Netns('r'), new Netns('h2')];
    joinByVeth([h1, '192.168.1.1/24'], [router, '192.168.1.254/24'], { name: 'west' });
    joinByVeth([router, '192.168.2.254/24'], [h2, '192.168.2.1/24'], { name: 'east', mtu: 1400 });
    h1.ip('route', 'add', 'default', 'via', '192.168.1.254');
    h2.ip('route', 'add', 'default', 'via', '192.168.2.254');
    expect((await router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1')).status).toBe(0);
    const vteps: [string, string] = ['192.168.1.1', '192.168.2.1'];
    const [a, b] = [site(1, h1, vteps), site(2, h2, vteps)];
    const paths: PathMtu[] = [];
    a.dataplane.on('mtu', (batch) => paths.push(...batch));
    await a.dataplane.start();
    await b.dataplane.start();
    expect(await ping(a.container, '10.99.0.2')).toBe(3);
    await ping(a.container, '10.99.0.2', { size: 1400, count: 5 });
    await eventually(() => paths.length > 0, 'an mtu event');
    expect(paths[0]).toEqual({ underlay: 'u0', peer: '192.168.2.1', mtu: 1400 });
  });
});

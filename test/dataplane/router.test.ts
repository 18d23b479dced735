/** Routers between bridges: what they are told, and what a container sees of them. The packet path is in native/test/test_route*.cc. */
import { describe, expect, it } from 'vitest';
import type { Miss, RouterInterfaceOptions } from '../../src/index.js';
import { arp, ethernet, ipv4, ipv6, solicitation, station, udp } from './frames.js';
import { drops, failure, hex, lab, memoryPorts, send, total } from './lab.js';

const GATEWAY = '02:6f:76:6c:00:01';

function two() {
  const dataplane = lab();
  const [a, b] = memoryPorts(dataplane, 'a', 'b');
  const red = dataplane.addBridge({ name: 'red', unknownUnicast: 'drop' }).attach(a!, { mac: station(1) });
  const blue = dataplane.addBridge({ name: 'blue', unknownUnicast: 'drop' }).attach(b!, { mac: station(2) });
  const router = dataplane
    .addRouter({ name: 'r0' })
    .addInterface(red, { addresses: ['10.0.9.1/24', 'fd00:9::1/64'] })
    .addInterface(blue, { addresses: ['10.0.10.1/24', 'FD00:10::1/64'], mtu: 1400 });
  return { dataplane, router, red, blue, a: a!, b: b! };
}

const payload = udp({ src: 1000, dst: 2000, payload: new Uint8Array(20) });

const packet = (dst: string, size = 0) =>
  ethernet({
    dst: GATEWAY,
    src: station(1),
    type: 0x0800,
    payload: ipv4({ src: '10.0.9.2', dst, payload: size === 0 ? payload : new Uint8Array(size - 20) }),
  });

describe('a router', () => {
  it('routes between bridges, both families, with its MAC', () => {
    const { dataplane, blue, a } = two();
    blue.addNeighbor({ ip: '10.0.10.2', mac: station(2) }).addNeighbor({ ip: 'fd00:10::2', mac: station(2) });
    const want = ethernet({
      dst: station(2),
      src: GATEWAY,
      type: 0x0800,
      payload: ipv4({ src: '10.0.9.2', dst: '10.0.10.2', payload }),
    });
    want[22]!--;
    want[24]!++; // a TTL of one less is a checksum of 0x0100 more
    expect(send(dataplane, a, [packet('10.0.10.2')])).toEqual({ b: [hex(want)] });

    const six = ipv6({ src: 'fd00:9::2', dst: 'fd00:10::2', payload });
    const sent = ethernet({ dst: GATEWAY, src: station(1), type: 0x86dd, payload: six });
    const got = ethernet({ dst: station(2), src: GATEWAY, type: 0x86dd, payload: six });
    got[21]!--;
    expect(send(dataplane, a, [sent])).toEqual({ b: [hex(got)] });
    expect(total(dataplane, 'routed')).toBe(2);
  });

  it('is asked for by ARP and ND, without proxyArp', () => {
    const { dataplane, router, a } = two();
    const ask = arp({ op: 1, sha: station(1), spa: '10.0.9.2', tpa: '10.0.9.1' });
    const answer = arp({ op: 2, sha: GATEWAY, spa: '10.0.9.1', tha: station(1), tpa: '10.0.9.2', dst: station(1) });
    expect(send(dataplane, a, [ask])).toEqual({ a: [hex(answer)] });
    expect(router.linkLocal).toBe('fe80::6f:76ff:fe6c:1');
    for (const target of ['fd00:9::1', 'fe80::6f:76ff:fe6c:1']) {
      const out = send(dataplane, a, [solicitation({ src: 'fd00:9::2', sha: station(1), target })]);
      expect(out['a']).toHaveLength(1);
    }
    expect(total(dataplane, 'nd_replied')).toBe(2);
  });

  it('raises a miss in the network of the destination, and tells the sender', () => {
    const { dataplane, blue, a } = two();
    const misses: Miss[] = [];
    dataplane.on('miss', (batch) => {
      misses.push(...batch);
      blue.addNeighbor({ ip: '10.0.10.2', mac: station(2) });
    });
    const [error = ''] = send(dataplane, a, [packet('10.0.10.2')], 5n)['a'] ?? [];
    expect(error.slice(68, 72)).toBe('0301');
    expect(misses).toMatchObject([{ bridge: 'blue', port: 'a', vlan: null, ip: '10.0.10.2' }]);
    expect(drops(dataplane)).toEqual({ drop_route_neighbor: 1 });
    expect(send(dataplane, a, [packet('10.0.10.2')])).toHaveProperty('b');
  });

  it('says what fits', () => {
    const { dataplane, blue, a } = two();
    blue.addNeighbor({ ip: '10.0.10.2', mac: station(2) });
    expect(send(dataplane, a, [packet('10.0.10.2', 1400)])).toHaveProperty('b');
    const [error = ''] = send(dataplane, a, [packet('10.0.10.2', 1401)])['a'] ?? [];
    expect([error.slice(68, 72), error.slice(80, 84)]).toEqual(['0304', '0578']);
  });

  it('has other interfaces from burst to burst', () => {
    const { dataplane, router, red, blue, a } = two();
    expect(router.interfaces).toEqual([
      { bridge: red, vlan: null, addresses: ['10.0.9.1/24', 'fd00:9::1/64'], mtu: 65535 },
      { bridge: blue, vlan: null, addresses: ['10.0.10.1/24', 'fd00:10::1/64'], mtu: 1400 },
    ]);
    expect([...dataplane.routers.values()]).toEqual([router]);
    expect(router.removeInterface(red)).toBe(true);
    expect(router.removeInterface(red)).toBe(false);
    expect(send(dataplane, a, [packet('10.0.10.2')])).toEqual({});
    expect(drops(dataplane)).toEqual({ drop_unknown_unicast: 1 });
    router.addInterface(red, { addresses: ['10.0.9.1/24'] });
    blue.close();
    expect(router.interfaces.map(({ bridge }) => bridge.name)).toEqual(['red']);
    expect(Object.keys(send(dataplane, a, [packet('10.0.10.2')]))).toEqual(['a']);
    expect(total(dataplane, 'drop_route_none')).toBe(1);
    router.close();
    router.close();
    expect(dataplane.routers.size).toBe(0);
    expect(failure(() => router.addInterface(red, { addresses: ['10.0.9.1/24'] })).code).toBe('ERR_OVERLANE_CLOSED');
    dataplane.addRouter({ name: 'r0' }).addInterface(red, { addresses: ['10.0.9.1/24'] });
    expect(Object.keys(send(dataplane, a, [packet('10.0.9.1')]))).toEqual(['a']);
  });

  it('joins VLANs of one bridge', () => {
    const dataplane = lab();
    const [a, wire] = memoryPorts(dataplane, 'a', 'wire');
    const underlay = dataplane.addUnderlay({ type: 'frame', port: wire!, mac: station(9), local: '192.168.77.1' });
    const bridge = dataplane.addBridge({ underlay, vlans: { 100: 5000, 200: 6000 } }).attach(a!);
    bridge
      .addNeighbor({ ip: '10.0.10.2', mac: station(2), vlan: 200 })
      .addFdb({ mac: station(2), port: a!, vlan: 200 });
    const router = dataplane
      .addRouter()
      .addInterface(bridge, { addresses: ['10.0.9.1/24'], vlan: 100 })
      .addInterface(bridge, { addresses: ['10.0.10.1/24'], vlan: 200 });
    expect(router.interfaces.map(({ vlan }) => vlan)).toEqual([100, 200]);
    const ip = packet('10.0.10.2');
    const sent = ethernet({ dst: GATEWAY, src: station(1), vlan: 100, type: 0x0800, payload: ip.subarray(14) });
    const [back = ''] = send(dataplane, a!, [sent])['a'] ?? [];
    expect(back.slice(24, 32)).toBe('810000c8');
  });
});

describe('addRouter and addInterface refuse', () => {
  const cases: [string, RouterInterfaceOptions | object, RegExp][] = [
    ['no addresses', { addresses: [] }, /a list of 1 to 16 addresses/],
    ['no prefix', { addresses: ['10.1.0.1'] }, /addresses\[0\]' of addInterface: "10.1.0.1" has no prefix length/],
    ['the subnet itself', { addresses: ['10.1.0.0/24'] }, /is the subnet itself/],
    ['the broadcast address', { addresses: ['10.1.0.255/24'] }, /broadcast address/],
    ['the anycast address', { addresses: ['fd01::/64'] }, /is the subnet itself/],
    ['loopback', { addresses: ['127.0.0.1/8'] }, /loopback/],
    ['multicast', { addresses: ['224.0.0.1/8'] }, /multicast/],
    ['link-local', { addresses: ['169.254.1.1/16'] }, /never routed/],
    ['link-local IPv6', { addresses: ['fe80::1/64'] }, /has one by itself/],
    ['everything', { addresses: ['10.1.0.1/0'] }, /whole Internet/],
    ['the same twice', { addresses: ['10.1.0.1/24', '10.1.0.1/24'] }, /the same address/],
    ['a subnet in a subnet', { addresses: ['10.1.0.1/24', '10.1.0.129/25'] }, /subnets that overlap/],
    ['a small MTU', { addresses: ['10.1.0.1/24'], mtu: 67 }, /from 68 to 65535/],
    ['a small MTU for IPv6', { addresses: ['fd01::1/64'], mtu: 1279 }, /needs 1280 or more/],
    ['a VLAN that is not mapped', { addresses: ['10.1.0.1/24'], vlan: 7 }, /has no VLAN map/],
    ['what is no option', { addresses: ['10.1.0.1/24'], gateway: true }, /unknown option 'gateway'/],
  ];
  it.each(cases)('%s', (_, options, message) => {
    const { dataplane, router } = two();
    const bridge = dataplane.addBridge({ name: 'green' });
    const refused = failure(() => router.addInterface(bridge, options as RouterInterfaceOptions));
    expect(refused).toEqual({ code: 'ERR_OVERLANE_OPTION', message: expect.stringMatching(message) });
    expect(router.interfaces).toHaveLength(2);
  });

  it('a second gateway, overlapping subnets, and others’ bridges', () => {
    const { dataplane, router, red } = two();
    const green = dataplane.addBridge({ name: 'green' });
    const other = dataplane.addRouter();
    expect(other.name).toBe('router0');
    const addresses = ['10.0.9.129/25'];
    expect(failure(() => other.addInterface(red, { addresses }))).toEqual({
      code: 'ERR_OVERLANE_EXISTS',
      message: expect.stringContaining("bridge 'red' has an interface of router 'r0' already"),
    });
    expect(failure(() => router.addInterface(green, { addresses }))).toEqual({
      code: 'ERR_OVERLANE_EXISTS',
      message: expect.stringContaining("10.0.9.129/25 overlaps that of 10.0.9.1/24 on bridge 'red'"),
    });
    other.addInterface(green, { addresses });
    const foreign = lab().addBridge();
    expect(failure(() => router.addInterface(foreign, { addresses })).code).toBe('ERR_OVERLANE_OPTION');
    green.close();
    expect(failure(() => other.addInterface(green, { addresses })).code).toBe('ERR_OVERLANE_OPTION');
    expect(failure(() => dataplane.addRouter({ name: 'r0' })).code).toBe('ERR_OVERLANE_EXISTS');
    expect(failure(() => dataplane.addRouter({ mac: '01:00:5e:00:00:01' })).code).toBe('ERR_OVERLANE_OPTION');
  });

  it('takes small subnets, and several addresses of one', () => {
    const { dataplane, router } = two();
    const bridge = dataplane.addBridge();
    const addresses = ['10.1.0.1/24', '10.1.0.2/24', '10.2.0.0/31', '10.3.0.0/32', 'fd01::/128'];
    expect(router.addInterface(bridge, { addresses }).interfaces.at(-1)?.addresses).toEqual(addresses);
  });
});

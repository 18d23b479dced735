/** macvlan, ipvlan and trunks through the API: who reaches whom in each mode is in native/test/. */
import { describe, expect, it } from 'vitest';
import type { AttachOptions, Bridge, BridgeOptions, ErrorCode, Port } from '../../src/index.js';
import { arp, BROADCAST, ethernet, from, ipv4, station, udp } from './frames.js';
import { drops, hex, lab, memoryPorts, send } from './lab.js';
import { any, expectRefusal } from './refusal.js';

const SHARED = station(80);
const GATEWAY = station(99);

/** UDP over IPv4, between MACs and addresses. */
function packet(src: string, dst: string, from: string, to: string): Uint8Array {
  const payload = ipv4({ src: from, dst: to, payload: udp({ src: 1234, dst: 2000, payload: new Uint8Array(20) }) });
  return ethernet({ dst, src, type: 0x0800, payload });
}

/** A network with the uplink `w` and the containers `a` and `b`. */
function network(options: BridgeOptions, a: AttachOptions, b: AttachOptions, uplink: AttachOptions = {}) {
  const dataplane = lab({ neighborEntries: 8 });
  const [pa, pb, pw] = memoryPorts(dataplane, 'a', 'b', 'w') as [Port, Port, Port];
  const bridge = dataplane.addBridge({ name: 'net', ...options });
  bridge
    .attach(pw, { uplink: true, ...uplink })
    .attach(pa, a)
    .attach(pb, b);
  return { dataplane, bridge, a: pa, b: pb, w: pw };
}

const macvlan = (uplink: AttachOptions = {}) =>
  network({ forwarding: 'macvlan-bridge' }, { mac: station(1) }, { mac: station(2) }, uplink);
const ipvlan = (forwarding: 'ipvlan-l2' | 'ipvlan-l3' = 'ipvlan-l2') =>
  network(
    { forwarding, mac: SHARED },
    { addresses: ['10.0.0.1', 'fd00::1'] },
    { addresses: ['10.0.0.2'] },
    forwarding === 'ipvlan-l3' ? { mac: GATEWAY } : {},
  );

describe('macvlan', () => {
  it.each([
    ['macvlan-bridge', { b: 1 }, { b: 1, w: 1 }],
    ['macvlan-private', {}, { w: 1 }],
    ['macvlan-vepa', { w: 1 }, { w: 1 }],
  ] as const)('%s', (forwarding, unicast, group) => {
    const { dataplane, bridge, a, w } = network({ forwarding }, { mac: station(1) }, { mac: station(2) });
    const counts = (out: Record<string, string[]>) =>
      Object.fromEntries(Object.entries(out).map(([name, frames]) => [name, frames.length]));
    expect(counts(send(dataplane, a, [from(1, 2)]))).toEqual(unicast);
    expect(counts(send(dataplane, a, [from(1, BROADCAST)]))).toEqual(group);
    expect(counts(send(dataplane, w, [from(9, 2), from(9, 3)]))).toEqual({ b: 1 });
    expect(bridge.forwarding).toBe(forwarding);
    expect(bridge.uplink).toBe(w);
    expect(bridge.fdb().map(({ mac, port, static: fixed }) => [mac, port, fixed])).toEqual([
      [station(1), 'a', true],
      [station(2), 'b', true],
    ]);
    expect(drops(dataplane)).toMatchObject({ drop_not_ours: 1 });
  });

  it('macvlan-passthru: one container, with any MAC', () => {
    const dataplane = lab();
    const [a, w] = memoryPorts(dataplane, 'a', 'w') as [Port, Port];
    dataplane.addBridge({ forwarding: 'macvlan-passthru' }).attach(a).attach(w, { uplink: true });
    expect(send(dataplane, a, [from(1, 2), from(7, 2)])['w']).toHaveLength(2);
    expect(send(dataplane, w, [from(2, 55)])['a']).toHaveLength(1);
  });

  it('a container may have more MACs, and lose them', () => {
    const { dataplane, bridge, a, b } = macvlan();
    bridge.addFdb({ mac: station(5), port: b });
    expect(send(dataplane, a, [from(1, 5)])).toEqual({ b: [hex(from(1, 5))] });
    expect(bridge.removeFdb({ mac: station(5) })).toBe(true);
    expect(send(dataplane, a, [from(1, 5)])).toEqual({ w: [hex(from(1, 5))] });
  });

  it('the uplink may change, and what leaves gives up what it had', () => {
    const { dataplane, bridge, a, b, w } = macvlan();
    bridge.detach(w);
    expect(bridge.uplink).toBeNull();
    expect(send(dataplane, a, [from(1, 9)])).toEqual({});
    expect(drops(dataplane)).toEqual({ drop_no_destination: 1 });
    bridge.attach(w, { uplink: true, vlan: 7 });
    expect(send(dataplane, a, [from(1, 9)])).toEqual({ w: [hex(from(1, 9, 0, 7))] });
    bridge.detach(b).attach(b, { mac: station(2) });
    bridge.close();
    expect([a, b, w].flatMap(({ bridges }) => bridges)).toEqual([]);
    bridge.close();
  });
});

describe('ipvlan', () => {
  it('l2: by destination IP among containers, by MAC to the link; neighbors() says who has what', () => {
    const { dataplane, bridge, a, w } = ipvlan();
    const local = packet(SHARED, SHARED, '10.0.0.1', '10.0.0.2');
    const remote = packet(SHARED, GATEWAY, '10.0.0.1', '8.8.8.8');
    expect(send(dataplane, a, [local, remote])).toEqual({ b: [hex(local)], w: [hex(remote)] });
    expect(send(dataplane, a, [packet(SHARED, GATEWAY, '10.0.0.2', '8.8.8.8')])).toEqual({});
    const reply = packet(GATEWAY, SHARED, '8.8.8.8', '10.0.0.1');
    expect(send(dataplane, w, [reply, packet(GATEWAY, SHARED, '8.8.8.8', '10.0.0.3')])).toEqual({ a: [hex(reply)] });
    expect(drops(dataplane)).toEqual({ drop_source_address: 1, drop_not_ours: 1 });
    expect(bridge.neighbors()).toEqual([
      { ip: '10.0.0.1', mac: SHARED, vlan: null, static: true, port: 'a' },
      { ip: '10.0.0.2', mac: SHARED, vlan: null, static: true, port: 'b' },
      { ip: 'fd00::1', mac: SHARED, vlan: null, static: true, port: 'a' },
    ]);
    expect(bridge.fdb()).toEqual([]);
  });

  it('l3: a router behind every address', () => {
    const { dataplane, a, w } = ipvlan('ipvlan-l3');
    const ask = arp({ op: 1, sha: SHARED, spa: '10.0.0.1', tpa: '10.0.0.77' });
    expect(send(dataplane, a, [ask])['a']).toEqual([
      hex(arp({ op: 2, sha: SHARED, spa: '10.0.0.77', tha: SHARED, tpa: '10.0.0.1', dst: SHARED })),
    ]);
    expect(send(dataplane, a, [packet(SHARED, SHARED, '10.0.0.1', '8.8.8.8')])).toEqual({
      w: [hex(packet(SHARED, GATEWAY, '10.0.0.1', '8.8.8.8'))],
    });
    expect(send(dataplane, w, [packet(GATEWAY, SHARED, '8.8.8.8', '10.0.0.2')])).toEqual({
      b: [hex(packet(GATEWAY, SHARED, '8.8.8.8', '10.0.0.2'))],
    });
    expect(send(dataplane, a, [packet(SHARED, BROADCAST, '10.0.0.1', '10.0.0.255')])).toEqual({});
    expect(drops(dataplane)).toEqual({ drop_broadcast: 1 });
  });

  it('addresses come and go', () => {
    const { dataplane, bridge, a, b } = ipvlan();
    const to3 = packet(SHARED, SHARED, '10.0.0.1', '10.0.0.3');
    bridge.addAddress(b, '10.0.0.3');
    expect(send(dataplane, a, [to3])).toEqual({ b: [hex(to3)] });
    expect(bridge.removeAddress('10.0.0.3')).toBe(true);
    expect(bridge.removeAddress('10.0.0.3')).toBe(false);
    expect(send(dataplane, a, [to3])).toEqual({});
    bridge.detach(b);
    bridge.addAddress(a, '10.0.0.2');
    expect(bridge.neighbors().map(({ ip, port }) => [ip, port])).toContainEqual(['10.0.0.2', 'a']);
  });
});

describe('a trunk', () => {
  it('has a bridge for each VLAN, and one for what has no tag', () => {
    const dataplane = lab();
    const [a, b, c, w] = memoryPorts(dataplane, 'a', 'b', 'c', 'w') as [Port, Port, Port, Port];
    const one = dataplane.addBridge({ name: 'one' }).attach(a).attach(w, { vlan: 100 });
    const two = dataplane
      .addBridge({ forwarding: 'macvlan-bridge' })
      .attach(b, { mac: station(2) })
      .attach(w, { uplink: true, vlan: 200 });
    const three = dataplane.addBridge({ name: 'three' }).attach(c).attach(w);
    expect(w.bridges).toEqual([one, two, three]);
    expect(send(dataplane, w, [from(9, 1, 0, 100), from(9, 2, 0, 200), from(9, 3), from(9, 4, 0, 300)])).toEqual({
      a: [hex(from(9, 1))],
      b: [hex(from(9, 2))],
      c: [hex(from(9, 3))],
    });
    expect(drops(dataplane)).toEqual({ drop_vlan_unknown: 1 });
    expect(send(dataplane, a, [from(1, 9)])).toEqual({ w: [hex(from(1, 9, 0, 100))] });
    expect(one.fdb().map(({ mac, port, vlan }) => [mac, port, vlan])).toEqual([
      [station(1), 'a', null],
      [station(9), 'w', null],
    ]);
    const { ports } = dataplane.counters();
    expect([ports['w']!['rx_packets'], ports['w']!['tx_packets']]).toEqual([4n, 1n]);
    // Static entries find the VLAN of their bridge.
    one.addFdb({ mac: station(8), port: w });
    expect(send(dataplane, a, [from(1, 8)])).toEqual({ w: [hex(from(1, 8, 0, 100))] });
    one.detach(w);
    expect(w.bridges).toEqual([two, three]);
    expect(send(dataplane, w, [from(9, 1, 0, 100)])).toEqual({});
    two.close();
    three.detach(w);
    w.close();
    // A port that comes later has counters of its own.
    const [d] = memoryPorts(dataplane, 'd') as [Port];
    one.attach(d);
    expect(send(dataplane, d, [from(4, 1)])).toEqual({ a: [hex(from(4, 1))] });
  });

  it('carries what a VXLAN network is made of', () => {
    const dataplane = lab();
    const [w, carrier] = memoryPorts(dataplane, 'w', 'carrier') as [Port, Port];
    const underlay = dataplane.addUnderlay({
      type: 'frame',
      port: carrier,
      mac: station(90),
      local: '192.168.77.1',
      neighbors: [{ ip: '192.168.77.2', mac: station(91) }],
    });
    dataplane.addBridge({ underlay, vni: 7, vteps: ['192.168.77.2'] }).attach(w, { vlan: 5 });
    const out = send(dataplane, w, [from(1, 2, 3, 5)])['carrier']!;
    expect(out[0]!.endsWith(hex(from(1, 2, 3)))).toBe(true);
  });
});

describe('refused', () => {
  type Case = [string, (on: Site) => unknown, ErrorCode, RegExp];
  type Site = ReturnType<typeof wrongSite>;

  function wrongSite() {
    const m = macvlan({ vlan: 100 });
    const { dataplane } = m;
    const [c, d, u] = memoryPorts(dataplane, 'c', 'd', 'u') as [Port, Port, Port];
    const add = (options: BridgeOptions): Bridge => dataplane.addBridge(options);
    const learning = add({ name: 'learning' });
    const ip = add({ name: 'ip', forwarding: 'ipvlan-l2', mac: SHARED }).attach(d, { addresses: ['10.0.0.1'] });
    const pass = add({ name: 'pass', forwarding: 'macvlan-passthru' });
    const l3 = add({ name: 'l3', forwarding: 'ipvlan-l3', mac: SHARED });
    const underlay = dataplane.addUnderlay({ type: 'frame', port: u, mac: station(9), local: '192.168.77.1' });
    const map = add({ name: 'map', underlay, vlans: { 100: 5000 } });
    return { ...m, add, c, d, u, learning, ip, pass, l3, map };
  }

  it.each<Case>([
    [
      'a forwarding',
      (s) => s.add({ forwarding: any('macvlan') }),
      'ERR_OVERLANE_OPTION',
      /must be 'learning' or 'macvlan-bridge'/,
    ],
    [
      'proxyArp',
      (s) => s.add({ forwarding: 'macvlan-vepa', proxyArp: true }),
      'ERR_OVERLANE_OPTION',
      /'proxyArp' of addBridge is for forwarding 'learning'/,
    ],
    [
      'an underlay',
      (s) => s.add({ forwarding: 'ipvlan-l2', mac: SHARED, underlay: any({}) }),
      'ERR_OVERLANE_OPTION',
      /'underlay' of addBridge is for forwarding 'learning'/,
    ],
    [
      'ipvlan without MAC',
      (s) => s.add({ forwarding: 'ipvlan-l2' }),
      'ERR_OVERLANE_OPTION',
      /needs 'mac', which all containers share: the parent's/,
    ],
    [
      'macvlan with MAC',
      (s) => s.add({ forwarding: 'macvlan-vepa', mac: SHARED }),
      'ERR_OVERLANE_OPTION',
      /'mac' of addBridge is the MAC that ipvlan/,
    ],
    ['a group MAC', (s) => s.add({ forwarding: 'ipvlan-l3', mac: BROADCAST }), 'ERR_OVERLANE_OPTION', /group address/],
    ['no MAC', (s) => s.bridge.attach(s.c), 'ERR_OVERLANE_OPTION', /needs 'mac', that of the container/],
    ['a MAC twice', (s) => s.bridge.attach(s.c, { mac: station(1) }), 'ERR_OVERLANE_EXISTS', /static on port 'a'/],
    [
      'a second uplink',
      (s) => s.bridge.attach(s.c, { uplink: true }),
      'ERR_OVERLANE_BUSY',
      /has the uplink 'w' already/,
    ],
    [
      'an uplink with MAC',
      (s) => s.pass.attach(s.c, { uplink: true, mac: station(3) }),
      'ERR_OVERLANE_OPTION',
      /'mac' of attach is not for an uplink/,
    ],
    [
      'learning',
      (s) => s.bridge.attach(s.c, { mac: station(3), learning: true }),
      'ERR_OVERLANE_OPTION',
      /'learning' of attach is not for a port/,
    ],
    ['isolated', (s) => s.ip.attach(s.c, { isolated: true }), 'ERR_OVERLANE_OPTION', /'isolated'/],
    [
      'addresses on macvlan',
      (s) => s.bridge.attach(s.c, { mac: station(3), addresses: ['10.0.0.9'] }),
      'ERR_OVERLANE_OPTION',
      /'addresses'/,
    ],
    [
      'addresses on a learning bridge',
      (s) => s.learning.attach(s.c, { addresses: ['10.0.0.9'] }),
      'ERR_OVERLANE_OPTION',
      /'addresses' of attach is not for a port of bridge 'learning'/,
    ],
    [
      'an uplink of a learning bridge',
      (s) => s.learning.attach(s.c, { uplink: true }),
      'ERR_OVERLANE_OPTION',
      /'uplink'/,
    ],
    ['no addresses', (s) => s.ip.attach(s.c), 'ERR_OVERLANE_OPTION', /needs 'addresses'/],
    [
      'an empty list',
      (s) => s.ip.attach(s.c, { addresses: [] }),
      'ERR_OVERLANE_OPTION',
      /'addresses' of attach must be a list of one or more/,
    ],
    [
      'no host',
      (s) => s.ip.attach(s.c, { addresses: ['224.0.0.1'] }),
      'ERR_OVERLANE_OPTION',
      /'addresses\[0\]' of attach: 224.0.0.1 is a multicast/,
    ],
    [
      'an address twice',
      (s) => s.ip.attach(s.c, { addresses: ['10.0.0.1'] }),
      'ERR_OVERLANE_EXISTS',
      /10.0.0.1 is an address of port 'd'/,
    ],
    [
      'an address twice at once',
      (s) => s.ip.attach(s.c, { addresses: ['10.0.0.9', '10.0.0.9'] }),
      'ERR_OVERLANE_OPTION',
      /10.0.0.9 twice/,
    ],
    [
      'a MAC on ipvlan',
      (s) => s.ip.attach(s.c, { addresses: ['10.0.0.9'], mac: station(1) }),
      'ERR_OVERLANE_OPTION',
      /shares that of addBridge/,
    ],
    [
      'l3 uplink without MAC',
      (s) => s.l3.attach(s.c, { uplink: true }),
      'ERR_OVERLANE_OPTION',
      /needs 'mac', that of the router/,
    ],
    [
      'more addresses than fit',
      (s) => s.ip.attach(s.c, { addresses: [2, 3, 4, 5, 6, 7, 8, 9].map((n) => `10.0.0.${n}`) }),
      'ERR_OVERLANE_LIMIT',
      /raise neighborEntries/,
    ],
    [
      'addAddress on macvlan',
      (s) => s.bridge.addAddress(s.a, '10.0.0.1'),
      'ERR_OVERLANE_OPTION',
      /addAddress is for bridges whose forwarding is 'ipvlan-l2'/,
    ],
    ['addAddress elsewhere', (s) => s.ip.addAddress(s.c, '10.0.0.3'), 'ERR_OVERLANE_MISSING', /is not attached/],
    [
      'addAddress of another',
      (s) => s.ip.addAddress(s.d, '10.0.0.1'),
      'ERR_OVERLANE_EXISTS',
      /choose another, or remove it there/,
    ],
    [
      'addNeighbor',
      (s) => s.ip.addNeighbor({ ip: '10.0.0.3', mac: SHARED }),
      'ERR_OVERLANE_OPTION',
      /addNeighbor is for bridges that learn/,
    ],
    [
      'addFdb on ipvlan',
      (s) => s.ip.addFdb({ mac: station(3), port: s.d }),
      'ERR_OVERLANE_OPTION',
      /addFdb is for bridges that learn/,
    ],
    [
      'addFdb on the uplink',
      (s) => s.bridge.addFdb({ mac: station(3), port: s.w }),
      'ERR_OVERLANE_OPTION',
      /'w' is the uplink/,
    ],
    [
      'addPeer',
      (s) => s.bridge.addPeer({ mac: station(3), vtep: '192.168.77.2' }),
      'ERR_OVERLANE_OPTION',
      /no underlay/,
    ],
    [
      'VLAN 0',
      (s) => s.learning.attach(s.c, { vlan: 0 }),
      'ERR_OVERLANE_OPTION',
      /'vlan' of attach must be a whole number from 1 to 4094/,
    ],
    [
      'a VLAN twice',
      (s) => s.learning.attach(s.w, { vlan: 100 }),
      'ERR_OVERLANE_BUSY',
      /VLAN 100 of port 'w' is attached to bridge 'net'/,
    ],
    [
      'a bridge twice',
      (s) => s.bridge.attach(s.w, { vlan: 101 }),
      'ERR_OVERLANE_BUSY',
      /'w' is attached to bridge 'net'/,
    ],
    ['the untagged twice', (s) => s.learning.attach(s.a), 'ERR_OVERLANE_BUSY', /attach a VLAN of it with 'vlan'/],
    ['a port with an underlay', (s) => s.learning.attach(s.u, { vlan: 5 }), 'ERR_OVERLANE_BUSY', /carries underlay/],
    ['a VLAN map, with a trunk', (s) => s.map.attach(s.w), 'ERR_OVERLANE_BUSY', /VLAN map needs the port for itself/],
    [
      'a VLAN map, with a VLAN',
      (s) => s.map.attach(s.c, { vlan: 5 }),
      'ERR_OVERLANE_OPTION',
      /has a VLAN map, which says what becomes of tags/,
    ],
    ['closing a trunk', (s) => s.w.close(), 'ERR_OVERLANE_BUSY', /'w' is attached to bridge 'net'; detach it first/],
    [
      'an underlay on a trunk',
      (s) => s.dataplane.addUnderlay({ type: 'frame', port: s.w, mac: station(9), local: '192.168.77.2' }),
      'ERR_OVERLANE_BUSY',
      /attached to bridge/,
    ],
  ])('%s', (_, call, code, words) => {
    const s = wrongSite();
    expectRefusal(s.dataplane, () => call(s), code, words);
  });

  it('a second container of passthru', () => {
    const { dataplane, pass, c, learning, u: _, ...rest } = wrongSite();
    pass.attach(c).attach(rest.d, { vlan: 3, uplink: true });
    const [e] = memoryPorts(dataplane, 'e') as [Port];
    expectRefusal(dataplane, () => pass.attach(e), 'ERR_OVERLANE_BUSY', /passes everything through to port 'c'/);
    expect(learning.ports).toEqual([]);
  });
});

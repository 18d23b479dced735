/** The bridge through the public API: learning, flooding, ageing, isolation, limits. */
import { describe, expect, it } from 'vitest';
import { BROADCAST, ethernet, from, station } from './frames.js';
import { drops, hex, lab, memoryPorts, send, total } from './lab.js';

const SECOND = 1_000_000_000n;

describe.each(['bucket', 'map'] as const)('bridge with the %s FDB', (fdb) => {
  function three(options = {}) {
    const dataplane = lab({ fdb });
    const [a, b, c] = memoryPorts(dataplane, 'a', 'b', 'c');
    const bridge = dataplane.addBridge(options).attach(a!).attach(b!).attach(c!);
    return { dataplane, bridge, a: a!, b: b!, c: c! };
  }

  it('floods what is unknown, learns the source, then forwards to it alone', () => {
    const { dataplane, bridge, a, b } = three();
    const there = from(1, 2);
    expect(send(dataplane, a, [there])).toEqual({ b: [hex(there)], c: [hex(there)] });
    const back = from(2, 1);
    expect(send(dataplane, b, [back])).toEqual({ a: [hex(back)] });
    expect(send(dataplane, a, [there])).toEqual({ b: [hex(there)] });
    expect(bridge.fdb()).toEqual([
      { mac: station(1), vlan: null, port: 'a', vtep: null, static: false, age: 0 },
      { mac: station(2), vlan: null, port: 'b', vtep: null, static: false, age: 0 },
    ]);
    expect(total(dataplane, 'cloned')).toBe(1);
    expect(total(dataplane, 'fdb_learned')).toBe(2);
  });

  it('keeps the order and the bytes of many frames', () => {
    const { dataplane, a, b } = three();
    send(dataplane, b, [from(2, BROADCAST)]);
    const list = Array.from({ length: 1000 }, (_, i) =>
      ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(46 + (i % 1400)).fill(i) }),
    );
    expect(send(dataplane, a, list)).toEqual({ b: list.map(hex) });
  });

  it('follows a station that moves', () => {
    const { dataplane, bridge, a, b, c } = three();
    send(dataplane, a, [from(1, BROADCAST)]);
    send(dataplane, b, [from(1, BROADCAST)]);
    expect(bridge.fdb().map(({ port }) => port)).toEqual(['b']);
    expect(send(dataplane, c, [from(3, 1)])).toEqual({ b: [hex(from(3, 1))] });
    expect(total(dataplane, 'fdb_moved')).toBe(1);
  });

  it('drops what belongs on the port that it came from', () => {
    const { dataplane, a } = three();
    send(dataplane, a, [from(1, BROADCAST)]);
    expect(send(dataplane, a, [from(9, 1)])).toEqual({});
    expect(drops(dataplane)).toEqual({ drop_same_port: 1 });
  });

  it('forgets a station after the ageing time, and not before', () => {
    const { dataplane, bridge, a, b } = three({ ageing: 10 });
    send(dataplane, a, [from(1, BROADCAST)], 5n * SECOND);
    expect(send(dataplane, b, [from(2, 1)], 14n * SECOND)).toEqual({ a: [hex(from(2, 1))] });
    const row = bridge.fdb().find(({ mac }) => mac === station(1));
    expect(row?.age).toBeGreaterThan(8.9);
    expect(row?.age).toBeLessThan(9.1);
    expect(Object.keys(send(dataplane, b, [from(2, 1)], 16n * SECOND))).toEqual(['a', 'c']);
    expect(bridge.fdb().map(({ mac }) => mac)).toEqual([station(2)]);
  });

  it('hears of a station again in time and keeps it', () => {
    const { dataplane, a, b } = three({ ageing: 10 });
    send(dataplane, a, [from(1, BROADCAST)], 0n);
    send(dataplane, a, [from(1, BROADCAST)], 9n * SECOND);
    expect(Object.keys(send(dataplane, b, [from(2, 1)], 18n * SECOND))).toEqual(['a']);
  });

  it('never forgets with ageing 0', () => {
    const { dataplane, a, b } = three({ ageing: 0 });
    send(dataplane, a, [from(1, BROADCAST)], 0n);
    expect(Object.keys(send(dataplane, b, [from(2, 1)], 10_000_000n * SECOND))).toEqual(['a']);
  });

  it('learns nothing with learning off, on the bridge or on a port', () => {
    const off = three({ learning: false });
    send(off.dataplane, off.a, [from(1, BROADCAST)]);
    expect(off.bridge.fdb()).toEqual([]);

    const { dataplane, bridge, a } = three();
    bridge.detach(a).attach(a, { learning: false });
    send(dataplane, a, [from(1, BROADCAST)]);
    expect(bridge.fdb()).toEqual([]);
  });

  it.each([
    ['unknownUnicast', from(1, 2), 'drop_unknown_unicast'],
    ['broadcast', from(1, BROADCAST), 'drop_broadcast'],
    ['multicast', from(1, '01:00:5e:00:00:fb'), 'drop_multicast'],
  ])('%s: drop drops it, and nothing else', (policy, frame, reason) => {
    const { dataplane, a } = three({ [policy]: 'drop' });
    expect(send(dataplane, a, [frame])).toEqual({});
    expect(drops(dataplane)).toEqual({ [reason]: 1 });
    const others = [from(1, 2), from(1, BROADCAST), from(1, '01:00:5e:00:00:fb')].filter(
      (one) => hex(one) !== hex(frame),
    );
    expect(send(dataplane, a, others)).toEqual({ b: others.map(hex), c: others.map(hex) });
  });

  it('keeps isolated ports apart, known or flooded, but not from others', () => {
    const dataplane = lab({ fdb });
    const [a, b, c] = memoryPorts(dataplane, 'a', 'b', 'c');
    dataplane.addBridge().attach(a!, { isolated: true }).attach(b!, { isolated: true }).attach(c!);
    expect(Object.keys(send(dataplane, a!, [from(1, BROADCAST)]))).toEqual(['c']);
    expect(Object.keys(send(dataplane, b!, [from(2, 1)]))).toEqual([]);
    expect(drops(dataplane)).toEqual({ drop_isolated: 1 });
    expect(Object.keys(send(dataplane, c!, [from(3, 1)]))).toEqual(['a']);
    expect(Object.keys(send(dataplane, c!, [from(3, BROADCAST)]))).toEqual(['a', 'b']);
  });

  it('does not learn beyond the limit of a port, and forwards all the same', () => {
    const { dataplane, bridge, a, b } = three();
    bridge.detach(a).attach(a, { fdbLimit: 4 });
    const many = Array.from({ length: 10 }, (_, i) => from(100 + i, BROADCAST));
    expect(send(dataplane, a, many)['b']).toHaveLength(10);
    expect(bridge.fdb()).toHaveLength(4);
    expect(total(dataplane, 'fdb_refused_port')).toBe(6);
    send(dataplane, b, [from(2, BROADCAST)]);
    expect(bridge.fdb().find(({ mac }) => mac === station(2))?.port).toBe('b');
  });

  it('stays inside the limit of the bridge under a flood, and lets the other ports learn', () => {
    const { dataplane, bridge, a, b, c } = three({ fdbLimit: 30 });
    send(dataplane, b, [from(2, BROADCAST)]);
    send(
      dataplane,
      a,
      Array.from({ length: 500 }, (_, i) => from(1000 + i, BROADCAST)),
    );
    expect(bridge.fdb()).toHaveLength(30);
    send(dataplane, c, [from(3, BROADCAST)]);
    const ports = new Map(bridge.fdb().map(({ mac, port }) => [mac, port]));
    expect(ports.size).toBe(30);
    expect(ports.get(station(2))).toBe('b');
    expect(ports.get(station(3))).toBe('c');
    expect(total(dataplane, 'fdb_evicted')).toBe(1);
    expect(total(dataplane, 'fdb_refused_bridge')).toBeGreaterThan(400);
    expect(send(dataplane, b, [from(2, 3)])).toEqual({ c: [hex(from(2, 3))] });
  });

  it('two bridges know nothing of each other', () => {
    const dataplane = lab({ fdb });
    const [a, b, c, d] = memoryPorts(dataplane, 'a', 'b', 'c', 'd');
    const left = dataplane.addBridge({ name: 'left' }).attach(a!).attach(b!);
    const right = dataplane.addBridge({ name: 'right' }).attach(c!).attach(d!);
    expect(Object.keys(send(dataplane, a!, [from(1, BROADCAST)]))).toEqual(['b']);
    expect(Object.keys(send(dataplane, c!, [from(1, BROADCAST)]))).toEqual(['d']);
    expect(left.fdb().map(({ port }) => port)).toEqual(['a']);
    expect(right.fdb().map(({ port }) => port)).toEqual(['c']);
  });

  it('a static MAC stays where it is, and is refused elsewhere', () => {
    const dataplane = lab({ fdb });
    const [a, b, c] = memoryPorts(dataplane, 'a', 'b', 'c');
    const bridge = dataplane
      .addBridge({ ageing: 1 })
      .attach(a!, { mac: station(1) })
      .attach(b!)
      .attach(c!);
    bridge.addFdb({ mac: station(2), port: b! });
    expect(bridge.fdb().map(({ mac, port, static: fixed }) => [mac, port, fixed])).toEqual([
      [station(1), 'a', true],
      [station(2), 'b', true],
    ]);
    expect(send(dataplane, c!, [from(1, 2)], 100n * SECOND)).toEqual({});
    expect(drops(dataplane)).toEqual({ drop_source_static: 1 });
    expect(send(dataplane, a!, [from(1, 2)], 200n * SECOND)).toEqual({ b: [hex(from(1, 2))] });
    expect(bridge.removeFdb({ mac: station(2) })).toBe(true);
    expect(bridge.removeFdb({ mac: station(2) })).toBe(false);
    expect(Object.keys(send(dataplane, a!, [from(1, 2)], 300n * SECOND))).toEqual(['b', 'c']);
  });

  it('detaching a port forgets its stations, and it receives nothing more', () => {
    const { dataplane, bridge, a, b } = three();
    bridge.addFdb({ mac: station(7), port: a });
    send(dataplane, a, [from(1, BROADCAST)]);
    bridge.detach(a);
    expect(bridge.fdb()).toEqual([]);
    expect(Object.keys(send(dataplane, b, [from(2, 1)]))).toEqual(['c']);
    expect(send(dataplane, a, [from(1, 2)])).toEqual({});
    expect(drops(dataplane)).toEqual({ drop_no_receiver: 1 });
    // The MAC is free again, for a peer or another port.
    bridge.addFdb({ mac: station(7), port: b });
    expect(bridge.fdb().map(({ mac, port }) => [mac, port])).toEqual([
      [station(2), 'b'],
      [station(7), 'b'],
    ]);
  });

  it('closing a bridge frees its ports and its name', () => {
    const { dataplane, bridge, a, b } = three({ name: 'br0' });
    send(dataplane, a, [from(1, BROADCAST)]);
    bridge.close();
    bridge.close();
    expect(dataplane.bridges.size).toBe(0);
    const again = dataplane.addBridge({ name: 'br0' }).attach(a).attach(b);
    expect(again.fdb()).toEqual([]);
    expect(Object.keys(send(dataplane, a, [from(1, 2)]))).toEqual(['b']);
  });

  it('carries frames of every size a memory port takes, and tells what is too big', () => {
    const { dataplane, a } = three();
    const small = ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(0) });
    const large = ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(65535).fill(7) });
    expect(send(dataplane, a, [small, large])).toEqual({ b: [hex(small), hex(large)], c: [hex(small), hex(large)] });
  });

  it("drops what exceeds a port's MTU on the way out of it", () => {
    const dataplane = lab({ fdb });
    const [a] = memoryPorts(dataplane, 'a');
    const b = dataplane.addPort({ type: 'memory', name: 'b', mtu: 1500 });
    dataplane.addBridge().attach(a!).attach(b);
    const fits = ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(1500) });
    const not = ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(1505) });
    expect(send(dataplane, a!, [fits, not])).toEqual({ b: [hex(fits)] });
    expect(drops(dataplane)).toEqual({ drop_mtu: 1 });
  });
});

it('a frame that no buffer can hold is dropped, and those behind it are carried', () => {
  const dataplane = lab();
  const [a, b] = memoryPorts(dataplane, 'a', 'b');
  dataplane.addBridge().attach(a!).attach(b!);
  const huge = ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(70_000) });
  expect(send(dataplane, a!, [huge, from(1, 2)])).toEqual({ b: [hex(from(1, 2))] });
  expect(drops(dataplane)).toEqual({ drop_oversize: 1 });
});

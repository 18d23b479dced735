/** Proxy ARP and ND, snooping, and the miss events that a control plane answers. */
import { describe, expect, it, vi } from 'vitest';
import { type BridgeOptions, type Miss, readCapture } from '../../src/index.js';
import { vectorsFolder } from '../peers.js';
import { arp, BROADCAST, bytes, from, ip6, solicitation, station } from './frames.js';
import { drained, drops, hex, lab, memoryPorts, send, total } from './lab.js';

const SECOND = 1_000_000_000n;

function two(options: BridgeOptions = {}) {
  const dataplane = lab();
  const [a, b] = memoryPorts(dataplane, 'a', 'b');
  const bridge = dataplane
    .addBridge({ name: 'br', proxyArp: true, ...options })
    .attach(a!)
    .attach(b!);
  const misses: Miss[][] = [];
  dataplane.on('miss', (batch) => misses.push(batch));
  return { dataplane, bridge, a: a!, b: b!, misses };
}

const ask = (target: string, vlan?: number) =>
  arp({ op: 1, sha: station(1), spa: '10.0.0.1', tpa: target, ...(vlan === undefined ? {} : { vlan }) });

describe('proxy ARP', () => {
  it('answers for a known neighbor in place, with its MAC', () => {
    const { dataplane, bridge, a, misses } = two();
    bridge.addNeighbor({ ip: '10.0.0.2', mac: station(2) });
    const answer = arp({ op: 2, sha: station(2), spa: '10.0.0.2', tha: station(1), tpa: '10.0.0.1', dst: station(1) });
    expect(send(dataplane, a, [ask('10.0.0.2')])).toEqual({ a: [hex(answer)] });
    expect(total(dataplane, 'arp_replied')).toBe(1);
    expect(misses).toEqual([]);
  });

  it('answers inside a VLAN, and only there', () => {
    const dataplane = lab();
    const [a, b, w] = memoryPorts(dataplane, 'a', 'b', 'w');
    const underlay = dataplane.addUnderlay({ type: 'frame', port: w!, mac: station(9), local: '192.168.77.1' });
    const bridge = dataplane
      .addBridge({ underlay, vlans: { 100: 5000, 200: 6000 }, proxyArp: true })
      .attach(a!)
      .attach(b!);
    bridge.addPeer({ mac: station(2), ip: '10.0.0.2', vtep: '192.168.77.2', vlan: 100 });
    const answer = arp({
      op: 2,
      sha: station(2),
      spa: '10.0.0.2',
      tha: station(1),
      tpa: '10.0.0.1',
      dst: station(1),
      vlan: 100,
    });
    expect(send(dataplane, a!, [ask('10.0.0.2', 100)])).toEqual({ a: [hex(answer)] });
    expect(send(dataplane, a!, [ask('10.0.0.2', 200)])).toEqual({ b: [hex(ask('10.0.0.2', 200))] });
    expect(bridge.neighbors()).toEqual([{ ip: '10.0.0.2', mac: station(2), vlan: 100, static: true }]);
  });

  it('off, it floods the request and tells nobody', () => {
    const { dataplane, bridge, a, misses } = two({ proxyArp: false });
    bridge.addNeighbor({ ip: '10.0.0.2', mac: station(2) });
    expect(send(dataplane, a, [ask('10.0.0.2'), ask('10.0.0.3')])).toEqual({
      b: [hex(ask('10.0.0.2')), hex(ask('10.0.0.3'))],
    });
    expect(misses).toEqual([]);
  });

  it('floods or drops what nobody knows, and raises one miss', () => {
    for (const miss of ['flood', 'drop'] as const) {
      const { dataplane, a, misses } = two({ miss });
      const out = send(dataplane, a, [ask('10.0.0.3'), ask('10.0.0.3'), ask('10.0.0.4')], 5n * SECOND);
      expect(out['b']?.length ?? 0).toBe(miss === 'flood' ? 3 : 0);
      expect(drops(dataplane)).toEqual(miss === 'flood' ? {} : { drop_neighbor_unknown: 3 });
      const told = { bridge: 'br', port: 'a', vlan: null, timestamp: 5n * SECOND };
      expect(misses).toEqual([
        [
          { ...told, ip: '10.0.0.3' },
          { ...told, ip: '10.0.0.4' },
        ],
      ]);
      expect(total(dataplane, 'miss')).toBe(2);
    }
  });

  it('repeats a miss after some quiet, or once it was known in between', () => {
    const { dataplane, bridge, a, misses } = two({ miss: 'drop' });
    send(dataplane, a, [ask('10.0.0.3')], 0n);
    send(dataplane, a, [ask('10.0.0.3')], SECOND);
    expect(misses).toHaveLength(1);
    send(dataplane, a, [ask('10.0.0.3')], 60n * SECOND);
    expect(misses).toHaveLength(2);
    bridge.addNeighbor({ ip: '10.0.0.3', mac: station(3) });
    expect(send(dataplane, a, [ask('10.0.0.3')], 61n * SECOND)['a']).toHaveLength(1);
    expect(bridge.removeNeighbor('10.0.0.3')).toBe(true);
    expect(bridge.removeNeighbor('10.0.0.3')).toBe(false);
    send(dataplane, a, [ask('10.0.0.3')], 62n * SECOND);
    expect(misses).toHaveLength(3);
  });

  it('a control plane can answer in the listener', () => {
    const { dataplane, bridge, a } = two({ miss: 'drop' });
    dataplane.on('miss', (misses) => {
      for (const { ip } of misses) bridge.addNeighbor({ ip, mac: station(7) });
    });
    send(dataplane, a, [ask('10.0.0.7')]);
    expect(send(dataplane, a, [ask('10.0.0.7')])['a']).toHaveLength(1);
  });

  it('a listener that throws, or closes the dataplane, does no harm', async () => {
    const { dataplane, a, misses } = two({ miss: 'drop' });
    const angry = vi.fn(() => {
      throw new Error('listener');
    });
    dataplane.on('miss', angry);
    a.inject([ask('10.0.0.3'), from(1, 2)]);
    expect(() => dataplane.run()).toThrow('listener');
    expect(misses).toHaveLength(1);
    expect(dataplane.counters().received).toBe(2n);
    expect(send(dataplane, a, [from(1, 2)])['b']).toHaveLength(2);
    expect(angry).toHaveBeenCalledTimes(1);

    const other = two({ miss: 'drop' });
    other.dataplane.on('miss', () => void other.dataplane.close());
    other.a.inject([ask('10.0.0.3')]);
    expect(other.dataplane.run()).toBe(1);
  });

  it.each([
    ['an announcement', arp({ op: 1, sha: station(1), spa: '10.0.0.2', tpa: '10.0.0.2' })],
    ['a reply', arp({ op: 2, sha: station(1), spa: '10.0.0.1', tha: station(9), tpa: '10.0.0.2' })],
    ['a request for another', Uint8Array.from(ask('10.0.0.2'), (byte, i) => (i === 11 ? 9 : byte))],
  ])('leaves %s alone', (_, frame) => {
    const { dataplane, bridge, a, misses } = two();
    bridge.addNeighbor({ ip: '10.0.0.2', mac: station(2) });
    expect(send(dataplane, a, [frame])).toEqual({ b: [hex(frame)] });
    expect(misses).toEqual([]);
  });

  it('an address that moves to another MAC is answered with the new one', () => {
    const { dataplane, bridge, a } = two();
    bridge.addNeighbor({ ip: '10.0.0.2', mac: station(2) }).addNeighbor({ ip: '10.0.0.2', mac: station(3) });
    expect(bridge.neighbors()).toEqual([{ ip: '10.0.0.2', mac: station(3), vlan: null, static: true }]);
    expect(send(dataplane, a, [ask('10.0.0.2')])['a']?.[0]).toContain('0200000000030a000002');
  });
});

describe('snooping', () => {
  it('learns neighbors when asked to, and keeps what it was told', () => {
    const { dataplane, bridge, a, b } = two({ arpSnooping: true });
    bridge.addNeighbor({ ip: '10.0.0.5', mac: station(5) });
    send(dataplane, b, [arp({ op: 2, sha: station(2), spa: '10.0.0.2', tha: station(1), tpa: '10.0.0.1' })]);
    send(dataplane, b, [arp({ op: 2, sha: station(6), spa: '10.0.0.5', tha: station(1), tpa: '10.0.0.1' })]);
    expect(bridge.neighbors()).toEqual([
      { ip: '10.0.0.2', mac: station(2), vlan: null, static: false },
      { ip: '10.0.0.5', mac: station(5), vlan: null, static: true },
    ]);
    expect(send(dataplane, a, [ask('10.0.0.2')])['a']).toHaveLength(1);
  });

  it('is off by default', () => {
    const { dataplane, bridge, b } = two();
    send(dataplane, b, [arp({ op: 2, sha: station(2), spa: '10.0.0.2', tha: station(1), tpa: '10.0.0.1' })]);
    expect(bridge.neighbors()).toEqual([]);
  });
});

describe('proxy ND', () => {
  const asker = { src: 'fe80::1', sha: station(1) };

  it('answers a solicitation for a known neighbor (RFC 4861)', () => {
    const { dataplane, bridge, a, misses } = two();
    bridge.addNeighbor({ ip: '2001:db8::2', mac: station(2) });
    const { a: [answer] = [] } = send(dataplane, a, [solicitation({ ...asker, target: '2001:db8::2' })]) as {
      a?: string[];
    };
    const frame = Buffer.from(answer ?? '', 'hex');
    expect(frame.subarray(0, 14).toString('hex')).toBe(hex(bytes(station(1), station(2), '86dd')));
    expect(hex(frame.subarray(22, 54))).toBe(hex(bytes(ip6('2001:db8::2'), ip6('fe80::1'))));
    expect([frame[21], frame[54], frame[55]]).toEqual([255, 136, 0]);
    // Solicited, with the target's link-layer address option.
    expect(frame[58]! & 0x40).toBe(0x40);
    expect(hex(frame.subarray(62, 78))).toBe(hex(ip6('2001:db8::2')));
    expect(hex(frame.subarray(78, 86))).toBe(hex(bytes('02 01', station(2))));
    expect(total(dataplane, 'nd_replied')).toBe(1);
    expect(misses).toEqual([]);
  });

  it('raises a miss for an unknown one', () => {
    const { dataplane, a, misses } = two({ miss: 'drop' });
    expect(send(dataplane, a, [solicitation({ ...asker, target: '2001:db8::7' })])).toEqual({});
    expect(misses).toMatchObject([[{ ip: '2001:db8::7', port: 'a', bridge: 'br' }]]);
    expect(drops(dataplane)).toEqual({ drop_neighbor_unknown: 1 });
  });
});

describe('what c1 of the Docker Swarm capture asked', () => {
  it("is answered as the kernel's vxlan answered it: 10.99.0.4 with its MAC, 10.99.0.77 with a miss", () => {
    const dataplane = lab();
    const [c1, wire] = memoryPorts(dataplane, 'c1', 'wire');
    const underlay = dataplane.addUnderlay({
      type: 'frame',
      port: wire!,
      mac: '4e:e7:8f:cd:cb:0c',
      local: '192.168.77.1',
    });
    const bridge = dataplane.addBridge({ name: 'br', vni: 4097, underlay, proxyArp: true, miss: 'drop' });
    bridge
      .attach(c1!, { mac: '02:42:0a:63:00:02' })
      .addPeer({ mac: '02:42:0a:63:00:04', ip: '10.99.0.4', vtep: '192.168.77.2' });
    const misses: Miss[] = [];
    dataplane.on('miss', (batch) => misses.push(...batch));
    const arps: Uint8Array[] = [];
    const answers: string[] = [];
    for (const { data, offsets, lengths, count } of readCapture(`${vectorsFolder}/c1-eth0.pcap`)) {
      for (let i = 0; i < count; i++) {
        const frame = data.subarray(offsets[i]!, offsets[i]! + lengths[i]!);
        if (frame[12] !== 8 || frame[13] !== 6) continue;
        const mine = frame[11] === 2;
        if (mine && frame[21] === 1) arps.push(frame);
        if (!mine && frame[21] === 2) answers.push(hex(frame));
      }
    }
    expect(arps.length).toBeGreaterThan(1);
    expect(answers.length).toBeGreaterThan(0);
    c1!.inject(arps);
    dataplane.run();
    expect(drained(c1!)).toEqual(answers);
    expect(drained(wire!)).toEqual([]);
    expect(misses.map(({ ip, port }) => [ip, port])).toEqual([['10.99.0.77', 'c1']]);
    expect(arps.some((frame) => hex(frame.subarray(38, 42)) === '0a63004d')).toBe(true);
  });
});

it('broadcasts are no business of the proxy', () => {
  const { dataplane, a } = two();
  expect(send(dataplane, a, [from(1, BROADCAST)])).toEqual({ b: [hex(from(1, BROADCAST))] });
});

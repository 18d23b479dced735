/** Bridges over an underlay: two dataplanes, told or flood-and-learn, over IPv4 and IPv6. */
import { describe, expect, it } from 'vitest';
import { frames, parseBurst } from '../../src/index.js';
import { BROADCAST, ethernet, from, ipv4, station, udp } from './frames.js';
import { type Host, host, SITES, wire } from './hosts.js';
import { drained, drops, hex, send, total } from './lab.js';

describe.each([4, 6] as const)('over IPv%i', (version) => {
  it('carries frames between two told dataplanes, unchanged and in order', () => {
    const [a, b] = [host(0, version), host(1, version)];
    a.bridge.addPeer({ mac: station(2), vtep: b.ip });
    b.bridge.addPeer({ mac: station(1), vtep: a.ip });
    const list = Array.from({ length: 300 }, (_, i) =>
      ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(46 + i).fill(i) }),
    );
    a.c.inject(list);
    a.dataplane.run();
    expect(total(a.dataplane, 'encapsulated')).toBe(300);
    expect(wire(a, b)).toBe(300);
    expect(drained(b.c)).toEqual(list.map(hex));
    expect(total(b.dataplane, 'decapsulated')).toBe(300);
    expect(send(b.dataplane, b.c, [from(2, 1)])['w']).toHaveLength(1);
  });

  it('builds the outer headers of RFC 7348', () => {
    const a = host(0, version, { vni: 0xabcdef }, { udpPort: 4790, ttl: 9, checksum: 'zero' });
    a.bridge.addPeer({ mac: station(2), vtep: SITES[version][1] });
    const inner = from(1, 2, 5);
    a.c.inject([inner]);
    a.dataplane.run();
    const burst = a.w.drain();
    const [outer] = [...frames(burst)];
    const header = version === 4 ? 50 : 70;
    expect(outer).toHaveLength(header + inner.length);
    expect(hex(outer!.subarray(header))).toBe(hex(inner));
    expect(hex(outer!.subarray(0, 14))).toBe(`060000000001060000000000${version === 4 ? '0800' : '86dd'}`);
    expect(hex(outer!.subarray(header - 8, header))).toBe('08000000abcdef00');
    expect(outer![version === 4 ? 22 : 21]).toBe(9);
    const columns = parseBurst(burst);
    expect([columns.status[0], columns.protocol[0], columns.dstPort[0]]).toEqual([0, 17, 4790]);
    expect(columns.srcPort[0]).toBeGreaterThanOrEqual(49152);
    expect(columns.vni[0]).toBe(-1);
  });

  it('flows differ in their source port, a flow keeps its own', () => {
    const a = host(0, version);
    a.bridge.addPeer({ mac: station(2), vtep: SITES[version][1] });
    const flow = (port: number) =>
      ethernet({
        dst: station(2),
        src: station(1),
        type: 0x800,
        payload: ipv4({
          src: '10.0.0.1',
          dst: '10.0.0.2',
          payload: udp({ src: port, dst: 53, payload: new Uint8Array(8) }),
        }),
      });
    a.c.inject(Array.from({ length: 64 }, (_, i) => flow(1000 + (i % 32))));
    a.dataplane.run();
    const { srcPort } = parseBurst(a.w.drain());
    expect(srcPort.slice(0, 32)).toEqual(srcPort.slice(32, 64));
    expect(new Set(srcPort.slice(0, 32)).size).toBeGreaterThan(28);
  });

  it('told: floods to local ports only, and learns nothing remote', () => {
    const [a, b] = [host(0, version), host(1, version)];
    a.bridge.addPeer({ mac: station(2), vtep: b.ip });
    b.bridge.addPeer({ mac: station(1), vtep: a.ip });
    expect(send(a.dataplane, a.c, [from(1, BROADCAST), from(1, 77)])).toEqual({});
    expect(drops(a.dataplane)).toEqual({ drop_no_destination: 2 });
    // Station 9 speaks from the known VTEP: carried, not learned.
    send(a.dataplane, a.c, [from(9, 2)]);
    a.c.inject([from(9, 2)]);
    a.dataplane.run();
    wire(a, b);
    expect(drained(b.c)).toEqual([hex(from(9, 2))]);
    expect(b.bridge.fdb().map(({ mac, vtep, static: fixed }) => [mac, vtep, fixed])).toEqual([
      [station(1), a.ip, true],
    ]);
  });

  it('flood-and-learn: copies to every VTEP, learns from them, then sends to one', () => {
    const [a, b, c] = [0, 1, 2].map((n) =>
      host(n, version, { vni: 7, vteps: SITES[version].filter((_, other) => other !== n) }),
    ) as [Host, Host, Host];
    a.c.inject([from(1, BROADCAST)]);
    a.dataplane.run();
    expect(total(a.dataplane, 'cloned')).toBe(1);
    const burst = a.w.drain();
    expect(burst.count).toBe(2);
    for (const other of [b, c]) {
      other.w.inject(burst);
      other.dataplane.run();
      expect(drained(other.c)).toEqual([hex(from(1, BROADCAST))]);
      // The copy for the other host is nothing to this one; and nothing is sent on to another VTEP.
      expect(drops(other.dataplane)).toEqual({ drop_underlay_other: 1 });
      expect(drained(other.w)).toEqual([]);
      expect(other.bridge.fdb()).toMatchObject([{ mac: station(1), vtep: a.ip, port: null, static: false }]);
    }
    b.c.inject([from(2, 1)]);
    b.dataplane.run();
    expect(wire(b, a)).toBe(1);
    expect(drained(a.c)).toEqual([hex(from(2, 1))]);
    expect(a.bridge.fdb()).toMatchObject([
      { mac: station(1), port: 'c' },
      { mac: station(2), vtep: b.ip },
    ]);
  });

  it('split horizon: what comes from a VTEP never goes to another', () => {
    const a = host(0, version, { vni: 7 });
    a.bridge
      .addPeer({ mac: station(2), vtep: SITES[version][1] })
      .addPeer({ mac: station(3), vtep: SITES[version][2] });
    const b = host(1, version, { vni: 7 });
    b.bridge.addPeer({ mac: station(3), vtep: a.ip });
    b.c.inject([from(2, 3)]);
    b.dataplane.run();
    wire(b, a);
    expect(drained(a.w)).toEqual([]);
    expect(drops(a.dataplane)).toEqual({ drop_split_horizon: 1 });
  });

  it.each([
    ['told', undefined],
    ['flood-and-learn', []],
  ])('%s: a peer may not speak from a VTEP that is not its own', (_, vteps) => {
    const a = host(0, version, { vni: 7, ...(vteps === undefined ? {} : { vteps }) });
    a.bridge
      .addPeer({ mac: station(2), vtep: SITES[version][1] })
      .addPeer({ mac: station(3), vtep: SITES[version][2] });
    const b = host(1, version, { vni: 7 });
    b.bridge.addPeer({ mac: station(1), vtep: a.ip });
    b.c.inject([from(3, 1), from(2, 1)]);
    b.dataplane.run();
    wire(b, a);
    expect(drained(a.c)).toEqual([hex(from(2, 1))]);
    expect(drops(a.dataplane)).toEqual({ drop_source_static: 1 });
  });

  it('refuses VTEPs and VNIs that it was not told of', () => {
    const [a, b, c] = [host(0, version), host(1, version), host(2, version, { vni: 5 })];
    a.bridge.addPeer({ mac: station(2), vtep: b.ip });
    b.bridge.addPeer({ mac: station(9), vtep: c.ip });
    c.bridge.addPeer({ mac: station(2), vtep: b.ip });
    a.c.inject([from(1, 2)]);
    a.dataplane.run();
    wire(a, b);
    expect(drops(b.dataplane)).toEqual({ drop_vtep_unknown: 1 });
    c.c.inject([from(1, 2)]);
    c.dataplane.run();
    wire(c, b);
    expect(drops(b.dataplane)).toEqual({ drop_vtep_unknown: 1, drop_vni_unknown: 1 });
    expect(drained(b.c)).toEqual([]);
  });

  it('a VTEP is known for as long as a peer is behind it', () => {
    const [a, b] = [host(0, version), host(1, version)];
    a.bridge.addPeer({ mac: station(2), vtep: b.ip });
    b.bridge.addPeer({ mac: station(1), vtep: a.ip, ip: '10.0.0.1' }).addPeer({ mac: station(8), vtep: a.ip });
    const arrives = () => {
      a.c.inject([from(1, 2)]);
      a.dataplane.run();
      wire(a, b);
      return drained(b.c).length === 1;
    };
    expect(arrives()).toBe(true);
    expect(b.bridge.removePeer({ mac: station(8) })).toBe(true);
    expect(arrives()).toBe(true);
    expect(b.bridge.removePeer({ mac: station(1) })).toBe(true);
    expect(b.bridge.removePeer({ mac: station(1) })).toBe(false);
    expect(b.bridge.fdb()).toEqual([]);
    expect(b.bridge.neighbors()).toEqual([]);
    expect(arrives()).toBe(false);
    expect(drops(b.dataplane)).toEqual({ drop_vtep_unknown: 1 });
  });

  it('a peer that moves takes the VTEP that it left with it', () => {
    const a = host(0, version);
    const [, one, two] = SITES[version];
    a.bridge.addPeer({ mac: station(2), ip: '10.0.0.2', vtep: one }).addPeer({ mac: station(2), vtep: two });
    expect(a.bridge.fdb()).toMatchObject([{ mac: station(2), vtep: two }]);
    expect(a.bridge.neighbors()).toMatchObject([{ ip: '10.0.0.2', mac: station(2) }]);
    a.c.inject([from(1, 2)]);
    a.dataplane.run();
    expect(drained(a.w)[0]?.slice(0, 12)).toBe('060000000002');
    // The old VTEP is a stranger now.
    const b = host(1, version);
    b.bridge.addPeer({ mac: station(1), vtep: a.ip });
    b.c.inject([from(2, 1)]);
    b.dataplane.run();
    wire(b, a);
    expect(drops(a.dataplane)).toEqual({ drop_vtep_unknown: 1 });
  });

  it('drops what the underlay cannot carry, by the MTU less 50 or 70', () => {
    const a = host(0, version, { vni: 7 }, { mtu: 1500 });
    a.bridge.addPeer({ mac: station(2), vtep: SITES[version][1] });
    expect(a.bridge.mtu).toBe(version === 4 ? 1450 : 1430);
    const packet = (size: number) => ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(size) });
    a.c.inject([packet(a.bridge.mtu), packet(a.bridge.mtu + 1)]);
    a.dataplane.run();
    const [sent, ...more] = drained(a.w);
    expect(more).toEqual([]);
    expect(sent).toHaveLength(2 * (14 + 1500));
    expect(drops(a.dataplane)).toEqual({ drop_mtu: 1 });
  });

  it('drops what has no next hop until there is one', () => {
    const a = host(0, version, { vni: 7 }, { neighbors: [] });
    const vtep = SITES[version][1];
    a.bridge.addPeer({ mac: station(2), vtep });
    expect(send(a.dataplane, a.c, [from(1, 2)])).toEqual({});
    expect(drops(a.dataplane)).toEqual({ drop_next_hop_unknown: 1 });
    a.underlay.addNeighbor({ ip: vtep, mac: '06:aa:aa:aa:aa:aa' });
    expect(send(a.dataplane, a.c, [from(1, 2)])['w']?.[0]?.slice(0, 12)).toBe('06aaaaaaaaaa');
  });

  it('checks outer checksums when asked, and sends right ones', () => {
    const a = host(0, version, { vni: 7 }, { checksum: 'send' });
    const b = host(1, version, { vni: 7 }, { verifyChecksum: true });
    const lax = host(1, version, { vni: 7 });
    a.bridge.addPeer({ mac: station(2), vtep: b.ip });
    b.bridge.addPeer({ mac: station(1), vtep: a.ip });
    lax.bridge.addPeer({ mac: station(1), vtep: a.ip });
    const list = Array.from({ length: 64 }, (_, i) =>
      ethernet({ dst: station(2), src: station(1), payload: new Uint8Array(46 + i).fill(i + 1) }),
    );
    a.c.inject(list);
    a.dataplane.run();
    const burst = a.w.drain();
    b.w.inject(burst);
    b.dataplane.run();
    expect(drained(b.c)).toEqual(list.map(hex));
    const broken = [...frames(burst)].map((frame) =>
      Uint8Array.from(frame, (byte, i) => (i === frame.length - 1 ? byte ^ 1 : byte)),
    );
    b.w.inject(broken);
    b.dataplane.run();
    expect(drained(b.c)).toEqual([]);
    expect(drops(b.dataplane)).toEqual({ drop_underlay_checksum: 64 });
    lax.w.inject(broken);
    lax.dataplane.run();
    expect(drained(lax.c)).toHaveLength(64);
  });
});

/** VLAN ↔ VNI maps, and VTEPs that come and go. */
import { describe, expect, it } from 'vitest';
import { frames, parseBurst } from '../../src/index.js';
import { BROADCAST, from, station } from './frames.js';
import { host, wire } from './hosts.js';
import { drained, drops, failure, hex, memoryPorts, send } from './lab.js';

describe.each([4, 6] as const)('over IPv%i', (version) => {
  it('VLAN map: a tag is a VNI on the wire and comes back at the other end', () => {
    const [a, b] = [
      host(0, version, { vni: 1, vlans: { 100: 5000, 200: 6000 } }),
      host(1, version, { vni: 1, vlans: { 101: 5000, 200: 6000 } }),
    ];
    a.bridge.addPeer({ mac: station(2), vtep: b.ip, vlan: 100 }).addPeer({ mac: station(2), vtep: b.ip });
    b.bridge.addPeer({ mac: station(1), vtep: a.ip, vlan: 101 }).addPeer({ mac: station(1), vtep: a.ip });
    a.c.inject([from(1, 2, 0, 100), from(1, 2, 0)]);
    a.dataplane.run();
    const burst = a.w.drain();
    const [tagged, plain] = [...frames(burst)];
    expect(Array.from(parseBurst(burst).vni.slice(0, 2))).toEqual([5000, 1]);
    const header = version === 4 ? 50 : 70;
    expect(hex(tagged!.subarray(header))).toBe(hex(from(1, 2)));
    expect(plain).toHaveLength(tagged!.length);
    b.w.inject(burst);
    b.dataplane.run();
    expect(drained(b.c)).toEqual([hex(from(1, 2, 0, 101)), hex(from(1, 2, 0))]);
    // A VLAN without peers is a network of its own; one that is not mapped is none.
    expect(send(a.dataplane, a.c, [from(1, 2, 0, 200), from(1, 2, 0, 300)])).toEqual({});
    expect(drops(a.dataplane)).toEqual({ drop_no_destination: 1, drop_vlan_unknown: 1 });
    expect(
      a.bridge
        .fdb()
        .filter(({ port }) => port === 'c')
        .map(({ vlan }) => vlan),
    ).toEqual([100, 200, null]);
  });
});

describe('VLANs', () => {
  it('without a vni, a map takes no untagged frames', () => {
    const a = host(0, 4, { vlans: { 100: 5000 } });
    expect(send(a.dataplane, a.c, [from(1, 2)])).toEqual({});
    expect(drops(a.dataplane)).toEqual({ drop_vlan_unknown: 1 });
    const { code, message } = failure(() => a.bridge.addPeer({ mac: station(2), vtep: '192.168.77.2' }));
    expect([code, message]).toEqual([
      'ERR_OVERLANE_OPTION',
      expect.stringMatching(/no untagged network; give 'vlan', one of 100/),
    ]);
  });

  it('local ports of one VLAN talk with their tags, in their own table', () => {
    const a = host(0, 4, { vni: 1, vlans: { 100: 5000, 200: 6000 } });
    const [d] = memoryPorts(a.dataplane, 'd');
    a.bridge.attach(d!);
    expect(send(a.dataplane, a.c, [from(1, BROADCAST, 0, 100)])).toEqual({ d: [hex(from(1, BROADCAST, 0, 100))] });
    expect(send(a.dataplane, d!, [from(2, 1, 0, 100)])).toEqual({ c: [hex(from(2, 1, 0, 100))] });
    expect(a.bridge.fdb().map(({ mac, vlan, port }) => [mac, vlan, port])).toEqual([
      [station(1), 100, 'c'],
      [station(2), 100, 'd'],
    ]);
    expect(a.bridge.removeFdb({ mac: station(1), vlan: 200 })).toBe(false);
    expect(a.bridge.removeFdb({ mac: station(1), vlan: 100 })).toBe(true);
  });
});

describe('VTEPs at run time', () => {
  it('addVtep and removeVtep change the replication list and what was learned', () => {
    const a = host(0, 4, { vni: 7, vteps: [] });
    const b = host(1, 4, { vni: 7, vteps: ['192.168.77.1'] });
    expect(send(a.dataplane, a.c, [from(1, BROADCAST)])).toEqual({});
    a.bridge.addVtep(b.ip).addVtep(b.ip);
    expect(send(a.dataplane, a.c, [from(1, BROADCAST)])['w']).toHaveLength(1);
    b.c.inject([from(2, BROADCAST)]);
    b.dataplane.run();
    wire(b, a);
    expect(drained(a.c)).toEqual([hex(from(2, BROADCAST))]);
    expect(a.bridge.fdb().map(({ mac, vtep }) => [mac, vtep])).toEqual([
      [station(1), null],
      [station(2), b.ip],
    ]);
    expect(a.bridge.removeVtep(b.ip)).toBe(true);
    expect(a.bridge.removeVtep(b.ip)).toBe(false);
    expect(a.bridge.fdb().map(({ mac }) => mac)).toEqual([station(1)]);
    expect(send(a.dataplane, a.c, [from(1, BROADCAST)])).toEqual({});
  });

  it('a VTEP in the list stays when its last peer goes, and not the list while it has peers', () => {
    const a = host(0, 4, { vni: 7, vteps: ['192.168.77.2'] });
    a.bridge.addPeer({ mac: station(2), vtep: '192.168.77.2' });
    const { code, message } = failure(() => a.bridge.removeVtep('192.168.77.2'));
    expect([code, message]).toEqual([
      'ERR_OVERLANE_BUSY',
      expect.stringContaining('has peers behind it; remove them first'),
    ]);
    a.bridge.removePeer({ mac: station(2) });
    expect(send(a.dataplane, a.c, [from(1, BROADCAST)])['w']).toHaveLength(1);
    expect(a.bridge.removeVtep('192.168.77.2')).toBe(true);
  });

  it('restricted to one VLAN, replicates that one only', () => {
    const a = host(0, 4, { vlans: { 100: 5000, 200: 6000 }, vteps: [] });
    a.bridge.addVtep('192.168.77.2', { vlan: 100 });
    a.c.inject([from(1, BROADCAST, 0, 100), from(1, BROADCAST, 0, 200)]);
    a.dataplane.run();
    expect(Array.from(parseBurst(a.w.drain()).vni.slice(0, 1))).toEqual([5000]);
    expect(drops(a.dataplane)).toEqual({ drop_no_destination: 1 });
    expect(failure(() => a.bridge.addVtep('192.168.77.2', { vlan: 300 })).message).toContain(
      'does not map VLAN 300; it maps 100, 200',
    );
  });
});

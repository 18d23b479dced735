/** What arrives on the wire: taken apart, or dropped with its reason. */
import { describe, expect, it } from 'vitest';
import { BROADCAST, ethernet, from, ipv4, station, udp, vxlan } from './frames.js';
import { host } from './hosts.js';
import { drained, drops, hex, lab, memoryPorts, send } from './lab.js';

describe('what arrives on the wire', () => {
  function receiver() {
    const b = host(1, 4, { vni: 7 });
    b.bridge.addPeer({ mac: station(1), vtep: '192.168.77.1' });
    const outer = (
      payload: Uint8Array,
      fields: { protocol?: number; tos?: number; flags?: number; dst?: string } = {},
    ) =>
      ethernet({
        dst: '06:00:00:00:00:01',
        src: '06:00:00:00:00:00',
        type: 0x800,
        payload: ipv4({ src: '192.168.77.1', dst: '192.168.77.2', ...fields, payload }),
      });
    const packet = (data: Uint8Array) => udp({ src: 50000, dst: 4789, payload: data });
    return { b, outer, packet };
  }

  const inner = from(1, 2);
  const { outer, packet } = receiver();
  const good = outer(packet(vxlan(7, inner)));
  const cases: [string, Uint8Array, string][] = [
    ['no I flag', outer(packet(vxlan(7, inner, 0))), 'drop_vxlan_flags'],
    ['another VNI', outer(packet(vxlan(8, inner))), 'drop_vni_unknown'],
    ['an end inside the VXLAN header', outer(packet(new Uint8Array(7))), 'drop_vxlan_truncated'],
    ['an end inside the inner Ethernet header', outer(packet(vxlan(7, inner.subarray(0, 13)))), 'drop_vxlan_truncated'],
    ['a fragment', outer(packet(vxlan(7, inner)), { flags: 0x2000 }), 'drop_underlay_fragment'],
    ['another destination', outer(packet(vxlan(7, inner)), { dst: '192.168.77.9' }), 'drop_underlay_other'],
    ['another protocol', outer(packet(vxlan(7, inner)), { protocol: 6 }), 'drop_underlay'],
    ['another UDP port', outer(udp({ src: 1, dst: 53, payload: vxlan(7, inner) })), 'drop_underlay_other'],
    [
      'a wrong IPv4 checksum',
      Uint8Array.from(good, (byte, i) => (i === 24 ? byte ^ 1 : byte)),
      'drop_underlay_checksum',
    ],
    ['a cut packet', good.subarray(0, 60), 'drop_underlay_malformed'],
    [
      'congestion, and an inner packet that cannot tell',
      outer(
        packet(
          vxlan(
            7,
            ethernet({
              dst: station(2),
              src: station(1),
              type: 0x800,
              payload: ipv4({ src: '10.0.0.1', dst: '10.0.0.2', payload: new Uint8Array(20) }),
            }),
          ),
        ),
        { tos: 3 },
      ),
      'drop_ecn',
    ],
    ['a runt', new Uint8Array(13), 'drop_malformed'],
    ['an ARP packet', ethernet({ dst: BROADCAST, src: station(5), type: 0x806 }), 'drop_underlay_other'],
  ];

  it.each(cases)('%s is dropped with its reason', (_, frame, reason) => {
    const { b } = receiver();
    b.w.inject([frame, good]);
    b.dataplane.run();
    expect(drained(b.c)).toEqual([hex(inner)]);
    const [name, ...more] = Object.keys(drops(b.dataplane));
    expect(more).toEqual([]);
    expect(name).toContain(reason);
  });

  it('tells the inner packet of congestion (RFC 6040)', () => {
    const { b } = receiver();
    const capable = (tos: number) =>
      ethernet({
        dst: station(2),
        src: station(1),
        type: 0x800,
        payload: ipv4({ src: '10.0.0.1', dst: '10.0.0.2', tos, payload: new Uint8Array(20) }),
      });
    b.w.inject([outer(packet(vxlan(7, capable(2))), { tos: 3 })]);
    b.dataplane.run();
    expect(drained(b.c)).toEqual([hex(capable(3))]);
  });

  it('two underlays share a wire and keep to their own address and UDP port', () => {
    const dataplane = lab();
    const [x, y, w] = memoryPorts(dataplane, 'x', 'y', 'w');
    const common = { type: 'frame', port: w!, mac: '06:00:00:00:00:01', local: '192.168.77.2' } as const;
    const one = dataplane.addUnderlay(common);
    const two = dataplane.addUnderlay({ ...common, udpPort: 4790 });
    dataplane
      .addBridge({ vni: 7, underlay: one })
      .attach(x!)
      .addPeer({ mac: station(1), vtep: '192.168.77.1' });
    dataplane
      .addBridge({ vni: 7, underlay: two })
      .attach(y!)
      .addPeer({ mac: station(1), vtep: '192.168.77.1' });
    const to = (port: number, data: Uint8Array) => outer(udp({ src: 50000, dst: port, payload: vxlan(7, data) }));
    expect(send(dataplane, w!, [to(4789, from(1, 2, 1)), to(4790, from(1, 2, 2)), to(4791, from(1, 2, 3))])).toEqual({
      x: [hex(from(1, 2, 1))],
      y: [hex(from(1, 2, 2))],
    });
    expect(drops(dataplane)).toEqual({ drop_underlay_other: 1 });
  });
});

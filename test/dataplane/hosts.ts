/** Hosts that are joined by VXLAN: a dataplane each, with wires in memory. */
import type { BridgeOptions, FrameUnderlayOptions } from '../../src/index.js';
import { lab, memoryPorts } from './lab.js';

/** The VTEP addresses of the hosts. */
export const SITES = {
  4: ['192.168.77.1', '192.168.77.2', '192.168.77.3'],
  6: ['2001:db8::1', '2001:db8::2', '2001:db8::3'],
} as const;

export type Version = 4 | 6;

/** Host n (0, 1, 2) with port `c`, its wire `w`, and next hops to the others. */
export function host(
  n: number,
  version: Version,
  bridgeOptions: BridgeOptions = { vni: 4097 },
  underlayOptions: Partial<FrameUnderlayOptions> = {},
) {
  const dataplane = lab();
  const [c, w] = memoryPorts(dataplane, 'c', 'w');
  const ips = SITES[version];
  const underlay = dataplane.addUnderlay({
    type: 'frame',
    port: w!,
    mac: `06:00:00:00:00:0${n}`,
    local: ips[n]!,
    neighbors: ips.flatMap((ip, other) => (other === n ? [] : [{ ip, mac: `06:00:00:00:00:0${other}` }])),
    ...underlayOptions,
  });
  const bridge = dataplane.addBridge({ underlay, ...bridgeOptions }).attach(c!);
  return { dataplane, underlay, bridge, c: c!, w: w!, ip: ips[n]! };
}

export type Host = ReturnType<typeof host>;

/** Carries what one host put on its wire to the other. */
export function wire(a: Host, b: Host): number {
  const burst = a.w.drain();
  b.w.inject(burst);
  b.dataplane.run();
  return burst.count;
}

/** The two hosts of the demo: one dataplane each, set up as Docker Swarm's control plane would set up the kernel. */
import { Dataplane, type Miss } from '../dataplane/dataplane.js';
import type { Port } from '../dataplane/port.js';

export const VNI = 4097;

/** The stations of the capture; test/vectors/docker-swarm says where it was taken. */
export const STATIONS = [
  { name: 'c1', mac: '02:42:0a:63:00:02', ip: '10.99.0.2', vtep: '192.168.77.1', vtepMac: '4e:e7:8f:cd:cb:0c' },
  { name: 'c2', mac: '02:42:0a:63:00:04', ip: '10.99.0.4', vtep: '192.168.77.2', vtepMac: '36:cf:b0:1e:b2:6d' },
] as const;

export type Station = (typeof STATIONS)[number];

export interface Host {
  station: Station;
  dataplane: Dataplane;
  /** Towards the other host. */
  wire: Port;
  /** Towards the container. */
  container: Port;
  misses: Miss[];
}

/**
 * A host with its container, told of the other host's container.
 *
 * @param endless - ports that receive the same frames for ever and let go what they transmit, for timing.
 */
export function openHost(station: Station, { endless = false } = {}): Host {
  const dataplane = new Dataplane({ mode: 'manual', clock: 'virtual' });
  const wire = dataplane.addPort({ type: 'memory', name: 'wire', loop: endless, discard: endless });
  const container = dataplane.addPort({ type: 'memory', name: station.name, loop: endless, discard: endless });
  const others = STATIONS.filter((other) => other !== station);
  const underlay = dataplane.addUnderlay({
    type: 'frame',
    port: wire,
    mac: station.vtepMac,
    local: station.vtep,
    neighbors: others.map(({ vtep, vtepMac }) => ({ ip: vtep, mac: vtepMac })),
  });
  const bridge = dataplane.addBridge({ name: 'br0', vni: VNI, underlay, proxyArp: true, learning: false });
  bridge.attach(container, { mac: station.mac });
  for (const { mac, ip, vtep } of others) bridge.addPeer({ mac, ip, vtep });
  const misses: Miss[] = [];
  dataplane.on('miss', (found) => misses.push(...found));
  return { station, dataplane, wire, container, misses };
}

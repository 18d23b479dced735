/** The ports and sockets of a topology: their options for the API, and what stands in for them while a topology is rehearsed. */
import { resolve } from 'node:path';
import type { Dataplane } from './dataplane/dataplane.js';
import type { EncryptionOptions } from './dataplane/encryption-options.js';
import {
  isLive,
  type LivePortOptions,
  packetPortOptions,
  placeOf,
  tapPortOptions,
  xdpPortOptions,
} from './dataplane/live-port-options.js';
import { MAX_MTU } from './dataplane/mtu.js';
import { type PortOptions, pcapPortOptions, refuseMode, STDIN } from './dataplane/port-options.js';
import { type UdpUnderlayOptions, udpUnderlayOptions } from './dataplane/underlay-options.js';
import { NULL_ENGINE } from './keyring/keyring-options.js';
import { type Topology, topologyError } from './topology.js';
import type { TopologyPort } from './topology-options.js';

/** Options of `addPort()`. */
export function portOptions(topology: Topology, name: string, port: TopologyPort): PortOptions {
  if (isLive(port)) return liveOptions(topology, name, port);
  if (port.type !== 'pcap') return { ...port, name };
  const options = { ...port, name };
  if (port.read !== undefined && port.read !== STDIN) options.read = resolve(topology.folder, port.read);
  if (port.write !== undefined) options.write = resolve(topology.folder, port.write);
  return options;
}

function liveOptions(topology: Topology, name: string, port: LivePortOptions): LivePortOptions {
  if (port.interface !== undefined && port.name !== undefined) {
    const where = topology.locate(['ports', name, 'name']);
    throw topologyError(`${where}: the port is called '${name}', and 'interface' is given too; leave 'name' out`);
  }
  return { ...port, name, interface: port.interface ?? port.name ?? name };
}

/** In place of a port that would replace a file or make an interface one in memory, once it is known that its options are right. */
export function rehearsePort(options: PortOptions, workers: number): PortOptions {
  refuseMode(options, workers);
  if (options.type === 'memory') return options;
  const { name = '' } = options;
  const memory = { type: 'memory', name } as const;
  if (options.type === 'pcap') {
    pcapPortOptions(options, name);
    return { ...memory, mtu: options.mtu ?? MAX_MTU };
  }
  const place = placeOf(options);
  if (options.type === 'packet') packetPortOptions(options, place, name);
  else if (options.type === 'xdp') xdpPortOptions(options, place, name);
  else return { ...memory, mtu: tapPortOptions(options, place, name, workers).mtu };
  return memory;
}

/** In place of sockets an underlay in memory. */
export function rehearseUdp(dataplane: Dataplane, options: UdpUnderlayOptions): void {
  const { local, udpPort, espPort, mtu } = udpUnderlayOptions(options);
  // Named like the underlay, as ports and udp underlays share names.
  const name = options.name ?? '';
  const port = dataplane.addPort({ type: 'memory', name });
  const size = mtu === 0 ? {} : { mtu };
  dataplane.addUnderlay({ type: 'frame', name, port, mac: '02:00:00:00:00:01', local, udpPort, espPort, ...size });
}

/** Options of a bridge's `encryption`, with the key file where it is. */
export function encryptionOptions(topology: Topology, { keys, ...rest }: EncryptionOptions): EncryptionOptions {
  return { ...rest, keys: typeof keys === 'string' ? resolve(topology.folder, keys) : keys };
}

/** The warning of the null cipher comes once, from the bridge itself. */
export function rehearseEncryption(options: EncryptionOptions): EncryptionOptions {
  return options.engine === NULL_ENGINE ? { ...options, engine: 'openssl' } : options;
}

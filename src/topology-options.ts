/** What a topology file holds: types and schemas, by the parts of it. `topology.ts` reads one. */
import { type AttachOptions, attachBasics, type NeighborOptions, neighborOptions } from './dataplane/bridge-entries.js';
import { type BridgeOptions, bridgeBasics, vlan, vni } from './dataplane/bridge-options.js';
import { expects, optionsOf, text } from './dataplane/check.js';
import { type DataplaneOptions, tuning } from './dataplane/dataplane-options.js';
import type { EncryptionOptions } from './dataplane/encryption-options.js';
import {
  livePorts,
  type PacketPortOptions,
  type TapPortOptions,
  type XdpPortOptions,
} from './dataplane/live-port-options.js';
import { type MemoryPortOptions, memoryPort, type PcapPortOptions, pcapPort } from './dataplane/port-options.js';
import {
  type FrameUnderlayOptions,
  frameUnderlayBasics,
  type UdpUnderlayOptions,
  udpUnderlayBasics,
} from './dataplane/underlay-options.js';
import Type from './schema.js';

/**
 * Options of `addPort()`; the port's name is the key. In a live port, `interface` or `name`, which mean the same here, is the interface;
 * default the key.
 */
export type TopologyPort =
  | Omit<MemoryPortOptions, 'name' | 'loop'>
  | Omit<PcapPortOptions, 'name'>
  | TopologyTap
  | PacketPortOptions
  | XdpPortOptions;

/** What a topology makes ends with it. */
type TopologyTap = Omit<TapPortOptions, 'persistent' | 'alias'>;

/** Options of `addUnderlay()`, with the name of a port; the underlay's own name is the key. */
export interface TopologyFrameUnderlay extends Omit<FrameUnderlayOptions, 'name' | 'port'> {
  port: string;
}

/** An underlay; its own name is the key. */
export type TopologyUnderlay = TopologyFrameUnderlay | Omit<UdpUnderlayOptions, 'name'>;

/** Options of `attach()`, with the name of a port. */
export interface TopologyAttachment extends AttachOptions {
  port: string;
}

/** A static local FDB entry. */
export interface TopologyFdb {
  mac: string;
  port: string;
  vlan?: number;
}

/** Options of `addBridge()`, with the name of an underlay, and what is on the bridge; its own name is the key. */
export interface TopologyBridge extends Omit<BridgeOptions, 'name' | 'underlay' | 'encryption'> {
  underlay?: string;
  /** `keys`: a key file, or the keys themselves, and then only the owner may read the topology. Bridges with equal ones share a keyring. */
  encryption?: EncryptionOptions;
  /** Names of ports, or options of `attach()` with the name as `port`. */
  ports?: (string | TopologyAttachment)[];
  fdb?: TopologyFdb[];
  neighbors?: NeighborOptions[];
}

/** Options of `addPeer()`, with the VNI in place of the VLAN. */
export interface TopologyPeer {
  vni: number;
  mac: string;
  ip?: string;
  vtep: string;
  /** Which bridge, where several have that VNI. */
  bridge?: string;
}

/** What a topology file holds. */
export interface TopologyOptions extends Omit<DataplaneOptions, 'mode'> {
  ports?: Record<string, TopologyPort>;
  underlays?: Record<string, TopologyUnderlay>;
  bridges?: Record<string, TopologyBridge>;
  peers?: TopologyPeer[];
}

const named = (what: string) =>
  Type.Optional(expects(`an object of ${what} by name`, Type.Record(Type.String(), Type.Unknown())));

/** The file as a whole; its parts are in {@link partSchemas}. */
export const topologySchema = optionsOf<TopologyOptions>({
  ...tuning,
  ports: named('ports'),
  underlays: named('underlays'),
  bridges: named('bridges'),
  peers: Type.Optional(expects('a list of peers', Type.Array(Type.Unknown()))),
});

const { name: _portName, loop: _loop, ...memoryBasics } = memoryPort.properties;
const { persistent: _persistent, alias: _alias, ...tapBasics } = livePorts.tap.properties;
const { name: _pcapName, ...pcapBasics } = pcapPort.properties;
/** A port of a bridge that is more than its name. */
export const attachmentSchema = optionsOf<TopologyAttachment>({ port: text, ...attachBasics });

/** Of one port, one underlay, one bridge or one peer; of ports and underlays by type. */
export const partSchemas = {
  memory: optionsOf<Omit<MemoryPortOptions, 'name' | 'loop'>>(memoryBasics as never),
  pcap: optionsOf<Omit<PcapPortOptions, 'name'>>(pcapBasics as never),
  ...livePorts,
  tap: optionsOf<TopologyTap>(tapBasics as never),
  frame: optionsOf<TopologyFrameUnderlay>({ ...frameUnderlayBasics, port: text }),
  udp: optionsOf<Omit<UdpUnderlayOptions, 'name'>>(udpUnderlayBasics),
  bridge: optionsOf<TopologyBridge>({
    ...bridgeBasics,
    underlay: Type.Optional(text),
    ports: Type.Optional(expects('a list of port names', Type.Array(Type.Unknown()))),
    fdb: Type.Optional(
      expects(
        'a list of { mac, port }',
        Type.Array(optionsOf<TopologyFdb>({ mac: text, port: text, vlan: Type.Optional(vlan) })),
      ),
    ),
    neighbors: Type.Optional(expects('a list of { ip, mac }', Type.Array(neighborOptions))),
  }),
  peer: optionsOf<TopologyPeer>({ vni, mac: text, ip: Type.Optional(text), vtep: text, bridge: Type.Optional(text) }),
};

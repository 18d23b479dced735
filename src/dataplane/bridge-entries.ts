/** What goes into a bridge's tables, and what comes out of them as readable rows. */

import { formatIp, formatMac } from '../address.js';
import type { NativeFdbRow, NativeNeighborRow } from '../native.js';
import Type from '../schema.js';
import { family, hostIp, type IpAddress, type MacAddress } from './addresses.js';
import { type BridgeConfig, domainVlan, UNTAGGED, vlan } from './bridge-options.js';
import { address, checkOptions, expects, flag, handle, optionError, optionsOf, whole } from './check.js';
import type { Port } from './port.js';
import type { State } from './state.js';
import type { Underlay } from './underlay.js';

/** Which network of a bridge with a VLAN map. */
export interface VlanOptions {
  /** A VLAN of the map; default the untagged network. */
  vlan?: number;
}

/** Options of `Bridge.attach()`. */
export interface AttachOptions {
  /** Isolated ports reach the others and the remote side, but not each other. Default false. */
  isolated?: boolean;
  /** Learn source MACs on this port. Default the bridge's `learning`. */
  learning?: boolean;
  /**
   * The MAC of the one station on it: becomes a static entry of the untagged network, refused as a source anywhere else. A container of a
   * macvlan network needs one, except for `macvlan-passthru`; so does the uplink of `ipvlan-l3`: that of the router.
   */
  mac?: MacAddress;
  /** MACs learned on this port at most; default the bridge's `portFdbLimit`. */
  fdbLimit?: number;
  /**
   * Makes the port a *trunk*: frames with this 802.1Q VLAN (1 to 4094) that arrive on it belong to the bridge, without the tag, and what the
   * bridge sends to the port gets the tag. Other VLANs of it may be attached to other bridges, and what has no tag, or one of priority only,
   * to one more; nothing else passes. The port's MTU is that of the IP packet, as ever: the tag comes on top. The tag's priority is not kept.
   */
  vlan?: number;
  /** macvlan and ipvlan: this port is the parent, which leads outside. Default false: it leads to a container. */
  uplink?: boolean;
  /** ipvlan: the IP addresses of the container, one or more. */
  addresses?: IpAddress[];
}

/** Options of `Bridge.addPeer()`: a station behind a remote VTEP. */
export interface PeerOptions extends VlanOptions {
  mac: MacAddress;
  /** Its IP, for proxy ARP and ND. */
  ip?: IpAddress;
  /** The VTEP that it is behind; frames of this network are accepted from there from now on. */
  vtep: IpAddress;
}

/** Options of `Bridge.addFdb()`. */
export interface FdbOptions extends VlanOptions {
  mac: MacAddress;
  /** An attached port. */
  port: Port;
}

/** A MAC in a network. */
export interface MacOptions extends VlanOptions {
  mac: MacAddress;
}

/** Options of `Bridge.addNeighbor()`. */
export interface NeighborOptions extends VlanOptions {
  ip: IpAddress;
  mac: MacAddress;
}

const anyVlan = Type.Optional(vlan);

export const vlanOptions = optionsOf<VlanOptions>({ vlan: anyVlan });
export const peerOptions = optionsOf<PeerOptions>({
  mac: address,
  ip: Type.Optional(address),
  vtep: address,
  vlan: anyVlan,
});
export const fdbOptions = optionsOf<FdbOptions>({ mac: address, port: handle, vlan: anyVlan });
export const macOptions = optionsOf<MacOptions>({ mac: address, vlan: anyVlan });
export const neighborOptions = optionsOf<NeighborOptions>({ ip: address, mac: address, vlan: anyVlan });

/** The schema without what a topology file says in another way. */
export const attachBasics = {
  isolated: Type.Optional(flag),
  learning: Type.Optional(flag),
  mac: Type.Optional(address),
  fdbLimit: Type.Optional(whole(1, 2 ** 24, ' entries')),
  vlan: anyVlan,
  uplink: Type.Optional(flag),
  addresses: Type.Optional(expects('a list of one or more IP addresses', Type.Array(address, { minItems: 1 }))),
};

export const attachOptions = optionsOf<AttachOptions>(attachBasics);

/** A row of `Bridge.fdb()`. */
export interface FdbEntry {
  mac: string;
  /** Null: the untagged network, or that of a bridge without a VLAN map. */
  vlan: number | null;
  /** Name of the local port, or null when it is remote. */
  port: string | null;
  /** The VTEP that it is behind, or null when it is local. */
  vtep: string | null;
  /** Configured: does not age. */
  static: boolean;
  /** Seconds since it was last heard of; 0 for static entries. */
  age: number;
}

/** A row of `Bridge.neighbors()`. */
export interface NeighborEntry {
  ip: string;
  mac: string;
  /** As in {@link FdbEntry}. */
  vlan: number | null;
  /** Configured, not snooped. */
  static: boolean;
  /** ipvlan only: name of the port whose container has the address. */
  port?: string;
}

export function taggedVlan(native: number): number | null {
  return native === UNTAGGED ? null : native;
}

/** Readable rows, in an order that does not depend on the kind of the table. */
export function fdbEntries(rows: NativeFdbRow[], state: State): FdbEntry[] {
  rows.sort((a, b) => a.vlan - b.vlan || Buffer.compare(a.mac, b.mac));
  return rows.map((row) => ({
    mac: formatMac(row.mac),
    vlan: taggedVlan(row.vlan),
    port: row.port < 0 ? null : (state.ports.at(row.port)?.name ?? null),
    vtep: row.vtep === null ? null : formatIp(row.vtep),
    static: row.static,
    age: row.static ? 0 : Number(row.ageNs) / 1e9,
  }));
}

export function neighborEntries(rows: NativeNeighborRow[], state: State): NeighborEntry[] {
  rows.sort((a, b) => a.vlan - b.vlan || a.ip.length - b.ip.length || Buffer.compare(a.ip, b.ip));
  return rows.map(({ ip, mac, vlan, static: fixed, port }) => ({
    ip: formatIp(ip),
    mac: formatMac(mac),
    vlan: taggedVlan(vlan),
    static: fixed,
    ...(port < 0 ? {} : { port: state.ports.at(port)!.name }),
  }));
}

/** A remote VTEP: one host, of the underlay's IP version, and not this end. `what` begins the error messages. */
export function vtepAddress(value: IpAddress, what: string, bridge: string, underlay: Underlay | null): Uint8Array {
  if (underlay === null)
    throw optionError(`${what}: bridge '${bridge}' has no underlay, so nothing is remote; give addBridge one`);
  const ip = hostIp(value, what);
  if (family(ip) !== underlay.family) {
    throw optionError(
      `${what}: ${formatIp(ip)} is IPv${family(ip)}, but underlay '${underlay.name}' is IPv${underlay.family}`,
    );
  }
  if (formatIp(ip) === underlay.local) {
    throw optionError(
      `${what}: ${underlay.local} is this end of underlay '${underlay.name}'; a VTEP is at the other end`,
    );
  }
  return ip;
}

/** The native VLANs of a flood-and-learn bridge: one of its map, or all. */
export function floodVlans(bridge: string, config: BridgeConfig, options: VlanOptions, where: string): number[] {
  checkOptions(vlanOptions, options, where);
  if (config.vteps === null) {
    throw optionError(
      `bridge '${bridge}' is told its peers, so ${where} does not apply; use addPeer, or give addBridge 'vteps' (it may be empty)`,
    );
  }
  if (options.vlan !== undefined) return [domainVlan(bridge, config, options.vlan, where)];
  return config.options.domains.filter(({ vni }) => vni !== -1).map(({ vlan }) => vlan);
}

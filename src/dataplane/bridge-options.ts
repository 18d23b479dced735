/** Options of `addBridge()`. */

import type { Keyring } from '../keyring/keyring.js';
import type { NativeBridgeOptions, NativeDomain } from '../native.js';
import Type from '../schema.js';
import { hostIp, type IpAddress, type MacAddress } from './addresses.js';
import { FORWARDINGS, type Forwarding, sharedMac } from './bridge-forwarding.js';
import {
  address,
  checkOptions,
  expects,
  flag,
  handle,
  name,
  oneOf,
  optionError,
  optionsOf,
  shown,
  whole,
} from './check.js';
import { checkEncryption, type EncryptionOptions } from './encryption-options.js';
import type { Underlay } from './underlay.js';

/** What becomes of a frame for which there is no single destination. */
export type FloodPolicy = 'flood' | 'drop';

/** Options of `addBridge()`. */
export interface BridgeOptions {
  /** Unique among the bridges; default `bridge0`, `bridge1`, … */
  name?: string;
  /** The underlay that joins this bridge with remote ones; without one the bridge is local. Needs `vni`, `vlans` or both. */
  underlay?: Underlay;
  /** VXLAN network identifier, 1 to 16777215: of every frame, or, where there are `vlans`, of the untagged ones. */
  vni?: number;
  /**
   * 802.1Q VLAN (1 to 4094) → VNI, as in `{ 100: 5000 }`. Each VLAN is a network of its own; the tag is removed on the way to the
   * underlay and put back on delivery. Frames of other VLANs are dropped, untagged ones too unless `vni` is given. Without this
   * option tags are left alone and part of nothing.
   */
  vlans?: Record<number, number>;
  /**
   * Encrypt everything that crosses the underlay, with these keys; packets that are not encrypted with one of them are refused. Default none:
   * cleartext. Needs `underlay`.
   */
  encryption?: Keyring | EncryptionOptions;
  /** Answer ARP and ND requests for known neighbors in place. Default false. */
  proxyArp?: boolean;
  /** Learn neighbors from ARP and ND packets. Default false: the control plane owns the table. */
  arpSnooping?: boolean;
  /** Learn MACs from source addresses. Default true. Remote MACs are learned only where `vteps` is given. */
  learning?: boolean;
  /** Default `flood`. Towards the underlay, nothing is flooded except to `vteps`. */
  unknownUnicast?: FloodPolicy;
  /** Default `flood`. */
  broadcast?: FloodPolicy;
  /** Default `flood`. */
  multicast?: FloodPolicy;
  /** With `proxyArp`: what to do with an ARP or ND request for an address that nobody is known to have. Default `flood`. */
  miss?: FloodPolicy;
  /** Seconds until a learned MAC that is not heard of is forgotten, up to 1,000,000; default 300 (IEEE 802.1D); 0: never. */
  ageing?: number;
  /**
   * Makes the bridge *flood-and-learn*: broadcast, unknown and multicast frames are copied to each of these VTEPs, and remote MACs are
   * learned from them. May be empty, to be filled with `addVtep()`. Without this option the bridge is *told*: it knows the remote MACs
   * that `addPeer()` gives, and accepts frames from their VTEPs only.
   */
  vteps?: IpAddress[];
  /** MACs learned on this bridge at most; default the dataplane's `fdbEntries`. */
  fdbLimit?: number;
  /** MACs learned on each of its ports at most; default `fdbLimit`. */
  portFdbLimit?: number;
  /** Default `learning`. With any other kind only `name` and `mac` go along. */
  forwarding?: Forwarding;
  /** ipvlan: the MAC that all containers share; for `ipvlan-l2` that of the parent's interface. */
  mac?: MacAddress;
}

/** What a frame without an 802.1Q tag has for a VLAN on the native side. */
export const UNTAGGED = 0xffff;

const policy = Type.Optional(oneOf('flood', 'drop'));
const limit = Type.Optional(whole(1, 2 ** 24, ' entries'));
export const vni = whole(1, 2 ** 24 - 1);
export const vlan = whole(1, 4094);

/** The schema without what a topology file says in another way. */
export const bridgeBasics = {
  vni: Type.Optional(vni),
  vlans: Type.Optional(expects('an object of VLAN → VNI, as in { 100: 5000 }', Type.Record(Type.String(), vni))),
  encryption: Type.Optional(handle),
  proxyArp: Type.Optional(flag),
  arpSnooping: Type.Optional(flag),
  learning: Type.Optional(flag),
  unknownUnicast: policy,
  broadcast: policy,
  multicast: policy,
  miss: policy,
  ageing: Type.Optional(expects('seconds from 0 to 1000000', Type.Number({ minimum: 0, maximum: 1_000_000 }))),
  vteps: Type.Optional(expects('a list of IP addresses', Type.Array(address))),
  fdbLimit: limit,
  portFdbLimit: limit,
  forwarding: Type.Optional(oneOf(...FORWARDINGS)),
  mac: Type.Optional(address),
};

const schema = optionsOf<BridgeOptions>({
  ...bridgeBasics,
  name: Type.Optional(name),
  underlay: Type.Optional(handle),
});

/** Options of a bridge, validated, with every default but the name filled in. */
export interface BridgeConfig {
  underlay: Underlay | null;
  forwarding: Forwarding;
  /** Whether 802.1Q tags choose the VNI. */
  tagged: boolean;
  /** Null: told its peers. */
  vteps: Uint8Array[] | null;
  /** Null: cleartext. */
  encryption: Keyring | EncryptionOptions | null;
  options: Omit<NativeBridgeOptions, 'name' | 'underlay' | 'keyring'>;
}

export function bridgeOptions(given: BridgeOptions, fdbEntries: number): BridgeConfig {
  checkOptions(schema, given, 'addBridge');
  const { underlay = null, learning = true, ageing = 300, fdbLimit = fdbEntries, forwarding = 'learning' } = given;
  const mac = sharedMac(forwarding, given);
  const { portFdbLimit = fdbLimit } = given;
  atMost('fdbLimit', fdbLimit, "the dataplane's fdbEntries", fdbEntries);
  atMost('portFdbLimit', portFdbLimit, "the bridge's fdbLimit", fdbLimit);
  const domains = bridgeDomains(given);
  const { encryption = null } = given;
  if (encryption !== null) checkEncryption(encryption);
  if (encryption !== null && underlay === null) {
    throw optionError("option 'encryption' of addBridge needs an 'underlay'; a local bridge has nothing to encrypt");
  }
  return {
    underlay,
    forwarding,
    tagged: given.vlans !== undefined,
    vteps: given.vteps?.map((ip, i) => hostIp(ip, `option 'vteps[${i}]' of addBridge`)) ?? null,
    encryption,
    options: {
      domains,
      forwarding: FORWARDINGS.indexOf(forwarding),
      mac,
      proxyArp: given.proxyArp ?? false,
      arpSnooping: given.arpSnooping ?? false,
      learning,
      learnRemote: given.vteps !== undefined && learning,
      unknownUnicastFlood: given.unknownUnicast !== 'drop',
      broadcastFlood: given.broadcast !== 'drop',
      multicastFlood: given.multicast !== 'drop',
      missFlood: given.miss !== 'drop',
      ageingNs: ageing === 0 ? 0n : BigInt(Math.max(1, Math.round(ageing * 1e9))),
      fdbLimit,
      portFdbLimit,
    },
  };
}

function atMost(option: string, value: number, what: string, most: number): void {
  if (value > most) throw optionError(`option '${option}' of addBridge is ${value}, more than ${what}, ${most}`);
}

/** One domain a VLAN; a bridge without a map has one domain, which every frame is in. */
function bridgeDomains(given: BridgeOptions): NativeDomain[] {
  const { underlay, vteps, vlans } = given;
  const mapped = Object.entries(vlans ?? {});
  const remote = given.vni !== undefined || mapped.length > 0;
  if (vlans !== undefined && mapped.length === 0) {
    throw optionError("option 'vlans' of addBridge is empty; leave it out, or map a VLAN to a VNI as in { 100: 5000 }");
  }
  if (remote && underlay === undefined) {
    throw optionError(
      "addBridge was given a VNI, but no 'underlay' to send it over; add one with addUnderlay, or leave the VNI out",
    );
  }
  if (!remote && underlay !== undefined) {
    throw optionError("addBridge was given an underlay, but no VNI; say which with 'vni' or 'vlans'");
  }
  if (vteps !== undefined && underlay === undefined) {
    throw optionError("option 'vteps' of addBridge needs an 'underlay' that leads to them");
  }
  const domains = mapped.map(([key, value]) => ({ vlan: readVlan(key), vni: value }));
  if (vlans === undefined || given.vni !== undefined) domains.unshift({ vlan: UNTAGGED, vni: given.vni ?? -1 });
  refuseSharedVni(domains);
  return domains;
}

function readVlan(key: string): number {
  const id = /^[1-9]\d{0,3}$/.test(key) ? Number(key) : 0;
  if (id >= 1 && id <= 4094) return id;
  throw optionError(`option 'vlans' of addBridge has the key '${key}'; a VLAN is a whole number from 1 to 4094`);
}

function refuseSharedVni(domains: NativeDomain[]): void {
  const seen = new Map<number, number>();
  for (const { vlan, vni } of domains) {
    const other = seen.get(vni);
    if (other !== undefined) {
      const names = [other, vlan].map((id) => (id === UNTAGGED ? 'untagged frames' : `VLAN ${id}`));
      throw optionError(`VNI ${vni} of addBridge is given to ${names.join(' and to ')}; each needs its own`);
    }
    seen.set(vni, vlan);
  }
}

/** The native VLAN of a domain of a bridge; `where` begins the error messages. */
export function domainVlan(bridge: string, config: BridgeConfig, vlan: number | undefined, where: string): number {
  const { domains } = config.options;
  if (domains.some((domain) => domain.vlan === (vlan ?? UNTAGGED))) return vlan ?? UNTAGGED;
  const known = domains.filter((domain) => domain.vlan !== UNTAGGED).map((domain) => domain.vlan);
  if (vlan === undefined) {
    throw optionError(`${where}: bridge '${bridge}' has no untagged network; give 'vlan', one of ${known.join(', ')}`);
  }
  if (!config.tagged) {
    throw optionError(`${where}: bridge '${bridge}' has no VLAN map; leave 'vlan' out, or give addBridge 'vlans'`);
  }
  throw optionError(`${where}: bridge '${bridge}' does not map VLAN ${shown(vlan)}; it maps ${known.join(', ')}`);
}

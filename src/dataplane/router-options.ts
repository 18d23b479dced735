/** Options of `addRouter()` and `Router.addInterface()`. */

import { type Cidr, formatIp, parseCidr } from '../address.js';
import Type from '../schema.js';
import { type MacAddress, stationMac } from './addresses.js';
import { vlan } from './bridge-options.js';
import { checkOptions, expects, name, optionError, optionsOf, shown, text, whole } from './check.js';
import { MAX_MTU, MIN_MTU, MIN_MTU_IPV6 } from './mtu.js';

/** Options of `addRouter()`. */
export interface RouterOptions {
  /** Unique among the routers; default `router0`, `router1`, … */
  name?: string;
  /**
   * Its MAC on every interface. Has to be the same on all nodes of the overlay, so that containers find the gateway that they know wherever
   * they run. Default `02:6f:76:6c:00:01`.
   */
  mac?: MacAddress;
}

/** Options of `Router.addInterface()`. */
export interface RouterInterfaceOptions {
  /**
   * The gateway's address in each of its subnets, with the prefix length, as in `10.0.9.1/24` or `fd00:9::1/64`: 1 to 16. The same on all
   * nodes. Subnets of one router do not overlap; on one interface, several addresses may be in one subnet. Link-local addresses are not
   * given: the router has one of its own.
   */
  addresses: string[];
  /** Which network of a bridge with a VLAN map; default the untagged one. */
  vlan?: number;
  /**
   * Bytes of the largest IP packet that is routed into this network, 68 to 65535, with IPv6 addresses 1280 or more. Default the bridge's
   * `mtu` as it is now.
   */
  mtu?: number;
}

/** Locally administered (IEEE 802), with "ovl" in it. */
export const DEFAULT_MAC = '02:6f:76:6c:00:01';

const routerSchema = optionsOf<RouterOptions>({ name: Type.Optional(name), mac: Type.Optional(Type.Unknown()) });

const interfaceSchema = optionsOf<RouterInterfaceOptions>({
  addresses: expects(
    "a list of 1 to 16 addresses with prefix length, as in ['10.0.9.1/24']",
    Type.Array(text, { minItems: 1, maxItems: 16 }),
  ),
  vlan: Type.Optional(vlan),
  mtu: Type.Optional(whole(MIN_MTU, MAX_MTU)),
});

/** Bytes of the router's MAC. */
export function routerMac(given: RouterOptions): Uint8Array {
  checkOptions(routerSchema, given, 'addRouter');
  return stationMac(given.mac ?? DEFAULT_MAC, "option 'mac' of addRouter");
}

/** An interface, validated. */
export interface InterfaceConfig {
  addresses: Cidr[];
  mtu: number;
}

/** `most`: the bridge's MTU. */
export function interfaceOptions(given: RouterInterfaceOptions, most: number): InterfaceConfig {
  checkOptions(interfaceSchema, given, 'addInterface');
  const { mtu = most } = given;
  const addresses = given.addresses.map((address, i) =>
    gatewayAddress(address, `option 'addresses[${i}]' of addInterface`),
  );
  const least = addresses.some(({ address }) => address.length === 16) ? MIN_MTU_IPV6 : MIN_MTU;
  if (mtu < least) {
    const culprit = given.mtu === undefined ? "the bridge's MTU" : "option 'mtu' of addInterface";
    throw optionError(`${culprit} is ${mtu}, and an interface with IPv6 addresses needs ${least} or more`);
  }
  addresses.forEach((one, i) => {
    for (const other of addresses.slice(0, i)) refuseClash(one, other);
  });
  return { addresses, mtu };
}

/** On one interface: the same subnet is fine, with another address. */
function refuseClash(one: Cidr, other: Cidr): void {
  if (!overlap(one, other)) return;
  const same = Buffer.compare(one.address, other.address) === 0;
  if (!same && one.prefix === other.prefix) return;
  throw optionError(
    `${formatCidr(one)} and ${formatCidr(other)} of addInterface ${same ? 'are the same address' : 'are in subnets that overlap'}; leave one out`,
  );
}

function gatewayAddress(value: string, what: string): Cidr {
  let cidr: Cidr;
  try {
    cidr = parseCidr(value);
  } catch (cause) {
    throw optionError(`${what}: ${(cause as Error).message}`, cause);
  }
  const wrong = notAGateway(cidr);
  if (wrong !== null) throw optionError(`${what}: ${shown(value)} ${wrong}`);
  return cidr;
}

/** Why it cannot be a gateway's address; continues a sentence. */
function notAGateway({ address, prefix }: Cidr): string | null {
  if (prefix === 0) return "is the whole Internet; give the subnet's prefix length";
  const kind = address.length === 4 ? notUnicast4(address) : notUnicast6(address);
  if (kind !== null) return `${kind}; give an address of the subnet`;
  const bits = address.length * 8 - prefix;
  if (bits < 2) return null; // RFC 3021, RFC 6164
  const host = hostBits(address, prefix);
  if (host.every((bit) => bit === 0)) return "is the subnet itself; give the gateway's address in it";
  if (address.length === 4 && host.every((bit) => bit === 1))
    return "is the subnet's broadcast address; give the gateway's";
  return null;
}

function notUnicast4(ip: Uint8Array): string | null {
  if (ip[0] === 0) return 'is in 0.0.0.0/8, which is no destination (RFC 1122, section 3.2.1.3)';
  if (ip[0] === 127) return 'is a loopback address';
  if (ip[0]! >= 224) return 'is a multicast, reserved or broadcast address';
  return ip[0] === 169 && ip[1] === 254 ? 'is link-local, which is never routed (RFC 3927, section 2.7)' : null;
}

function notUnicast6(ip: Uint8Array): string | null {
  const high = ip.subarray(0, 15).every((byte) => byte === 0);
  if (high && ip[15]! < 2) return ip[15] === 0 ? 'is the unspecified address' : 'is the loopback address';
  if (ip[0] === 0xff) return 'is a multicast address';
  if (ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80) return 'is link-local, of which the router has one by itself';
  const mapped = ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 0xff && ip[11] === 0xff;
  return mapped ? 'is an IPv4 address mapped into IPv6, which never is on a wire' : null;
}

function bitAt(ip: Uint8Array, i: number): number {
  return (ip[i >> 3]! >> (7 - (i & 7))) & 1;
}

function hostBits(ip: Uint8Array, prefix: number): number[] {
  return Array.from({ length: ip.length * 8 - prefix }, (_, i) => bitAt(ip, prefix + i));
}

/** Whether one subnet is in the other. */
export function overlap(one: Cidr, other: Cidr): boolean {
  if (one.address.length !== other.address.length) return false;
  const shared = Math.min(one.prefix, other.prefix);
  for (let i = 0; i < shared; i++) if (bitAt(one.address, i) !== bitAt(other.address, i)) return false;
  return true;
}

export function formatCidr({ address, prefix }: Cidr): string {
  return `${formatIp(address)}/${prefix}`;
}

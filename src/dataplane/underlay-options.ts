/** Options of `addUnderlay()`. */
import Type from 'typebox';
import { formatIp } from '../address.js';
import { family, hostIp, type IpAddress, type MacAddress, stationMac } from './addresses.js';
import { address, checkOptions, expects, flag, handle, name, oneOf, optionError, optionsOf, whole } from './check.js';
import { type Family, MAX_MTU, minUnderlayMtu } from './mtu.js';
import type { Port } from './port.js';
import { checkType } from './port-options.js';

/** Who has which MAC on the underlay: the next hop towards a VTEP, or the VTEP itself. */
export interface NextHopOptions {
  /** A VTEP's address, in the IP version of the underlay's `local`. */
  ip: IpAddress;
  mac: MacAddress;
}

/** An underlay that builds complete outer frames and sends them through a port (RFC 7348, section 5). */
export interface FrameUnderlayOptions {
  type: 'frame';
  /** Unique among the underlays; default `frame0`, `frame1`, … */
  name?: string;
  /** The port to send and receive through. Several underlays may share it; a bridge's port it cannot be. */
  port: Port;
  /** MAC of this end, the source of the outer frames. */
  mac: MacAddress;
  /** IP of this VTEP; its version, 4 or 6, is that of the underlay. */
  local: IpAddress;
  /** UDP port of VXLAN at both ends, 1024 to 49151; default 4789 (IANA). */
  udpPort?: number;
  /** Outer TTL or hop limit, 1 to 255; default 64. */
  ttl?: number;
  /** Bytes of the largest outer IP packet; default and at most the port's; at least 118 over IPv4, 1280 over IPv6. */
  mtu?: number;
  /** Outer UDP checksum; default `zero` over IPv4 (RFC 7348, section 5), `send` over IPv6 (RFC 6935 permits zero between VTEPs). */
  checksum?: 'send' | 'zero';
  /**
   * Check outer UDP checksums other than zero, and drop what is wrong. Default false, because captures made on a sending host hold
   * checksums that its network card would have completed.
   */
  verifyChecksum?: boolean;
  /** Static next hops; more can be added with `addNeighbor()`. */
  neighbors?: NextHopOptions[];
}

/** Options of `addUnderlay()`. */
export type UnderlayOptions = FrameUnderlayOptions;

/** The default UDP port of VXLAN (RFC 7348, section 8). */
export const VXLAN_PORT = 4789;

export const nextHop = optionsOf<NextHopOptions>({ ip: address, mac: address });

/** The schema without what a topology file says in another way. */
export const frameUnderlayBasics = {
  type: oneOf('frame'),
  mac: address,
  local: address,
  udpPort: Type.Optional(whole(1024, 49151)),
  ttl: Type.Optional(whole(1, 255)),
  mtu: Type.Optional(whole(minUnderlayMtu(4), MAX_MTU, ' bytes')),
  checksum: Type.Optional(oneOf('send', 'zero')),
  verifyChecksum: Type.Optional(flag),
  neighbors: Type.Optional(expects('a list of { ip, mac }', Type.Array(nextHop))),
};

const schema = optionsOf<FrameUnderlayOptions>({ ...frameUnderlayBasics, name: Type.Optional(name), port: handle });

/** Options of an underlay, validated, in bytes, with every default but the name filled in. */
export interface FrameUnderlayConfig {
  port: Port;
  family: Family;
  mac: Uint8Array;
  local: Uint8Array;
  udpPort: number;
  ttl: number;
  mtu: number;
  sendChecksum: boolean;
  verifyChecksum: boolean;
  neighbors: NextHop[];
}

export interface NextHop {
  ip: Uint8Array;
  mac: Uint8Array;
}

export function frameUnderlayOptions(options: UnderlayOptions): FrameUnderlayConfig {
  checkType(options, 'addUnderlay', 'underlay', ['frame'], ['udp']);
  checkOptions(schema, options, 'addUnderlay');
  const { port, udpPort = VXLAN_PORT, ttl = 64, verifyChecksum = false, neighbors = [] } = options;
  const mac = stationMac(options.mac, "option 'mac' of addUnderlay");
  const local = hostIp(options.local, "option 'local' of addUnderlay");
  const version = family(local);
  return {
    port,
    family: version,
    mac,
    local,
    udpPort,
    ttl,
    mtu: underlayMtu(options.mtu, port, version),
    sendChecksum: (options.checksum ?? (version === 6 ? 'send' : 'zero')) === 'send',
    verifyChecksum,
    neighbors: neighbors.map((hop, i) => nextHopOptions(hop, local, `option 'neighbors[${i}]' of addUnderlay`)),
  };
}

function underlayMtu(wish: number | undefined, port: Port, version: Family): number {
  const mtu = wish ?? port.mtu;
  if (mtu > port.mtu) {
    throw optionError(
      `option 'mtu' of addUnderlay is ${mtu}, but its port '${port.name}' carries at most ${port.mtu} bytes`,
    );
  }
  const least = minUnderlayMtu(version);
  if (mtu < least) {
    throw optionError(`option 'mtu' of addUnderlay must be at least ${least} bytes over IPv${version}, not ${mtu}`);
  }
  return mtu;
}

/** `what` begins the error messages. */
export function nextHopOptions(hop: NextHopOptions, local: Uint8Array, what: string): NextHop {
  const ip = hostIp(hop.ip, `${what}: 'ip'`);
  const mac = stationMac(hop.mac, `${what}: 'mac'`);
  if (ip.length !== local.length) {
    throw optionError(
      `${what}: ${formatIp(ip)} is not IPv${family(local)}, which the underlay's local ${formatIp(local)} is`,
    );
  }
  return { ip, mac };
}

/** Options of `addUnderlay()`. */

import { formatIp } from '../address.js';
import type { NativePrefix, NativeUdpUnderlayOptions } from '../native.js';
import Type from '../schema.js';
import { family, hostIp, type IpAddress, type MacAddress, stationMac } from './addresses.js';
import { address, checkOptions, expects, flag, handle, name, oneOf, optionError, optionsOf, whole } from './check.js';
import { interfaceAddress, netns, netnsPath, networkOf } from './link-options.js';
import { powerOfTwo } from './live-port-options.js';
import { type Family, MAX_MTU, minUnderlayMtu } from './mtu.js';
import type { Port } from './port.js';
import { ESP_PORT } from './twin.js';

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
  /**
   * IP of this VTEP; its version, 4 or 6, is that of the underlay. Live, with a prefix length (`192.168.77.1/24`): VTEPs in that network
   * are asked for by ARP or ND, the others are reached through `gateway`. Without one every VTEP is asked for.
   */
  local: IpAddress;
  /** The router towards VTEPs in other networks; default none. Needs `local` with a prefix length. */
  gateway?: IpAddress;
  /** UDP port of VXLAN at both ends, 1024 to 49151; default 4789 (IANA). */
  udpPort?: number;
  /** UDP port of ESP at both ends, of encrypted bridges with profile `strong`, 1 to 65535; default 4500 (RFC 3948). */
  espPort?: number;
  /** Outer TTL or hop limit, 1 to 255; default 64. */
  ttl?: number;
  /** Bytes of the largest outer IP packet; default and at most the port's; at least 118 over IPv4, 1280 over IPv6. */
  mtu?: number;
  /**
   * Outer UDP checksum; default `zero` over IPv4 (RFC 7348, section 5), `send` over IPv6 (RFC 6935 permits zero between VTEPs). What
   * leaves a `packet` port as a train (a super-frame, packets of a flow in a row) has one in any case, unless that has `offload: false`:
   * kernels segment no UDP without.
   */
  checksum?: 'send' | 'zero';
  /**
   * Check outer UDP checksums other than zero, and drop what is wrong. Default false, because captures made on a sending host hold
   * checksums that its network card would have completed.
   */
  verifyChecksum?: boolean;
  /** Static next hops; more can be added with `addNeighbor()`. */
  neighbors?: NextHopOptions[];
}

/** An underlay that is UDP sockets of the kernel, which adds the outer IP header, finds the way and segments. */
export interface UdpUnderlayOptions {
  type: 'udp';
  /** Unique among the underlays and the ports, as its counters stand among theirs; default `udp0`, `udp1`, … */
  name?: string;
  /** IP of this VTEP, which an interface of the namespace has; its version, 4 or 6, is that of the underlay. */
  local: IpAddress;
  /** UDP port of VXLAN at both ends, 1024 to 49151; default 4789 (IANA). For `frame`, `port` is a port of the dataplane. */
  port?: number;
  /** The same: its name for underlays of either type. */
  udpPort?: number;
  /** As in {@link FrameUnderlayOptions}; ports below 1024 need CAP_NET_BIND_SERVICE. */
  espPort?: number;
  /** The network namespace of the sockets: an absolute path, or a name below `/run/netns`; default that of this process. */
  netns?: string;
  /** Outer TTL or hop limit, 1 to 255; default 64. */
  ttl?: number;
  /** Bytes of the largest outer IP packet; default that of the interface, now and whenever it changes; at least 118 over IPv4, 1280 over IPv6. */
  mtu?: number;
  /** Source ports to send from, a power of two from 1 to 64, so that routers and receivers can tell flows apart; default 4. */
  sourcePorts?: number;
  /** Bytes that the kernel holds of what arrived, 64 KiB to 1 GiB; default 8 MiB. Above net.core.rmem_max it needs CAP_NET_ADMIN. */
  receiveBuffer?: number;
  /** Bytes that the kernel holds of what is sent, for each source port; as `receiveBuffer`. */
  sendBuffer?: number;
  /** Many datagrams in one call, by UDP_SEGMENT and UDP_GRO; default true, where the kernel has them. */
  offload?: boolean;
}

/** Options of `addUnderlay()`, told apart by `type`. */
export type UnderlayOptions = FrameUnderlayOptions | UdpUnderlayOptions;

export const UNDERLAY_TYPES = ['frame', 'udp'];

/** The default UDP port of VXLAN (RFC 7348, section 8). */
export const VXLAN_PORT = 4789;

export const nextHop = optionsOf<NextHopOptions>({ ip: address, mac: address });

/** Among them 8472, which Linux used before the IANA gave out a number; above are the source ports. */
const udpPort = Type.Optional(whole(1024, 49151));
const espPort = Type.Optional(whole(1, 65535));
const ttl = Type.Optional(whole(1, 255));
const mtu = Type.Optional(whole(minUnderlayMtu(4), MAX_MTU, ' bytes'));

/** The schema without what a topology file says in another way. */
export const frameUnderlayBasics = {
  type: oneOf('frame'),
  mac: address,
  local: address,
  gateway: Type.Optional(address),
  udpPort,
  espPort,
  ttl,
  mtu,
  checksum: Type.Optional(oneOf('send', 'zero')),
  verifyChecksum: Type.Optional(flag),
  neighbors: Type.Optional(expects('a list of { ip, mac }', Type.Array(nextHop))),
};

const buffer = Type.Optional(whole(2 ** 16, 2 ** 30, ' bytes'));

/** The schema without the name. */
export const udpUnderlayBasics = {
  type: oneOf('udp'),
  local: address,
  port: udpPort,
  udpPort,
  espPort,
  netns: Type.Optional(netns),
  ttl,
  mtu,
  sourcePorts: Type.Optional(powerOfTwo(1, 64)),
  receiveBuffer: buffer,
  sendBuffer: buffer,
  offload: Type.Optional(flag),
};

const udpSchema = optionsOf<UdpUnderlayOptions>({ ...udpUnderlayBasics, name: Type.Optional(name) });
const schema = optionsOf<FrameUnderlayOptions>({ ...frameUnderlayBasics, name: Type.Optional(name), port: handle });

/** Options of an underlay, validated, in bytes, with every default but the name filled in. */
export interface FrameUnderlayConfig {
  port: Port;
  family: Family;
  mac: Uint8Array;
  local: Uint8Array;
  /** -1: not given. */
  prefixLength: number;
  gateway: Uint8Array | null;
  udpPort: number;
  espPort: number;
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

export function frameUnderlayOptions(options: FrameUnderlayOptions): FrameUnderlayConfig {
  checkOptions(schema, options, 'addUnderlay');
  const { port, udpPort = VXLAN_PORT, ttl = 64, verifyChecksum = false, neighbors = [] } = options;
  const mac = stationMac(options.mac, "option 'mac' of addUnderlay");
  const { ip: local, length: prefixLength } = readLocal(options.local);
  const version = family(local);
  return {
    port,
    family: version,
    mac,
    local,
    prefixLength,
    gateway: options.gateway === undefined ? null : readGateway(options.gateway, local, prefixLength),
    udpPort,
    espPort: freeEspPort(options.espPort, udpPort),
    ttl,
    mtu: underlayMtu(options.mtu, port, version),
    sendChecksum: (options.checksum ?? (version === 6 ? 'send' : 'zero')) === 'send',
    verifyChecksum,
    neighbors: neighbors.map((hop, i) => nextHopOptions(hop, local, `option 'neighbors[${i}]' of addUnderlay`)),
  };
}

function freeEspPort(wish: number | undefined, udpPort: number): number {
  const port = wish ?? ESP_PORT;
  if (port !== udpPort) return port;
  throw optionError(
    `UDP port ${port} of addUnderlay would be that of VXLAN and of ESP; give another 'udpPort' or 'espPort'`,
  );
}

/** With a length of -1 where there is none. */
function readLocal(value: IpAddress): NativePrefix {
  const what = "option 'local' of addUnderlay";
  if (typeof value === 'string' && value.includes('/')) return interfaceAddress(value, what);
  return { ip: hostIp(value, what), length: -1 };
}

function readGateway(value: IpAddress, local: Uint8Array, length: number): Uint8Array {
  const what = "option 'gateway' of addUnderlay";
  const gateway = hostIp(value, what);
  const text = formatIp(gateway);
  if (length < 0) {
    throw optionError(
      `${what} needs 'local' with a prefix length, as in '${formatIp(local)}/${local.length === 4 ? 24 : 64}'`,
    );
  }
  if (gateway.length !== local.length) {
    throw optionError(`${what}: ${text} is IPv${family(gateway)}, but 'local' is IPv${family(local)}`);
  }
  if (text === formatIp(local)) throw optionError(`${what}: ${text} is 'local' itself; a gateway is another host`);
  const network = formatIp(networkOf({ ip: local, length }));
  // fe80::/10 is on every link (RFC 4291, section 2.5.6).
  const onLink = gateway.length === 16 && gateway[0] === 0xfe && (gateway[1]! & 0xc0) === 0x80;
  if (!onLink && formatIp(networkOf({ ip: gateway, length })) !== network) {
    throw optionError(`${what}: ${text} is not in ${network}/${length}, the network of 'local'`);
  }
  return gateway;
}

/** Options of a `udp` underlay, validated, with every default but the name filled in. */
export function udpUnderlayOptions(options: UdpUnderlayOptions): Omit<NativeUdpUnderlayOptions, 'name'> {
  checkOptions(udpSchema, options, 'addUnderlay');
  const { port, udpPort = port ?? VXLAN_PORT, ttl = 64, mtu = 0, sourcePorts = 4, offload = true } = options;
  const { receiveBuffer = 2 ** 23, sendBuffer = 2 ** 23 } = options;
  if (port !== undefined && port !== udpPort) {
    throw optionError(`options 'port' and 'udpPort' of addUnderlay differ: ${port} and ${udpPort}; give one of them`);
  }
  const local = hostIp(options.local, "option 'local' of addUnderlay");
  if (mtu !== 0) atLeast(mtu, family(local));
  const path = netnsPath(options.netns);
  const esp = { esp: 'none', espPort: freeEspPort(options.espPort, udpPort) } as const;
  return { netns: path, local, udpPort, ttl, mtu, sourcePorts, receiveBuffer, sendBuffer, offload, ...esp };
}

function underlayMtu(wish: number | undefined, port: Port, version: Family): number {
  const mtu = wish ?? port.mtu;
  if (mtu > port.mtu) {
    throw optionError(
      `option 'mtu' of addUnderlay is ${mtu}, but its port '${port.name}' carries at most ${port.mtu} bytes`,
    );
  }
  return atLeast(mtu, version);
}

function atLeast(mtu: number, version: Family): number {
  const least = minUnderlayMtu(version);
  if (mtu >= least) return mtu;
  throw optionError(`option 'mtu' of addUnderlay must be at least ${least} bytes over IPv${version}, not ${mtu}`);
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

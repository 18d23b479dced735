/** Options of the ports of live traffic: `tap`, `packet` and `xdp`. */
import type { TSchema } from 'typebox';
import { containerMac } from '../address.js';
import type { NativePacketPortOptions, NativeTapPortOptions, NativeXdpPortOptions } from '../native.js';
import Type from '../schema.js';
import { type MacAddress, stationMac } from './addresses.js';
import {
  address,
  checkOptions,
  expects,
  findMistake,
  flag,
  name,
  oneOf,
  optionError,
  optionsOf,
  text,
  whole,
} from './check.js';
import {
  aliasText,
  interfaceAddress,
  interfaceName,
  interfaceRoute,
  isInterfaceName,
  linkAlias,
  netns,
  netnsPath,
  netnsWord,
  type RouteOptions,
  routeOptions,
} from './link-options.js';
import { MIN_MTU, trainSize } from './mtu.js';

/**
 * Which interface a live port is. Two names are involved: that of the interface, unique in its namespace, and that of the port, unique
 * in the dataplane. With `interface` and `name`, they are these. With one of the two, it is the interface's, and the port is called
 * the same where that is free, else after namespace and interface (`c2/eth0`).
 */
export interface InterfaceOptions {
  /** Name of the port, or, without `interface`, of the interface. */
  name?: string;
  /** Name of the interface: at most 15 bytes. */
  interface?: string;
  /** The network namespace of the interface: an absolute path, or a name below `/run/netns`; default that of this process. */
  netns?: string;
}

/**
 * A TAP: makes an interface in a namespace, usually a container's, that goes away with the port. Needs CAP_NET_ADMIN.
 *
 * A persistent TAP of that name that nobody has open is taken over: it gets the settings given here that it does not have (MAC, MTU,
 * `alias`, up, addresses, routes), also when somebody changed them meanwhile. What is so already is not touched, and what others added
 * stays, so connections over it go on. It keeps the number of queues that it was made for: one, or as many as there are workers.
 */
export interface TapPortOptions extends InterfaceOptions {
  type: 'tap';
  /** MAC of the interface; default `02:42` and the four bytes of its first IPv4 address; without one, the kernel's choice. */
  mac?: MacAddress;
  /** IP addresses with prefix lengths, such as `10.0.0.2/24`. */
  addresses?: string[];
  routes?: RouteOptions[];
  /** Bytes of the largest IP packet, 68 to 65521; default 1500. Behind VXLAN, {@link Bridge.mtu} is what reaches remote stations. */
  mtu?: number;
  /**
   * The interface stays when the dataplane closes or the process dies, whatever the reason, with its addresses, routes and connections;
   * the next port of that name takes it over. {@link Port.close} removes it. Default false.
   */
  persistent?: boolean;
  /** Words that are kept with the interface (`ip link` shows them), to know it again by: at most 255 bytes. Default: as it is. */
  alias?: string;
  /** Queues of the interface: 1, or as many as there are workers (default). */
  queues?: number;
  /** Take and give super-frames and unfinished checksums (TSO, USO); default true. */
  offload?: boolean;
  /**
   * Bytes of the largest super-frame that the kernel hands over, up to 65536; 0: as the kernel has it. Default: what one train of VXLAN
   * datagrams carries, 61843 for an MTU of 1450.
   */
  gsoMaxSize?: number;
}

/** An interface that exists, by AF_PACKET: works with every driver. Needs CAP_NET_RAW. */
export interface PacketPortOptions extends InterfaceOptions {
  type: 'packet';
  /** Receive what is for other MACs too, as a bridge has to; default true. */
  promiscuous?: boolean;
  /** Take and give super-frames and unfinished checksums; default true. */
  offload?: boolean;
  /** Bytes of the ring that the kernel receives into, 64 KiB to 1 GiB; default 8 MiB. */
  ringBytes?: number;
}

/** The first queues of an interface that exists, by AF_XDP; what arrives there is taken from the kernel. Needs CAP_NET_ADMIN, CAP_BPF, CAP_NET_RAW. */
export interface XdpPortOptions extends InterfaceOptions {
  type: 'xdp';
  /** How many receive queues, from the first on, 1 (default) to 64; frames of the others go to the kernel as ever. */
  queues?: number;
  /** `zero-copy`, `copy`, or `auto` (default): the best that the driver has. */
  mode?: 'auto' | 'copy' | 'zero-copy';
  /** Frame buffers shared with the kernel, a power of two from 128 to 131072; default 4096. */
  frames?: number;
}

export type LivePortOptions = TapPortOptions | PacketPortOptions | XdpPortOptions;

export const LIVE_PORT_TYPES: readonly string[] = ['tap', 'packet', 'xdp'];

/** Most that one frame of a TAP holds, less the Ethernet header. */
const MAX_TAP_MTU = 65521;
/** What Ethernet carries, where nothing else is known. */
const DEFAULT_MTU = 1500;

const where = { name: Type.Optional(text), interface: Type.Optional(interfaceName), netns: Type.Optional(netns) };

export function powerOfTwo(minimum: number, maximum: number, unit = ''): TSchema {
  const powers: number[] = [];
  for (let power = minimum; power <= maximum; power *= 2) powers.push(power);
  return expects(`a power of two from ${minimum} to ${maximum}${unit}`, Type.Enum(powers));
}

/** The schema of each type. */
export const livePorts = {
  tap: optionsOf<TapPortOptions>({
    type: oneOf('tap'),
    ...where,
    mac: Type.Optional(address),
    addresses: Type.Optional(expects("a list of addresses such as '10.0.0.2/24'", Type.Array(Type.String()))),
    routes: Type.Optional(expects('a list of { to, via }', Type.Array(routeOptions))),
    mtu: Type.Optional(whole(MIN_MTU, MAX_TAP_MTU, ' bytes')),
    persistent: Type.Optional(flag),
    alias: Type.Optional(linkAlias),
    queues: Type.Optional(whole(1, 64)),
    offload: Type.Optional(flag),
    gsoMaxSize: Type.Optional(whole(0, 65536, ' bytes')),
  }),
  packet: optionsOf<PacketPortOptions>({
    type: oneOf('packet'),
    ...where,
    promiscuous: Type.Optional(flag),
    offload: Type.Optional(flag),
    ringBytes: Type.Optional(whole(2 ** 16, 2 ** 30, ' bytes')),
  }),
  xdp: optionsOf<XdpPortOptions>({
    type: oneOf('xdp'),
    ...where,
    queues: Type.Optional(whole(1, 64)),
    mode: Type.Optional(oneOf('auto', 'copy', 'zero-copy')),
    frames: Type.Optional(powerOfTwo(128, 2 ** 17, ' frames')),
  }),
};

export function isLive<T extends { type: string }>(
  options: T,
): options is Extract<T, { type: 'tap' | 'packet' | 'xdp' }> {
  return LIVE_PORT_TYPES.includes(options.type);
}

/** An interface, and what its port would like to be called. */
export interface Place {
  interface: string;
  netns: string | null;
  /** Set when this name and no other is wanted. */
  name: string | undefined;
  /** Else the first free one of these. */
  names: string[];
}

/** The interface that the options mean: see {@link InterfaceOptions}. */
export function placeOf(options: LivePortOptions): Place {
  checkOptions(livePorts[options.type], options, 'addPort');
  const link = options.interface ?? options.name;
  if (link === undefined) {
    throw optionError(`port type '${options.type}' needs 'interface', the name of the interface, such as 'eth0'`);
  }
  const both = options.interface !== undefined && options.name !== undefined;
  const mistake = both ? findMistake(name, options.name) : null;
  if (mistake !== null) throw optionError(`option 'name' of addPort ${mistake.problem}`);
  if (!isInterfaceName(link)) {
    const means = options.interface === undefined ? " (without 'interface', 'name' is the interface's)" : '';
    throw optionError(
      `${JSON.stringify(link)} is no name of an interface${means}; give 1 to 15 bytes without blanks, '/', ':' and '%'`,
    );
  }
  const path = netnsPath(options.netns);
  const word = netnsWord(path);
  return {
    interface: link,
    netns: path,
    name: both ? options.name : undefined,
    names: word === null ? [link] : [link, `${word}/${link}`],
  };
}

export function tapPortOptions(
  options: TapPortOptions,
  place: Place,
  port: string,
  workers: number,
): NativeTapPortOptions {
  const { addresses = [], routes = [], mtu = DEFAULT_MTU, offload = true } = options;
  const { gsoMaxSize = trainSize(mtu) } = options;
  const { queues = workers } = options;
  if (queues !== 1 && queues !== workers) {
    throw optionError(
      `option 'queues' of addPort is ${queues}; it must be 1 or as many as there are workers, ${workers}`,
    );
  }
  const own = addresses.map((text, i) => interfaceAddress(text, `option 'addresses[${i}]' of addPort`));
  const first = own.find(({ ip }) => ip.length === 4);
  const mac =
    options.mac !== undefined
      ? stationMac(options.mac, "option 'mac' of addPort")
      : first === undefined
        ? null
        : containerMac(first.ip);
  return {
    name: port,
    mtu,
    netns: place.netns,
    interface: place.interface,
    mac,
    alias: options.alias === undefined ? null : aliasText(options.alias, "option 'alias' of addPort"),
    persistent: options.persistent ?? false,
    addresses: own,
    routes: routes.map((route, i) => interfaceRoute(route, `option 'routes[${i}]' of addPort`)),
    queues,
    offload,
    gsoMaxSize,
  };
}

export function packetPortOptions(options: PacketPortOptions, place: Place, port: string): NativePacketPortOptions {
  const { promiscuous = true, offload = true, ringBytes = 2 ** 23 } = options;
  return { name: port, netns: place.netns, interface: place.interface, promiscuous, offload, ringBytes };
}

export function xdpPortOptions(options: XdpPortOptions, place: Place, port: string): NativeXdpPortOptions {
  const { queues = 1, mode = 'auto', frames = 4096 } = options;
  return { name: port, netns: place.netns, interface: place.interface, queues, mode, frames };
}

/**
 * The only importer of the addon. Everything below is an internal contract between `src/` and `native/binding/`:
 * arguments arrive here already validated, so the native side only fails for reasons that the system gives.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, OverlaneError } from './errors.js';
import type {
  NativeAttachOptions,
  NativeBridgeOptions,
  NativeBurst,
  NativeCaptured,
  NativeDataplaneOptions,
  NativeEvent,
  NativeFdbRow,
  NativeFrameUnderlayOptions,
  NativeKey,
  NativeKeyringOptions,
  NativeLinkRow,
  NativeLinkSettings,
  NativeMemoryPortOptions,
  NativeNeighborRow,
  NativeOpened,
  NativePacketPortOptions,
  NativePcapPortOptions,
  NativePrefix,
  NativeProbe,
  NativeRoute,
  NativeTapPortOptions,
  NativeUdpUnderlayOptions,
  NativeXdpPortOptions,
} from './native-types.js';

export type * from './native-types.js';

export interface NativeDataplane {
  addMemoryPort(options: NativeMemoryPortOptions): number;
  addPcapPort(options: NativePcapPortOptions): number;
  /** Opens everything now; throws what the system says (`ERR_OVERLANE_PERMISSION`, `_MISSING`, `_BUSY`, `_SYSTEM`). */
  addTapPort(options: NativeTapPortOptions): NativeOpened;
  addPacketPort(options: NativePacketPortOptions): NativeOpened;
  addXdpPort(options: NativeXdpPortOptions): NativeOpened;
  /** `keep`: a persistent TAP stays. */
  removePort(port: number, keep: boolean): void;
  /** Makes the port that carries it, too; `removeUnderlay()`, then `removePort()`. */
  addUdpUnderlay(options: NativeUdpUnderlayOptions): { underlay: number; port: number; mtu: number };
  addFrameUnderlay(options: NativeFrameUnderlayOptions): number;
  addUnderlayNeighbor(underlay: number, ip: Uint8Array, mac: Uint8Array): void;
  removeUnderlay(underlay: number): void;
  /** Index from 1; without keys at first. */
  addKeyring(options: NativeKeyringOptions): number;
  /** Replaces the keys (at most three); `send`: index in `keys` of the one to send with, -1: none. Those left out are wiped. */
  setKeys(keyring: number, keys: NativeKey[], send: number): void;
  /** After its last bridge; wipes the keys. */
  removeKeyring(keyring: number): void;
  addBridge(options: NativeBridgeOptions): number;
  removeBridge(bridge: number): void;
  attach(bridge: number, port: number, options: NativeAttachOptions): void;
  detach(bridge: number, port: number): void;
  /** ipvlan: an address of the container at an attached port. */
  addAddress(bridge: number, port: number, ip: Uint8Array): void;
  removeAddress(bridge: number, ip: Uint8Array): void;
  /** Known VTEP of a VNI; `flood` adds it to the replication list. */
  addVtep(bridge: number, vlan: number, ip: Uint8Array, flood: boolean): void;
  removeVtep(bridge: number, vlan: number, ip: Uint8Array): void;
  /** Static FDB entry towards a local port (`vtep` null) or a VTEP (`port` -1). */
  addFdb(bridge: number, vlan: number, mac: Uint8Array, port: number, vtep: Uint8Array | null): void;
  removeFdb(bridge: number, vlan: number, mac: Uint8Array): boolean;
  addNeighbor(bridge: number, vlan: number, ip: Uint8Array, mac: Uint8Array): void;
  removeNeighbor(bridge: number, vlan: number, ip: Uint8Array): boolean;
  /** `mac` of a station. */
  addRouter(mac: Uint8Array): number;
  /** And its interfaces. */
  removeRouter(router: number): void;
  /** Addresses with host bits; a domain has one interface at most. */
  addInterface(bridge: number, vlan: number, router: number, addresses: NativePrefix[], mtu: number): void;
  removeInterface(bridge: number, vlan: number): void;
  fdb(bridge: number): NativeFdbRow[];
  neighbors(bridge: number): NativeNeighborRow[];
  /** Copies `count` frames of a burst into the port; all of them or, when over `queueBytes`, none (returns false). */
  inject(
    port: number,
    data: Uint8Array,
    offsets: Uint32Array,
    lengths: Uint32Array,
    count: number,
    timestamps?: BigInt64Array,
  ): boolean;
  drain(port: number): NativeBurst;
  /**
   * Carries bursts until every input is empty or `maxPackets` packets were received. `nowNs` -1: the clock follows
   * the captures' timestamps. Returns the packets received.
   */
  run(nowNs: bigint, maxPackets: number): number;
  /** The clock after the last run, nanoseconds. */
  now(): bigint;
  /** Row of port p starts at p * counterNames.length. The last row is what removed ports counted; the index of one is used again. */
  counters(): BigUint64Array;
  /** What happened since the last call; bounded, the surplus is counted in `miss_lost` and `event_lost`. */
  events(): NativeEvent[];
  /** First failure of a port (broken capture, disk full, …), or null. */
  portError(port: number): { code: ErrorCode; message: string } | null;
  /** Copies what the port receives and transmits from now on, `bufferBytes` for each worker; the number of the capture. */
  addCapture(port: number, snaplen: number, bufferBytes: number): number;
  /** Some of what was there when last called with `look`, about 1 MiB; null: nothing is left of that. */
  captured(capture: number, look: boolean): NativeCaptured | null;
  /** Copies that found no room so far. */
  captureLost(capture: number): bigint;
  /** Nothing more is copied, as when the port is removed; what is there can still be taken. */
  stopCapture(capture: number): void;
  removeCapture(capture: number): void;
  flush(): void;
  /** Live: starts the workers. Throws what the system says. */
  start(): void;
  /** Stops the workers, and closes everything. */
  close(): void;
}

export interface NativeCaptureReader {
  /** The next up to `max` frames; null at the end. Throws on a broken file, after the frames before the break were given. */
  read(max: number): NativeBurst | null;
  /** 1 is Ethernet. */
  linkType(): number;
  close(): void;
}

export interface NativeCaptureWriter {
  write(burst: NativeBurst): void;
  close(): void;
}

export interface CounterName {
  name: string;
  /** `drop`, `port`, `stage` or `event`. */
  kind: string;
  about: string;
}

export interface FdbMeasure {
  /** Nanoseconds per look-up. */
  ns: number;
  bytes: number;
  entries: number;
}

/** Namespaces are paths; null: that of this process. What throws says what the kernel says, with a code. */
export interface NativeNetns {
  createNamespace(path: string): void;
  deleteNamespace(path: string): void;
  isNamespace(path: string): boolean;
  namespaceId(netns: string | null): string;
  listLinks(netns: string | null): NativeLinkRow[];
  listAddresses(netns: string | null): { link: string; address: NativePrefix }[];
  /** Unicast, of the main table; `link` empty: none. */
  listRoutes(netns: string | null): (NativeRoute & { link: string })[];
  deleteLink(netns: string | null, name: string): void;
  renameLink(netns: string | null, name: string, to: string): void;
  setLink(netns: string | null, name: string, settings: NativeLinkSettings): void;
  changeAddress(netns: string | null, link: string, address: NativePrefix, add: boolean): void;
  /** `scope`: RT_SCOPE_*. */
  changeRoute(netns: string | null, link: string, route: NativeRoute & { scope: number | null }, add: boolean): void;
  /** `path` is one below `/proc/sys`. */
  readSysctl(netns: string | null, path: string): string;
  writeSysctl(netns: string | null, path: string, value: string): void;
  /** The MAC of who has the address, or wants it now; null: nobody within `timeoutMs`. */
  probeAddress(options: NativeProbe): Promise<Uint8Array | null>;
}

export interface Addon extends NativeNetns {
  Dataplane: new (options: NativeDataplaneOptions) => NativeDataplane;
  CaptureReader: new (path: string) => NativeCaptureReader;
  CaptureWriter: new (path: string) => NativeCaptureWriter;
  /** Fills `columns` (layout: `columnLayout` for `capacity` packets) from a burst; returns the number of rows. */
  parseBurst(
    data: Uint8Array,
    offsets: Uint32Array,
    lengths: Uint32Array,
    count: number,
    columns: ArrayBuffer,
    capacity: number,
  ): number;
  /** Columns in order: element type (Uint8, Uint16, Uint32, Int32, Float64), elements a packet; each starts 8-aligned. */
  columnLayout: { name: string; type: string; perPacket: number; about: string }[];
  /** What the `status` column indexes. */
  parseStatusNames: string[];
  counterNames: CounterName[];
  fdbKinds: string[];
  /** Bench only: look-ups in a filled table. */
  measureFdb(kind: number, entries: number, lookups: number): FdbMeasure;
  /** What the build and the machine offer, for `doctor`. */
  cpu(): { dispatch: string };
  /** What a TAP, in a namespace of its own, takes; throws what is missing. */
  tapOffloads(): { tso: boolean; uso: boolean };
  udpOffloads(): { segment: boolean; gro: boolean };
  /** How an AF_XDP port opens on a loopback of its own, such as `generic, copy`; throws why it does not. */
  xdpMode(): string;
  /** Towards `ip` of 4 or 16 bytes: the MTU of the route or, where the kernel has heard of a smaller one, that; and the source address. */
  pathMtu(ip: Uint8Array): { mtu: number; source: Uint8Array };
  /** What can seal and open, in the order in which `auto` prefers them; `detail`: version, or why not. */
  cryptoEngines(): { name: string; usable: boolean; detail: string }[];
  /** Bench only: nanoseconds for one packet of `length` bytes. */
  aeadNs(engine: string, keyBits: number, length: number, seal: boolean): number;
  /** For this process, for good: no core dumps, and other processes of the user cannot read its memory. */
  forbidCoreDumps(): void;
  /** Of this thread: bit i is capability i. */
  permittedCapabilities(): bigint;
  /** In all threads, for good: keeps at most `keep`. */
  dropCapabilities(keep: bigint): void;
}

function load(): Addon {
  const require = createRequire(import.meta.url);
  const root = fileURLToPath(new URL('..', import.meta.url));
  try {
    return (require('node-gyp-build') as (dir: string) => Addon)(root);
  } catch (cause) {
    throw new OverlaneError(
      'ERR_OVERLANE_ADDON',
      `the native addon could not be loaded for Node ${process.version} on ${process.platform}-${process.arch}; ` +
        'build it with "npm run build" (needs python3, make and g++)',
      { cause },
    );
  }
}

export const addon: Addon = load();

/**
 * The only importer of the addon. Everything below is an internal contract between `src/` and `native/binding/`:
 * arguments arrive here already validated, so the native side only fails for reasons that the system gives.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, OverlaneError } from './errors.js';

/** A burst as it crosses the boundary: frames back to back in `data`, frame i at `offsets[i]`, `lengths[i]` bytes long. */
export interface NativeBurst {
  data: Uint8Array;
  offsets: Uint32Array;
  lengths: Uint32Array;
  /** Length on the wire, larger than `lengths[i]` where a capture cut the frame. */
  wireLengths: Uint32Array;
  /** Nanoseconds since the epoch. */
  timestamps: BigInt64Array;
  count: number;
}

export interface NativeDataplaneOptions {
  burst: number;
  fdbKind: number;
  fdbEntries: number;
  neighborEntries: number;
  smallPackets: number;
  largePackets: number;
  seed: bigint;
  /** Empty: manual mode. `cpu` -1: not pinned. */
  workers: { cpu: number }[];
  /** How long a worker goes on polling after the last packet before it sleeps. */
  spinNs: bigint;
  /** Live: called on this thread when `events()` has something; several at once are told once. */
  notify: () => void;
}

export interface NativeMemoryPortOptions {
  name: string;
  mtu: number;
  /** Bytes that inject and drain may each hold before they refuse. */
  queueBytes: number;
  /** Inject once, receive for ever: the bench's traffic source. */
  loop: boolean;
  /** Count what is transmitted and let it go. */
  discard: boolean;
}

export interface NativePcapPortOptions {
  name: string;
  mtu: number;
  read: string | null;
  write: string | null;
}

export interface NativePrefix {
  /** 4 or 16 bytes. */
  ip: Uint8Array;
  /** Bits of its own family. */
  length: number;
}

export interface NativeTapPortOptions {
  name: string;
  mtu: number;
  /** Path of a network namespace; null: that of this process. */
  netns: string | null;
  /** Name of the interface in it. */
  interface: string;
  mac: Uint8Array | null;
  addresses: NativePrefix[];
  /** `to` of length 0: the default route. */
  routes: { to: NativePrefix; via: Uint8Array | null }[];
  /** 1, or as many as there are workers. */
  queues: number;
  offload: boolean;
  /** Bytes of the largest super-frame; 0: the kernel's default. */
  gsoMaxSize: number;
}

export interface NativePacketPortOptions {
  name: string;
  netns: string | null;
  interface: string;
  promiscuous: boolean;
  offload: boolean;
  ringBytes: number;
}

export interface NativeXdpPortOptions {
  name: string;
  netns: string | null;
  interface: string;
  queues: number;
  /** `auto`, `zero-copy` or `copy`. */
  mode: string;
  frames: number;
}

/** What is known of the interface behind a live port when it is opened. */
export interface NativeOpened {
  port: number;
  mtu: number;
  mac: Uint8Array;
  /** Words about how it was opened, such as `native, copy`. */
  detail: string;
}

export interface NativeKeyringOptions {
  name: string;
  profile: 'strong' | 'docker';
  keyBits: 128 | 256;
  /** `auto`: ipsec-mb where it can be used, else OpenSSL. */
  engine: 'auto' | 'openssl' | 'ipsec-mb' | 'null';
  /** Packets an SA may seal before it is replaced (strong) or stops (docker). */
  packetLimit: bigint;
}

export interface NativeKey {
  /** 32 bits: the epoch or number of the key (strong), the tag (docker). */
  id: number;
  /** 32 bytes (strong), or 16 or 32 (docker); copied. */
  secret: Uint8Array;
}

/** What ESP is carried in: nothing (no ESP), UDP (RFC 3948), or IP itself (protocol 50). */
export type NativeEsp = 'none' | 'udp' | 'ip';

export interface NativeUdpUnderlayOptions {
  name: string;
  netns: string | null;
  /** 4 or 16 bytes. */
  local: Uint8Array;
  udpPort: number;
  ttl: number;
  /** 0: that of the interface that has `local`. */
  mtu: number;
  /** Sockets to send from, for source-port entropy; a power of two. */
  sourcePorts: number;
  receiveBuffer: number;
  sendBuffer: number;
  /** UDP_SEGMENT and UDP_GRO, where the kernel has them. */
  offload: boolean;
  /** Other than `none`: an ESP twin, which opens sockets of ESP in place of those of VXLAN. */
  esp: NativeEsp;
  /** UDP port of ESP at both ends, of esp `udp`; `udpPort` stays that of VXLAN, inside. */
  espPort: number;
}

export interface NativeFrameUnderlayOptions {
  name: string;
  port: number;
  mac: Uint8Array;
  /** 4 or 16 bytes. */
  local: Uint8Array;
  /** Bits of the network of `local`, whose hosts are next hops themselves; -1: not known, every VTEP is asked for by itself. */
  prefixLength: number;
  /** Next hop towards what is outside that network; of the family of `local`. Only with a prefix length. */
  gateway: Uint8Array | null;
  /** Ask for unknown next hops, by ARP or ND. */
  resolve: boolean;
  udpPort: number;
  ttl: number;
  mtu: number;
  sendChecksum: boolean;
  verifyChecksum: boolean;
  /** Other than `none`: an ESP twin, on the same port as the underlay for cleartext. */
  esp: NativeEsp;
  /** As in `NativeUdpUnderlayOptions`. */
  espPort: number;
}

export interface NativeDomain {
  /** 0xffff: untagged frames (and every frame of a bridge without a VLAN map). */
  vlan: number;
  /** -1: local only. */
  vni: number;
}

export interface NativeBridgeOptions {
  name: string;
  /** -1: none. Of an encrypted bridge an ESP twin. */
  underlay: number;
  /** 0: cleartext. */
  keyring: number;
  domains: NativeDomain[];
  proxyArp: boolean;
  arpSnooping: boolean;
  learning: boolean;
  learnRemote: boolean;
  unknownUnicastFlood: boolean;
  broadcastFlood: boolean;
  multicastFlood: boolean;
  missFlood: boolean;
  ageingNs: bigint;
  fdbLimit: number;
  portFdbLimit: number;
}

export interface NativeAttachOptions {
  isolated: boolean;
  learning: boolean;
  fdbLimit: number;
}

export interface NativeFdbRow {
  mac: Uint8Array;
  vlan: number;
  /** Local port index, or -1 for a remote one. */
  port: number;
  vtep: Uint8Array | null;
  static: boolean;
  ageNs: bigint;
}

export interface NativeNeighborRow {
  ip: Uint8Array;
  mac: Uint8Array;
  vlan: number;
  static: boolean;
}

/** Which fields mean something depends on `kind`. */
export interface NativeEvent {
  /**
   * `miss`: port, bridge, vlan and ip, who was asked for. `mtu`: port (of an underlay) and ip, a VTEP, whose path carries `value` bytes.
   * `link`: port, state, and value, the MTU. `failure`: port has a new `portError()`. `encryption`: port (the carrier's row), ip, the
   * peer, reason, and value, the keyring.
   */
  kind: 'miss' | 'mtu' | 'link' | 'failure' | 'encryption';
  state: 'up' | 'down' | 'gone';
  bridge: number;
  port: number;
  vlan: number;
  ip: Uint8Array;
  value: number;
  /** '' for other kinds. */
  reason: '' | 'no-key' | 'exhausted' | 'limit-near' | 'engine' | 'stale';
  /** Nanoseconds; 0 where nobody looked at a clock. */
  timestamp: bigint;
}

export interface NativeDataplane {
  addMemoryPort(options: NativeMemoryPortOptions): number;
  addPcapPort(options: NativePcapPortOptions): number;
  /** Opens everything now; throws what the system says (`ERR_OVERLANE_PERMISSION`, `_MISSING`, `_BUSY`, `_SYSTEM`). */
  addTapPort(options: NativeTapPortOptions): NativeOpened;
  addPacketPort(options: NativePacketPortOptions): NativeOpened;
  addXdpPort(options: NativeXdpPortOptions): NativeOpened;
  removePort(port: number): void;
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
  detach(port: number): void;
  /** Known VTEP of a VNI; `flood` adds it to the replication list. */
  addVtep(bridge: number, vlan: number, ip: Uint8Array, flood: boolean): void;
  removeVtep(bridge: number, vlan: number, ip: Uint8Array): void;
  /** Static FDB entry towards a local port (`vtep` null) or a VTEP (`port` -1). */
  addFdb(bridge: number, vlan: number, mac: Uint8Array, port: number, vtep: Uint8Array | null): void;
  removeFdb(bridge: number, vlan: number, mac: Uint8Array): boolean;
  addNeighbor(bridge: number, vlan: number, ip: Uint8Array, mac: Uint8Array): void;
  removeNeighbor(bridge: number, vlan: number, ip: Uint8Array): boolean;
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
  /** Row of port p starts at p * counterNames.length. Rows of removed ports keep their last values. */
  counters(): BigUint64Array;
  /** What happened since the last call; bounded, the surplus is counted in `miss_lost` and `event_lost`. */
  events(): NativeEvent[];
  /** First failure of a port (broken capture, disk full, …), or null. */
  portError(port: number): { code: ErrorCode; message: string } | null;
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

export interface Addon {
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

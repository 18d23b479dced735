/** What crosses the boundary to the addon: the arguments and results of `native.ts`. */

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

/** Copies of packets that passed a port, oldest first. */
export interface NativeCaptured extends NativeBurst {
  /** 1: the port received it, 2: transmitted it. */
  directions: Uint8Array;
  /** Copies lost between this one and the one before it of the same worker. */
  lostBefore: Uint32Array;
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

export interface NativeRoute {
  /** Of length 0: the default route. */
  to: NativePrefix;
  via: Uint8Array | null;
}

export interface NativeTapPortOptions {
  name: string;
  mtu: number;
  /** Path of a network namespace; null: that of this process. */
  netns: string | null;
  /** Name of the interface in it. */
  interface: string;
  mac: Uint8Array | null;
  /** null: left as it is. */
  alias: string | null;
  persistent: boolean;
  addresses: NativePrefix[];
  routes: NativeRoute[];
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
  /** Index in `FORWARDINGS`. */
  forwarding: number;
  /** ipvlan: the MAC that all containers share. */
  mac: Uint8Array | null;
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
  /** Of a trunk; 0xffff: the port itself, with what has no tag if it is a trunk. */
  vlan: number;
  /** macvlan and ipvlan: the parent. */
  uplink: boolean;
  /** ipvlan-l3: where the uplink routes. */
  uplinkMac: Uint8Array | null;
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
  /** ipvlan: of the container that has the address; else -1. */
  port: number;
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

export interface NativeLinkRow {
  index: number;
  name: string;
  /** As the kernel calls it; empty: a physical one, or loopback. */
  kind: string;
  mac: Uint8Array;
  mtu: number;
  /** As it was set; there may be no carrier. */
  up: boolean;
  alias: string;
}

/** null: left as it is. */
export interface NativeLinkSettings {
  up: boolean | null;
  arp: boolean | null;
  mtu: number | null;
  mac: Uint8Array | null;
  /** Up to 255 bytes; empty: none. */
  alias: string | null;
}

export interface NativeProbe {
  netns: string | null;
  interface: string;
  /** null: untagged. */
  vlan: number | null;
  mac: Uint8Array;
  ip: Uint8Array;
  timeoutMs: number;
  probes: number;
}

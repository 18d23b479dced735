/** What `decode` returns: plain nested objects that `JSON.stringify` takes as they are. */
import type { Arp } from './arp.js';
import type { Esp } from './esp.js';
import type { EspRefusal } from './esp-open.js';
import type { Ethernet, VlanTag } from './ethernet.js';
import type { Icmp, IcmpEcho } from './icmp.js';
import type { NeighborMessage, NeighborOption } from './icmpv6.js';
import type { Ipv4 } from './ipv4.js';
import type { Ipv6 } from './ipv6.js';
import type { Ipv6Extension } from './ipv6-extension.js';
import type { HeaderOption } from './options.js';
import type { Tcp } from './tcp.js';
import type { Udp } from './udp.js';
import type { Vxlan } from './vxlan.js';

/** The layers that `decode` knows; an error names the one it is in. */
export type Layer = 'ethernet' | 'vlan' | 'arp' | 'ipv4' | 'ipv6' | 'icmp' | 'icmpv6' | 'udp' | 'tcp' | 'vxlan';

/** What can be wrong with a frame. All but `vxlan_flags` are what the native parser calls the same condition. */
export type Malformed =
  | 'ethernet_truncated'
  | 'vlan_truncated'
  | 'arp_truncated'
  | 'ipv4_truncated'
  | 'ipv4_version'
  | 'ipv4_header_length'
  | 'ipv6_truncated'
  | 'ipv6_version'
  | 'ipv6_extensions'
  | 'udp_truncated'
  | 'udp_length'
  | 'tcp_truncated'
  | 'tcp_header_length'
  | 'icmp_truncated'
  | 'vxlan_flags';

export interface DecodedIpv4 extends Omit<Ipv4, 'options'> {
  /** The wire said 0 (a super-frame); `totalLength` is the bytes that the frame has for it. */
  lengthFromFrame?: true;
  /** Over header and options; absent where the capture does not have them all. */
  checksumValid?: boolean;
  options: HeaderOption[];
}

export interface DecodedIpv6 extends Ipv6 {
  /** In wire order, at most `MAX_IPV6_EXTENSIONS`; in a fragment that is not the first, none after the fragment header. */
  extensions: Ipv6Extension[];
  /** Protocol of what follows the last extension header. */
  protocol: number;
}

/** Echo and timestamp messages have identifier and sequence, others `rest`. */
export type DecodedIcmp = Omit<Icmp, 'rest'> & Partial<Pick<Icmp, 'rest'> & IcmpEcho>;

/** Neighbor solicitations and advertisements have their message too. */
export type DecodedIcmpv6 = DecodedIcmp & {
  neighbor?: Omit<NeighborMessage, 'type' | 'code' | 'checksum'> & { options: NeighborOption[] };
};

export type DecodedTcp = Omit<Tcp, 'options'> & { options: HeaderOption[] };

/** Why an ESP packet stays closed: as `openEsp` says, or it is not all there, or its key would be too many epochs away. */
export type EspClosed = EspRefusal | 'esp_cut' | 'esp_fragment' | 'esp_epoch';

/** What is known of an ESP packet that was opened. */
export interface EspOpened {
  opened: true;
  profile: 'strong' | 'docker';
  /** Of the key file. */
  keyId: number;
  /** Steps of the ratchet from that key; profile `strong`. */
  epoch?: number;
  keyBits: 128 | 256;
  /** Bytes. */
  icvLength: number;
  /** All 64 bits, decimal; where they are authenticated. */
  sequence64?: string;
  /** When it was sealed, by the sender's clock: nanoseconds since the epoch, decimal; profile `strong`. */
  sealedAt?: string;
  /** Bytes. */
  padLength: number;
}

/** An ESP packet for an `EspOpener`, from the SPI to the ICV, and the addresses of the IP header before it. */
export interface EspPacket {
  packet: Uint8Array;
  source: string;
  destination: string;
}

/** Opens ESP packets for `decode`: has the keys, and must not throw for what is in a packet. */
export type EspOpener = (
  packet: EspPacket,
) => (EspOpened & { inner: Uint8Array; nextHeader: number }) | { opened: false; reason: EspClosed };

export interface DecodedEsp extends Esp, Partial<Omit<EspOpened, 'opened'>> {
  /** Bytes from the SPI to the ICV. */
  length: number;
  /** The header of the UDP datagram that carries it (RFC 3948); absent where IP does. */
  udp?: Udp;
  /** 8 bytes in hex; where keys were given. */
  iv?: string;
  /** Absent without keys. The layers that follow are those inside. */
  opened?: boolean;
  /** Why it was not opened. */
  reason?: EspClosed;
}

/** `inner` is absent when an error says why, or at the nesting limit. */
export type DecodedVxlan = Vxlan & { inner?: DecodedFrame };

/**
 * A frame, layer by layer. A layer that is present was there in full; what follows an error, a later fragment, a third VLAN
 * tag, or a protocol that is not listed here is payload.
 */
export interface DecodedFrame {
  ethernet?: Ethernet;
  /** Outermost first, at most two. */
  vlans: VlanTag[];
  arp?: Arp;
  ipv4?: DecodedIpv4;
  ipv6?: DecodedIpv6;
  icmp?: DecodedIcmp;
  icmpv6?: DecodedIcmpv6;
  tcp?: DecodedTcp;
  /** Ahead of `udp` and `vxlan` that were inside. */
  esp?: DecodedEsp;
  udp?: Udp;
  /** What is on UDP port 4500 besides ESP: key exchange, or a keepalive for address translation (RFC 3948). */
  natTraversal?: 'ike' | 'keepalive';
  vxlan?: DecodedVxlan;
  /** Bytes on the wire after the last layer above: of an IP packet up to its end, else to the end of the frame. */
  payloadLength: number;
  /** The capture has fewer bytes than the wire had; layers it cut off are absent without an error. */
  truncated?: true;
  error?: { layer: Layer; reason: Malformed };
}

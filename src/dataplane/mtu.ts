/** The one place that knows what VXLAN costs. */

/** Smallest MTU of a link that carries IPv4 (RFC 791, section 3.2). */
export const MIN_MTU = 68;

/** Largest IP packet there is. */
export const MAX_MTU = 65535;

/** Smallest MTU of a link that carries IPv6 (RFC 8200, section 5). */
export const MIN_MTU_IPV6 = 1280;

const ETHERNET = 14;
const VXLAN = 8;
const UDP = 8;
const IP = { 4: 20, 6: 40 } as const;

/** IP version of an underlay. */
export type Family = 4 | 6;

/**
 * The largest inner IP packet that fits an underlay: its MTU less outer IP, UDP, VXLAN and the inner Ethernet header
 * (RFC 7348, section 4.3), which is 50 bytes over IPv4 and 70 over IPv6.
 *
 * @param underlayMtu - bytes of the largest outer IP packet.
 * @param family - 4 or 6: the IP version of the outer header.
 */
export function vxlanMtu(underlayMtu: number, family: Family): number {
  return underlayMtu - IP[family] - UDP - VXLAN - ETHERNET;
}

/**
 * The smallest MTU an underlay may have: over IPv4 what leaves 68 bytes to the inner packet (118), over IPv6 the 1280 of RFC 8200.
 * Inner IPv6 needs 1280 for itself, so an underlay of 1330 (IPv4) or 1350 (IPv6).
 */
export function minUnderlayMtu(family: Family): number {
  return family === 6 ? MIN_MTU_IPV6 : MIN_MTU + (MIN_MTU - vxlanMtu(MIN_MTU, 4));
}

const LARGEST_DATAGRAM = 65507;
const TCP_IPV4_TIMESTAMPS = 52;
/** What Linux leaves for headers when it sizes a super-frame (MAX_TCP_HEADER). */
const TCP_HEADER_ROOM = 331;

/**
 * The largest super-frame of a container that leaves through VXLAN as one train of datagrams, and not as one and a bit: a train is at
 * most 64 KiB, and each of its segments has headers of its own.
 *
 * @param mtu - the container's, bytes.
 * @returns bytes for gso_max_size of the interface (`ip link set … gso_max_size`).
 */
export function trainSize(mtu: number): number {
  const segments = Math.floor(LARGEST_DATAGRAM / (mtu + ETHERNET + VXLAN));
  return Math.min(65536, Math.max(1, segments) * (mtu - TCP_IPV4_TIMESTAMPS) + TCP_HEADER_ROOM);
}

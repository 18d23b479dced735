/** The one place that knows what VXLAN and ESP cost. */
import type { Profile } from '../keyring/secret.js';

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

/** SPI and sequence number (RFC 4303, section 2), and the IV (RFC 4106, section 3). */
const ESP = 8 + 8;
/** Pad length and next header (RFC 4303, section 2). */
const ESP_TRAILER = 2;
const ESP_ALIGN = 4;
/** What is around ESP's ciphertext inside the outer IP packet: of `strong`, UDP too (RFC 3948), and an ICV of 16 bytes, of `docker` of 8. */
const ESP_AROUND: Record<Profile, number> = { strong: UDP + ESP + 16, docker: ESP + 8 };

/**
 * The largest inner IP packet that fits an underlay: its MTU less outer IP, UDP, VXLAN and the inner Ethernet header
 * (RFC 7348, section 4.3), which is 50 bytes over IPv4 and 70 over IPv6; encrypted, less ESP too, with its padding.
 *
 * @param underlayMtu - bytes of the largest outer IP packet.
 * @param family - 4 or 6: the IP version of the outer header.
 * @param profile - of an encrypted bridge; default none, cleartext.
 */
export function vxlanMtu(underlayMtu: number, family: Family, profile: Profile | null = null): number {
  const room = underlayMtu - IP[family];
  if (profile === null) return room - UDP - VXLAN - ETHERNET;
  const sealed = room - ESP_AROUND[profile];
  return sealed - (sealed % ESP_ALIGN) - ESP_TRAILER - UDP - VXLAN - ETHERNET;
}

/**
 * The smallest MTU an underlay may have: over IPv4 what leaves 68 bytes to the inner packet (118; encrypted 160, `docker` 144), over IPv6 the
 * 1280 of RFC 8200. Inner IPv6 needs 1280 for itself, so an underlay of 1330 (IPv4) or 1350 (IPv6); encrypted of 1372 (IPv4, `docker` 1356)
 * or 1392 (IPv6, `docker` 1376).
 */
export function minUnderlayMtu(family: Family, profile: Profile | null = null): number {
  if (family === 6) return MIN_MTU_IPV6;
  let least = MIN_MTU;
  while (vxlanMtu(least, 4, profile) < MIN_MTU) least++;
  return least;
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
 * @param profile - of an encrypted bridge; default none, cleartext.
 * @returns bytes for gso_max_size of the interface (`ip link set … gso_max_size`).
 */
export function trainSize(mtu: number, profile: Profile | null = null): number {
  const segments = Math.floor(LARGEST_DATAGRAM / datagramSize(mtu, profile));
  return Math.min(65536, Math.max(1, segments) * (mtu - TCP_IPV4_TIMESTAMPS) + TCP_HEADER_ROOM);
}

/** Bytes that one inner packet takes of the outer one, from the outer UDP header's end on; of `docker` from the IP header's. */
function datagramSize(mtu: number, profile: Profile | null): number {
  const inner = VXLAN + ETHERNET + mtu;
  if (profile === null) return inner;
  const sealed = Math.ceil((UDP + inner + ESP_TRAILER) / ESP_ALIGN) * ESP_ALIGN;
  return sealed + ESP_AROUND[profile] - (profile === 'strong' ? UDP : 0);
}

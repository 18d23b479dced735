/** IPv6 (RFC 8200, section 3). */
import { bitFields, HeaderLayout, ip6, uint8, uint16 } from './field.js';

/** An IPv6 header, 40 bytes. */
export interface Ipv6 {
  /** 6. */
  version: number;
  /** Upper six bits of the traffic class, 0–63 (RFC 2474). */
  dscp: number;
  /** Lower two bits of the traffic class, 0–3 (RFC 3168). */
  ecn: number;
  /** 20 bits. */
  flowLabel: number;
  /** Bytes after this header, extension headers included; 0 in a jumbogram (RFC 2675) or a super-frame. */
  payloadLength: number;
  /** Protocol of the first extension header, or of the payload. */
  nextHeader: number;
  hopLimit: number;
  source: string;
  destination: string;
}

export const ipv6Layout = new HeaderLayout<Ipv6>([
  bitFields(4, [
    ['version', 4],
    ['dscp', 6],
    ['ecn', 2],
    ['flowLabel', 20],
  ]),
  uint16('payloadLength'),
  uint8('nextHeader'),
  uint8('hopLimit'),
  ip6('source'),
  ip6('destination'),
]);

/** The header at `offset`; undefined when fewer than 40 bytes are there. The version is the caller's to check. */
export function decodeIpv6(bytes: Uint8Array, offset = 0): Ipv6 | undefined {
  return ipv6Layout.decode(bytes, offset);
}

/** Writes 40 bytes at `offset`; returns 40. */
export function encodeIpv6(header: Ipv6, bytes: Uint8Array, offset = 0): number {
  return ipv6Layout.encode(header, bytes, offset);
}

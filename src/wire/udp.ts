/** UDP (RFC 768). */
import { HeaderLayout, uint16 } from './field.js';

/** A UDP header, 8 bytes. */
export interface Udp {
  sourcePort: number;
  destinationPort: number;
  /** Bytes, header included; 0 in an IPv6 jumbogram (RFC 2675, section 4) or a super-frame. */
  length: number;
  /** 0: none. */
  checksum: number;
}

export const udpLayout = new HeaderLayout<Udp>([
  uint16('sourcePort'),
  uint16('destinationPort'),
  uint16('length'),
  uint16('checksum'),
]);

/** The header at `offset`; undefined when fewer than 8 bytes are there. The length is the caller's to check. */
export function decodeUdp(bytes: Uint8Array, offset = 0): Udp | undefined {
  return udpLayout.decode(bytes, offset);
}

/** Writes 8 bytes at `offset`, the checksum as given; returns 8. */
export function encodeUdp(header: Udp, bytes: Uint8Array, offset = 0): number {
  return udpLayout.encode(header, bytes, offset);
}

/** ICMP (RFC 792). */
import { HeaderLayout, uint8, uint16, uint32 } from './field.js';

/** An ICMP header, 8 bytes. */
export interface Icmp {
  /** 0 echo reply, 3 destination unreachable, 8 echo request, 11 time exceeded. */
  type: number;
  code: number;
  checksum: number;
  /** The four bytes whose meaning depends on the type, as one big-endian number. */
  rest: number;
}

/** Identifier and sequence number of the messages that have them; they share the bytes of `rest`. */
export interface IcmpEcho {
  identifier: number;
  sequence: number;
}

export const icmpLayout = new HeaderLayout<Icmp>([uint8('type'), uint8('code'), uint16('checksum'), uint32('rest')]);

export const icmpEchoLayout = new HeaderLayout<Omit<Icmp, 'rest'> & IcmpEcho>([
  uint8('type'),
  uint8('code'),
  uint16('checksum'),
  uint16('identifier'),
  uint16('sequence'),
]);

/** The header at `offset`; undefined when fewer than 8 bytes are there. */
export function decodeIcmp(bytes: Uint8Array, offset = 0): Icmp | undefined {
  return icmpLayout.decode(bytes, offset);
}

/** Writes 8 bytes at `offset`, the checksum as given; returns 8. */
export function encodeIcmp(header: Icmp, bytes: Uint8Array, offset = 0): number {
  return icmpLayout.encode(header, bytes, offset);
}

/** Identifier and sequence of an echo or timestamp message (RFC 792) or an ICMPv6 echo (RFC 4443, section 4). */
export function icmpEcho(header: Icmp, echoTypes: readonly number[]): IcmpEcho | undefined {
  if (!echoTypes.includes(header.type)) return undefined;
  return { identifier: header.rest >>> 16, sequence: header.rest & 0xffff };
}

/** ICMP types with identifier and sequence: echo reply and request, timestamp and its reply. */
export const ICMP_ECHO_TYPES: readonly number[] = [0, 8, 13, 14];

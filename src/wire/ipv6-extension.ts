/** IPv6 extension headers (RFC 8200, section 4): what they share, and the fragment header. */
import { bitFields, HeaderLayout, uint8, uint32 } from './field.js';

/** Extension headers that are followed; one more is malformed (RFC 8883 lets a node set such a limit). */
export const MAX_IPV6_EXTENSIONS = 8;

/** Protocol numbers of the headers that are followed. */
export const IPV6_EXTENSION = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  authentication: 51,
  destination: 60,
  mobility: 135,
  hip: 139,
  shim6: 140,
} as const;

const TYPES: ReadonlySet<number> = new Set(Object.values(IPV6_EXTENSION));

/** One extension header. */
export interface Ipv6Extension {
  /** Its own protocol number, which the header before it gives. */
  type: number;
  /** Protocol of what follows. */
  nextHeader: number;
  /** Bytes, these two included. */
  length: number;
  /** Fragment header only (RFC 8200, section 4.5). */
  fragment?: Ipv6Fragment;
}

export interface Ipv6Fragment {
  /** In units of 8 bytes, as on the wire. */
  offset: number;
  moreFragments: boolean;
  /** 32 bits. */
  identification: number;
}

/** What all have: 2 bytes. */
export const ipv6ExtensionLayout = new HeaderLayout<{ nextHeader: number; units: number }>([
  uint8('nextHeader'),
  uint8('units'),
]);

/** The fragment header, 8 bytes. */
export const ipv6FragmentLayout = new HeaderLayout<{
  nextHeader: number;
  offset: number;
  moreFragments: boolean;
  identification: number;
}>([
  uint8('nextHeader'),
  uint8(),
  bitFields(2, [
    ['offset', 13],
    [null, 2],
    ['moreFragments', 'flag'],
  ]),
  uint32('identification'),
]);

/** True for the protocols that are extension headers with a length of their own. */
export function isIpv6Extension(protocol: number): boolean {
  return TYPES.has(protocol);
}

/**
 * The extension header of `type` at `offset`; undefined when fewer than 8 bytes, the least that any has, are there. Whether
 * `length` bytes are there is the caller's to check.
 */
export function decodeIpv6Extension(bytes: Uint8Array, offset: number, type: number): Ipv6Extension | undefined {
  const fields = ipv6FragmentLayout.decode(bytes, offset);
  const shared = ipv6ExtensionLayout.decode(bytes, offset);
  if (fields === undefined || shared === undefined) return undefined;
  if (type === IPV6_EXTENSION.fragment) {
    const { nextHeader, ...fragment } = fields;
    return { type, nextHeader, length: 8, fragment };
  }
  const { nextHeader, units } = shared;
  // RFC 4302, section 2.2: the authentication header counts in 4-byte units, minus 2.
  const length = type === IPV6_EXTENSION.authentication ? (units + 2) * 4 : (units + 1) * 8;
  return { type, nextHeader, length };
}

/**
 * Writes the header at `offset` and returns its `length`. Of a fragment header all 8 bytes are written; of another the first
 * two, the rest being its owner's.
 */
export function encodeIpv6Extension(header: Ipv6Extension, bytes: Uint8Array, offset = 0): number {
  const { type, nextHeader, length, fragment } = header;
  if (offset + length > bytes.length) throw new RangeError(`the header needs ${length} bytes at offset ${offset}`);
  if (fragment !== undefined) {
    return ipv6FragmentLayout.encode({ nextHeader, ...fragment }, bytes, offset);
  }
  const units = type === IPV6_EXTENSION.authentication ? length / 4 - 2 : length / 8 - 1;
  ipv6ExtensionLayout.encode({ nextHeader, units }, bytes, offset);
  return length;
}

/** ICMPv6 (RFC 4443) and the neighbor solicitation and advertisement (RFC 4861, sections 4.3 and 4.4). */
import { formatMac } from '../address.js';
import { bitFields, HeaderLayout, ip6, toHex, uint8, uint16 } from './field.js';
import { decodeIcmp, encodeIcmp, type Icmp } from './icmp.js';

/** The same shape as ICMP: type, code, checksum, four bytes that depend on the type. */
export type Icmpv6 = Icmp;

/** ICMPv6 types with identifier and sequence: echo request and reply. */
export const ICMPV6_ECHO_TYPES: readonly number[] = [128, 129];

/** Neighbor discovery messages that are read. */
export const NEIGHBOR_SOLICITATION = 135;
export const NEIGHBOR_ADVERTISEMENT = 136;

const SOURCE_LINK_LAYER = 1;
const TARGET_LINK_LAYER = 2;

/** A neighbor solicitation or advertisement, 24 bytes without its options. */
export interface NeighborMessage {
  /** 135 solicitation, 136 advertisement. */
  type: number;
  code: number;
  checksum: number;
  /** The sender is a router; advertisements only. */
  router: boolean;
  /** Sent in answer to a solicitation; advertisements only. */
  solicited: boolean;
  /** Replaces what the receiver has; advertisements only. */
  override: boolean;
  /** The address asked for. */
  target: string;
}

/** A neighbor discovery option (RFC 4861, section 4.6). */
export interface NeighborOption {
  /** 1 source, 2 target link-layer address. */
  type: number;
  /** Bytes, type and length included (the wire has it in units of 8). */
  length: number;
  /** Types 1 and 2 of eight bytes. */
  linkLayerAddress?: string;
  /** Any other option, in hex. */
  data?: string;
  /** Length zero or beyond the message; the rest is not read. */
  malformed?: true;
}

export { icmpLayout as icmpv6Layout } from './icmp.js';

export const neighborLayout = new HeaderLayout<NeighborMessage>([
  uint8('type'),
  uint8('code'),
  uint16('checksum'),
  bitFields(4, [
    ['router', 'flag'],
    ['solicited', 'flag'],
    ['override', 'flag'],
    [null, 29],
  ]),
  ip6('target'),
]);

/** The header at `offset`; undefined when fewer than 8 bytes are there. */
export function decodeIcmpv6(bytes: Uint8Array, offset = 0): Icmpv6 | undefined {
  return decodeIcmp(bytes, offset);
}

/** Writes 8 bytes at `offset`, the checksum as given; returns 8. */
export function encodeIcmpv6(header: Icmpv6, bytes: Uint8Array, offset = 0): number {
  return encodeIcmp(header, bytes, offset);
}

/** The solicitation or advertisement at `offset`; undefined when fewer than 24 bytes are there. The type is not checked. */
export function decodeNeighbor(bytes: Uint8Array, offset = 0): NeighborMessage | undefined {
  return neighborLayout.decode(bytes, offset);
}

/** Writes 24 bytes at `offset`, the checksum as given; returns 24. Options are the caller's to append. */
export function encodeNeighbor(message: NeighborMessage, bytes: Uint8Array, offset = 0): number {
  return neighborLayout.encode(message, bytes, offset);
}

/** Reads options to the end of `bytes` or the first malformed one. Never throws. */
export function decodeNeighborOptions(bytes: Uint8Array): NeighborOption[] {
  const options: NeighborOption[] = [];
  let at = 0;
  while (at < bytes.length) {
    const type = bytes[at]!;
    const length = (bytes[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > bytes.length) {
      options.push({ type, length, malformed: true });
      break;
    }
    const body = bytes.subarray(at + 2, at + length);
    const isAddress = (type === SOURCE_LINK_LAYER || type === TARGET_LINK_LAYER) && length === 8;
    options.push({ type, length, ...(isAddress ? { linkLayerAddress: formatMac(body) } : { data: toHex(body) }) });
    at += length;
  }
  return options;
}

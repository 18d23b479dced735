/** IPv4 (RFC 791, section 3.1). */
import { bitFields, HeaderLayout, ip4, uint8, uint16 } from './field.js';

/** An IPv4 header, 20–60 bytes. */
export interface Ipv4 {
  /** 4. */
  version: number;
  /** Bytes, options included: a multiple of 4, 20–60 when valid. */
  headerLength: number;
  /** Differentiated services code point, 0–63 (RFC 2474). */
  dscp: number;
  /** Explicit congestion notification, 0–3 (RFC 3168). */
  ecn: number;
  /** Bytes, header included; 0 in a super-frame over 64 KiB. */
  totalLength: number;
  identification: number;
  /** The bit that must be zero. */
  reservedFlag: boolean;
  dontFragment: boolean;
  moreFragments: boolean;
  /** In units of 8 bytes, as on the wire. */
  fragmentOffset: number;
  /** Hops. */
  ttl: number;
  /** 1 ICMP, 6 TCP, 17 UDP, 50 ESP. */
  protocol: number;
  checksum: number;
  source: string;
  destination: string;
  /** The bytes after the first 20, as they are. */
  options: Uint8Array;
}

type Ipv4Fields = Omit<Ipv4, 'headerLength' | 'options'> & { headerWords: number };

export const ipv4Layout = new HeaderLayout<Ipv4Fields>([
  bitFields(1, [
    ['version', 4],
    ['headerWords', 4],
  ]),
  bitFields(1, [
    ['dscp', 6],
    ['ecn', 2],
  ]),
  uint16('totalLength'),
  uint16('identification'),
  bitFields(2, [
    ['reservedFlag', 'flag'],
    ['dontFragment', 'flag'],
    ['moreFragments', 'flag'],
    ['fragmentOffset', 13],
  ]),
  uint8('ttl'),
  uint8('protocol'),
  uint16('checksum'),
  ip4('source'),
  ip4('destination'),
]);

/**
 * The header at `offset`; undefined when fewer than 20 bytes are there. Says what the bytes say: version and lengths are the
 * caller's to check. `options` ends where the bytes do.
 */
export function decodeIpv4(bytes: Uint8Array, offset = 0): Ipv4 | undefined {
  const fields = ipv4Layout.decode(bytes, offset);
  if (fields === undefined) return undefined;
  const { version, headerWords, ...rest } = fields;
  const headerLength = headerWords * 4;
  const options = bytes.subarray(offset + ipv4Layout.span, Math.max(offset + headerLength, offset + ipv4Layout.span));
  return { version, headerLength, ...rest, options };
}

/** Writes header and options at `offset`, the checksum as given; returns the bytes written. */
export function encodeIpv4(header: Ipv4, bytes: Uint8Array, offset = 0): number {
  const { options } = header;
  const end = ipv4Layout.span + options.length;
  if (offset + end > bytes.length) throw new RangeError(`the header needs ${end} bytes at offset ${offset}`);
  ipv4Layout.encode({ ...header, headerWords: header.headerLength / 4 }, bytes, offset);
  bytes.set(options, offset + ipv4Layout.span);
  return end;
}

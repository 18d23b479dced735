/** TCP (RFC 9293, section 3.1). */
import { bitFields, HeaderLayout, uint16, uint32 } from './field.js';

/** A TCP header, 20–60 bytes. */
export interface Tcp {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgment: number;
  /** Bytes, options included: a multiple of 4, 20–60 when valid. */
  headerLength: number;
  /** Twelve bits: three reserved, AE (0x100), CWR, ECE, URG, ACK, PSH, RST, SYN, FIN (0x001). */
  flags: number;
  /** Bytes, before window scaling. */
  window: number;
  checksum: number;
  urgentPointer: number;
  /** The bytes after the first 20, as they are. */
  options: Uint8Array;
}

type TcpFields = Omit<Tcp, 'headerLength' | 'options'> & { headerWords: number };

export const tcpLayout = new HeaderLayout<TcpFields>([
  uint16('sourcePort'),
  uint16('destinationPort'),
  uint32('sequence'),
  uint32('acknowledgment'),
  bitFields(2, [
    ['headerWords', 4],
    ['flags', 12],
  ]),
  uint16('window'),
  uint16('checksum'),
  uint16('urgentPointer'),
]);

const FLAG_NAMES = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'AE'] as const;

/** `['SYN', 'ACK']` and so on, lowest bit first. */
export function tcpFlagNames(flags: number): string[] {
  return FLAG_NAMES.filter((_, bit) => (flags >> bit) & 1);
}

/**
 * The header at `offset`; undefined when fewer than 20 bytes are there. Says what the bytes say: the header length is the
 * caller's to check. `options` ends where the bytes do.
 */
export function decodeTcp(bytes: Uint8Array, offset = 0): Tcp | undefined {
  const fields = tcpLayout.decode(bytes, offset);
  if (fields === undefined) return undefined;
  const { sourcePort, destinationPort, sequence, acknowledgment, headerWords, ...rest } = fields;
  const headerLength = headerWords * 4;
  const options = bytes.subarray(offset + tcpLayout.span, Math.max(offset + headerLength, offset + tcpLayout.span));
  return { sourcePort, destinationPort, sequence, acknowledgment, headerLength, ...rest, options };
}

/** Writes header and options at `offset`, the checksum as given; returns the bytes written. */
export function encodeTcp(header: Tcp, bytes: Uint8Array, offset = 0): number {
  const { options } = header;
  const end = tcpLayout.span + options.length;
  if (offset + end > bytes.length) throw new RangeError(`the header needs ${end} bytes at offset ${offset}`);
  tcpLayout.encode({ ...header, headerWords: header.headerLength / 4 }, bytes, offset);
  bytes.set(options, offset + tcpLayout.span);
  return end;
}

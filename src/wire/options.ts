/** The option lists of IPv4 and TCP: one byte of kind, one of length (itself and the kind included), data. */
import { toHex } from './field.js';

/** One option. */
export interface HeaderOption {
  /** The whole first byte: for IPv4 with its copied flag and class, 0–255. */
  type: number;
  /** Bytes, type and length included; 1 for end of list (0) and no operation (1). */
  length: number;
  /** What follows type and length, in hex; absent when there is nothing. */
  data?: string;
  /** The length byte is missing, under 2, or beyond the header; the rest of the list is not read. */
  malformed?: true;
}

/** Reads a list until its end or the first malformed option (RFC 791, section 3.1; RFC 9293, section 3.2). Never throws. */
export function decodeOptions(bytes: Uint8Array): HeaderOption[] {
  const options: HeaderOption[] = [];
  let at = 0;
  while (at < bytes.length) {
    const type = bytes[at]!;
    if (type <= 1) {
      options.push({ type, length: 1 });
      if (type === 0) break;
      at += 1;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) {
      options.push({ type, length, malformed: true });
      break;
    }
    options.push({ type, length, ...(length > 2 && { data: toHex(bytes.subarray(at + 2, at + length)) }) });
    at += length;
  }
  return options;
}

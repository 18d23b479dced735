/** The internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit big-endian words. */

/**
 * Adds bytes to a running sum; an odd last byte counts as the high half of a word, so only the last piece may be odd.
 * The sum stays below 2^53 for anything that fits in memory.
 */
export function addToSum(bytes: Uint8Array, sum = 0): number {
  const even = bytes.length & ~1;
  for (let i = 0; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (even < bytes.length) sum += bytes[even]! << 8;
  return sum;
}

/** Folds a running sum into 16 bits, carries added back (RFC 1071, section 2). */
export function foldSum(sum: number): number {
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

/**
 * The checksum to put in a header whose checksum field is zero; over a header with its checksum in place it is 0 when that is
 * right. `sum` starts it, as `pseudoHeaderSum` gives it.
 */
export function internetChecksum(bytes: Uint8Array, sum = 0): number {
  return foldSum(addToSum(bytes, sum)) ^ 0xffff;
}

/**
 * The running sum of the pseudo-header that UDP, TCP and ICMPv6 put in front of their own bytes (RFC 768; RFC 9293, section
 * 3.1; RFC 8200, section 8.1). Addresses of 4 or 16 bytes; `length` is that of the transport header and payload, in bytes.
 */
export function pseudoHeaderSum(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  return addToSum(destination, addToSum(source)) + protocol + (length & 0xffff) + (length >>> 16);
}

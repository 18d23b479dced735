/** MAC and IP addresses: text to bytes and back. Strict on input, canonical on output; for configuration, not for packets. */
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { OverlaneError } from './errors.js';

const MAC = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i;
const PREFIX = /^(?:0|[1-9]\d{0,2})$/;

/** An address with a prefix length, as in `10.0.0.2/24`: the host bits are kept. */
export interface Cidr {
  /** 4 or 16 bytes. */
  address: Uint8Array;
  /** 0–32 for IPv4, 0–128 for IPv6. */
  prefix: number;
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/**
 * Six bytes of a MAC address such as `02:42:0a:00:00:02` (`-` as separator is taken too).
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` when the text is anything else.
 */
export function parseMac(text: string): Uint8Array {
  if (typeof text !== 'string' || !MAC.test(text)) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `${shown(text)} is not a MAC address; write six two-digit hex bytes, such as "02:42:0a:00:00:02"`,
    );
  }
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}

/** `02:42:0a:00:00:02`, lower case, from six bytes. */
export function formatMac(bytes: Uint8Array): string {
  expectLength(bytes, [6], 'a MAC address');
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * The bytes of an IP address: 4 for IPv4, 16 for IPv6. Short (`10.1`), octal and hexadecimal IPv4 forms are refused, because
 * programs disagree about them; so are IPv6 zones (`%eth0`), because bytes cannot carry them.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` when the text is not an address.
 */
export function parseIp(text: string): Uint8Array {
  if (typeof text === 'string') {
    if (isIPv4(text)) return Uint8Array.from(ipaddr.IPv4.parse(text).toByteArray());
    if (isIPv6(text) && !text.includes('%')) return Uint8Array.from(ipaddr.IPv6.parse(withoutDots(text)).toByteArray());
  }
  throw new OverlaneError(
    'ERR_OVERLANE_OPTION',
    `${shown(text)} is not an IP address; write four decimal numbers, such as "10.0.0.2", or IPv6, such as "2001:db8::1"`,
  );
}

/** The last 32 bits in hex too: ipaddr.js takes `::10.0.0.1` for `::ffff:10.0.0.1`. */
function withoutDots(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...octets: string[]) => {
    const [a, b, c, d] = octets.slice(0, 4).map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
}

/** Canonical text of 4 or 16 bytes: dotted decimal, or RFC 5952 (IPv4-mapped addresses as `::ffff:10.0.0.2`, section 5). */
export function formatIp(bytes: Uint8Array): string {
  expectLength(bytes, [4, 16], 'an IP address');
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join('.')}`;
  }
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** The first of the longest runs of zero groups (RFC 5952, section 4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
    start += length;
  }
  return best;
}

/**
 * Parses `10.0.0.2/24` or `2001:db8::1/64`.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` when the address or the prefix length is wrong or missing.
 */
export function parseCidr(text: string): Cidr {
  const slash = typeof text === 'string' ? text.lastIndexOf('/') : -1;
  if (slash < 0) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `${shown(text)} has no prefix length; write address and length, such as "10.0.0.2/24"`,
    );
  }
  const address = parseIp(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  const most = address.length * 8;
  if (!PREFIX.test(digits) || Number(digits) > most) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `${shown(text)} has a wrong prefix length; write a number from 0 to ${most} after the slash`,
    );
  }
  return { address, prefix: Number(digits) };
}

/** `10.0.0.2` of `10.0.0.2/24`; an address without a prefix length is returned as it is. */
export function withoutPrefix(address: string): string {
  return address.replace(/\/\d+$/, '');
}

/** `10.0.0.1/24` of an address and a subnet that it is in, such as `10.0.0.0/24`. */
export function inSameSubnet(ip: string, subnet: string): string {
  return `${ip}${subnet.slice(subnet.indexOf('/'))}`;
}

/** Whether an address is in a subnet, both as text; never across IP versions. */
export function inSubnet(ip: string, subnet: string): boolean {
  const bytes = parseIp(ip);
  const { address, prefix } = parseCidr(subnet);
  if (bytes.length !== address.length) return false;
  return bytes.every((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefix - 8 * i));
    return ((byte ^ address[i]!) & (0xff00 >> bits) & 0xff) === 0;
  });
}

/**
 * The MAC address that container networks give an endpoint: `02:42` and the four IPv4 bytes.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` unless `ip4` has four bytes.
 */
export function containerMac(ip4: Uint8Array): Uint8Array {
  expectLength(ip4, [4], 'an IPv4 address');
  return Uint8Array.of(0x02, 0x42, ...ip4);
}

function expectLength(bytes: Uint8Array, lengths: readonly number[], what: string): void {
  if (lengths.includes(bytes.length)) return;
  throw new OverlaneError(
    'ERR_OVERLANE_OPTION',
    `${what} has ${lengths.join(' or ')} bytes, not ${bytes.length}; hand over a Uint8Array of that length`,
  );
}

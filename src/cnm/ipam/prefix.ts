/** Blocks of addresses as numbers: one arithmetic for both families. */
import { formatIp, parseCidr, parseIp } from '../../address.js';
import { OverlaneError } from '../../errors.js';

/** Addresses from `first` to `last`, both included; none where `first` is the larger one. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** All addresses that share their first `length` bits. */
export interface Prefix extends Span {
  readonly family: 4 | 6;
  readonly length: number;
}

/** 32 or 128. */
export const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

/** An address as a number, which says nothing about its family. */
export function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

/** The canonical text of an address. */
export function toText(family: 4 | 6, address: bigint): string {
  const bytes = new Uint8Array(bitsOf(family) / 8);
  for (let i = bytes.length - 1, rest = address; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return formatIp(bytes);
}

/** `10.0.0.0/24`. */
export function prefixText({ family, first, length }: Prefix): string {
  return `${toText(family, first)}/${length}`;
}

/** The prefix of that length that contains the address. */
export function prefixAround(family: 4 | 6, address: bigint, length: number): Prefix {
  const hosts = (1n << BigInt(bitsOf(family) - length)) - 1n;
  const first = address & ~hosts;
  return { family, first, last: first | hosts, length };
}

/**
 * Reads `10.0.0.0/24`.
 *
 * @param hostBits - what becomes of `10.0.0.5/24`: `mask` takes it for 10.0.0.0/24, `refuse` says so instead.
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`.
 */
export function parsePrefix(text: string, what: string, hostBits: 'mask' | 'refuse'): Prefix {
  const { address, prefix: length } = parseCidr(text);
  const family = address.length === 4 ? 4 : 6;
  const number = toNumber(address);
  const prefix = prefixAround(family, number, length);
  if (hostBits === 'refuse' && prefix.first !== number) {
    throw optionError(`${what} ${text} has bits set behind its length; did you mean ${prefixText(prefix)}?`);
  }
  return prefix;
}

/**
 * An address that has to be one of a subnet's.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` for no address, the other family, or one outside.
 */
export function parseWithin(text: string, subnet: Prefix, what: string): bigint {
  const bytes = parseIp(text);
  const family = bytes.length === 4 ? 4 : 6;
  if (family !== subnet.family) {
    throw optionError(`${what} ${text} is IPv${family}, but the subnet ${prefixText(subnet)} is IPv${subnet.family}`);
  }
  const address = toNumber(bytes);
  if (contains(subnet, address)) return address;
  throw optionError(`${what} ${text} is not in the subnet ${prefixText(subnet)}; choose one of it`);
}

export const contains = ({ first, last }: Span, address: bigint): boolean => first <= address && address <= last;

/** Both must be of one family. */
export const overlaps = (a: Span, b: Span): boolean => a.first <= b.last && b.first <= a.last;

/** What two spans have in common. */
export function intersect(a: Span, b: Span): Span {
  const { first } = a.first < b.first ? b : a;
  const { last } = a.last < b.last ? a : b;
  return { first, last };
}

/**
 * The addresses of a subnet that hosts may have: without network and broadcast address, but with both on a /31 (RFC 3021);
 * without the subnet-router anycast address (RFC 4291, section 2.6.1), but with both on a /127 (RFC 6164).
 */
export function hostsOf({ family, first, last, length }: Prefix): Span {
  if (length >= bitsOf(family) - 1) return { first, last };
  return { first: first + 1n, last: family === 4 ? last - 1n : last };
}

const UNUSABLE: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', '"this network"'],
  ['127.0.0.0/8', 'loopback'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['::/127', 'unspecified and loopback'],
  ['::ffff:0:0/96', 'IPv4 in IPv6 notation'],
  ['ff00::/8', 'multicast'],
];
const unusable = UNUSABLE.map(([text, use]) => ({ use, prefix: parsePrefix(text, 'subnet', 'refuse') }));

/** @throws {OverlaneError} `ERR_OVERLANE_OPTION` for addresses that no host can have (RFC 6890). */
export function refuseUnusable(subnet: Prefix): void {
  const hit = unusable.find(({ prefix }) => prefix.family === subnet.family && overlaps(prefix, subnet));
  if (!hit) return;
  throw optionError(
    `the subnet ${prefixText(subnet)} contains addresses of ${prefixText(hit.prefix)} (${hit.use}); choose another one`,
  );
}

export function optionError(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

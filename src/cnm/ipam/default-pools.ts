/** Where subnets come from when none is asked for. */
import { randomBytes } from 'node:crypto';
import type { AddressSpace } from './ipam.js';
import { bitsOf, optionError, type Prefix, parsePrefix, prefixAround, prefixText, toNumber } from './prefix.js';

/** A block that is cut into subnets: `{ base: '10.0.0.0/8', size: 24 }` has 65,536 of them. */
export interface DefaultPool {
  base: string;
  /** The prefix length of each. */
  size: number;
}

/** A {@link DefaultPool} that was checked. */
export interface Block {
  base: Prefix;
  size: number;
}

/** As Docker has them, so that networks get the subnets that people expect. */
const IPV4: Readonly<Record<AddressSpace, readonly DefaultPool[]>> = {
  local: [
    ...Array.from({ length: 15 }, (_, i) => ({ base: `172.${17 + i}.0.0/16`, size: 16 })),
    { base: '192.168.0.0/16', size: 20 },
  ],
  global: [{ base: '10.0.0.0/8', size: 24 }],
};

/** A new prefix for unique local addresses: `fd`, 40 random bits, /48 (RFC 4193, section 3.2). */
export function randomUla(): string {
  const random = toNumber(randomBytes(5));
  return prefixText(prefixAround(6, ((0xfdn << 40n) | random) << 80n, 48));
}

/**
 * The blocks of one address space: those given, and for a family without any the usual ones. A unique local prefix is
 * halved between the address spaces, so that a container in networks of both does not meet a subnet twice.
 *
 * @param ula - `fdxx:xxxx:xxxx::/48`
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`.
 */
export function blocksOf(space: AddressSpace, given: readonly DefaultPool[], ula: string): Block[] {
  const blocks = given.map(parseBlock);
  const usual = IPV4[space].map(parseBlock);
  if (blocks.every(({ base }) => base.family !== 4)) blocks.push(...usual);
  if (blocks.every(({ base }) => base.family !== 6)) blocks.push({ base: ulaHalf(space, ula), size: 64 });
  return blocks;
}

function parseBlock({ base, size }: DefaultPool): Block {
  const prefix = parsePrefix(base, 'the default pool', 'refuse');
  const most = bitsOf(prefix.family);
  if (Number.isInteger(size) && prefix.length <= size && size <= most) return { base: prefix, size };
  throw optionError(
    `the default pool ${base} cannot be cut into /${size}; give a size from ${prefix.length} to ${most}`,
  );
}

function ulaHalf(space: AddressSpace, ula: string): Prefix {
  const prefix = parsePrefix(ula, 'the unique local prefix', 'refuse');
  if (prefix.family !== 6 || prefix.length !== 48 || prefix.first >> 120n !== 0xfdn) {
    throw optionError(`${ula} is no unique local prefix; write one such as "${randomUla()}"`);
  }
  return prefixAround(6, space === 'local' ? prefix.first : prefix.first | (1n << 79n), 49);
}

/** The first subnet of the blocks that touches none of `busy`. */
export function firstFree(blocks: readonly Block[], busy: readonly Prefix[]): Prefix | undefined {
  const sorted = busy.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  for (const { base, size } of blocks) {
    const step = 1n << BigInt(bitsOf(base.family) - size);
    let first = base.first;
    for (const other of sorted) {
      if (other.first >= first + step) break;
      if (other.last >= first) first = (other.last / step + 1n) * step;
    }
    if (first <= base.last) return prefixAround(base.family, first, size);
  }
  return undefined;
}

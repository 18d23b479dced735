/** Subnets of a network that belong together. */
import type { Pool } from './ipam/ipam.js';

/** The first subnet of IPv4 with the first of IPv6, and so on: an endpoint has its addresses in one of these. */
export function segmentsOf(pools: readonly Pool[]): Pool[][] {
  const families = [4, 6].map((family) => pools.filter((pool) => pool.family === family));
  const count = Math.max(...families.map(({ length }) => length));
  return Array.from({ length: count }, (_, i) => families.flatMap((of) => of.slice(i, i + 1)));
}

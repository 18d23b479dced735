/** The IPAM that overlane brings along. */
import { parseIp, withoutPrefix } from '../../address.js';
import { OverlaneError } from '../../errors.js';
import { type Block, blocksOf, type DefaultPool, firstFree, randomUla } from './default-pools.js';
import type { AddressRequest, AddressSpace, Ipam, Pool, PoolRequest, RestoredPool } from './ipam.js';
import { type Plan, parseHost, planPool } from './plan.js';
import {
  optionError,
  overlaps,
  type Prefix,
  parsePrefix,
  prefixText,
  refuseUnusable,
  toNumber,
  toText,
} from './prefix.js';
import { Ring } from './ring.js';

export interface DefaultIpamOptions {
  /** Blocks to cut subnets from, tried in this order; a family that has none keeps the usual ones. */
  defaultPools?: Partial<Record<AddressSpace, readonly DefaultPool[]>>;
  /**
   * The unique local prefix of IPv6 subnets, `fdxx:xxxx:xxxx::/48`: one for a store, see {@link ulaOf}. Default: a random one,
   * which another process will not know.
   */
  ula?: string;
}

interface Entry {
  owner: string;
  pool: Pool;
  subnet: Prefix;
  ring: Ring;
  /** Gateway and auxiliary addresses: taken, but nobody's to release. */
  fixed: ReadonlyMap<bigint, string>;
}

/** Hands out addresses in ring order (see {@link Ring}); memory only for what is taken. */
export class DefaultIpam implements Ipam {
  readonly #blocks: Readonly<Record<AddressSpace, readonly Block[]>>;
  /** By id. */
  #pools = new Map<string, Entry>();

  /** @throws {OverlaneError} `ERR_OVERLANE_OPTION` for a wrong default pool or prefix. */
  constructor({ defaultPools = {}, ula = randomUla() }: DefaultIpamOptions = {}) {
    this.#blocks = {
      local: blocksOf('local', defaultPools.local ?? [], ula),
      global: blocksOf('global', defaultPools.global ?? [], ula),
    };
  }

  requestPool(request: PoolRequest): Pool {
    const { owner, family } = request;
    if (family !== 4 && family !== 6) throw optionError(`the family of a pool is 4 or 6, not ${family}`);
    if (!Object.hasOwn(this.#blocks, request.space)) {
      throw optionError(`the address space of a pool is "local" or "global", not ${JSON.stringify(request.space)}`);
    }
    const subnet = request.subnet === undefined ? this.#choose(request) : parseSubnet(request.subnet, family);
    return this.#admit(this.#pools, owner, subnet, planPool(request, subnet)).pool;
  }

  releasePool(id: string): boolean {
    return this.#pools.delete(id);
  }

  requestAddress(pool: string, { owner, ip }: AddressRequest): string {
    const entry = this.#entry(pool);
    const address = ip === undefined ? nextOf(entry, owner) : takeOf(entry, ip, owner);
    return `${toText(entry.subnet.family, address)}/${entry.subnet.length}`;
  }

  releaseAddress(pool: string, ip: string): boolean {
    const entry = this.#pools.get(pool);
    const bytes = parseIp(withoutPrefix(ip));
    if (!entry || bytes.length !== (entry.subnet.family === 4 ? 4 : 16)) return false;
    const address = toNumber(bytes);
    if (entry.fixed.has(address) || entry.ring.ownerOf(address) === undefined) return false;
    entry.ring.release(address);
    return true;
  }

  lastAddress(pool: string): string | null {
    const { ring, subnet } = this.#entry(pool);
    return ring.given === undefined ? null : toText(subnet.family, ring.given);
  }

  restore(pools: Iterable<RestoredPool>): void {
    const restored = new Map<string, Entry>();
    for (const { owner, pool, addresses, last } of pools) {
      const { space, family, aux } = pool;
      const subnet = parseSubnet(pool.subnet, family);
      const range = pool.range === null ? {} : { range: pool.range };
      const plan = planPool({ owner, space, family, aux, gateway: pool.gateway ?? 'none', ...range }, subnet);
      const entry = this.#admit(restored, owner, subnet, plan);
      for (const taken of addresses) takeOf(entry, withoutPrefix(taken.ip), taken.owner);
      if (last) entry.ring.continueBehind(parseHost(last, subnet, 'the last address'));
      else entry.ring.continueBehindTaken();
    }
    this.#pools = restored;
  }

  #admit(pools: Map<string, Entry>, owner: string, subnet: Prefix, { pool, span, fixed }: Plan): Entry {
    for (const other of pools.values()) {
      if (other.pool.space !== pool.space || other.subnet.family !== subnet.family) continue;
      if (!overlaps(other.subnet, subnet)) continue;
      throw new OverlaneError(
        'ERR_OVERLANE_OVERLAP',
        `the subnet ${pool.subnet} overlaps with ${other.pool.subnet} of ${other.owner}; choose another one, or none for a free one`,
      );
    }
    const ring = new Ring(span);
    for (const [address, what] of fixed) ring.take(address, what);
    const entry = { owner, pool, subnet, ring, fixed };
    pools.set(pool.id, entry);
    return entry;
  }

  /** Not what any network has, of either address space: a container may be in two of them. */
  #choose({ space, family, range, gateway, aux, reserved = [] }: PoolRequest): Prefix {
    if (range !== undefined || (gateway !== undefined && gateway !== 'none') || Object.keys(aux ?? {}).length > 0) {
      throw optionError('a range, gateway or auxiliary address needs its subnet; name that too');
    }
    const busy = [...this.#pools.values()].map(({ subnet }) => subnet);
    busy.push(...reserved.map((text) => parsePrefix(text, 'reserved', 'mask')).filter(({ length }) => length > 0));
    const subnet = firstFree(
      this.#blocks[space].filter(({ base }) => base.family === family),
      busy.filter((prefix) => prefix.family === family),
    );
    if (subnet) return subnet;
    throw new OverlaneError(
      'ERR_OVERLANE_EXHAUSTED',
      `every IPv${family} subnet of the ${space} default pools is used by a network or by this host; ` +
        'remove a network, name a subnet, or configure more default pools',
    );
  }

  #entry(id: string): Entry {
    const entry = this.#pools.get(id);
    if (entry) return entry;
    throw new OverlaneError('ERR_OVERLANE_MISSING', `there is no pool ${id}; request it first`);
  }
}

function parseSubnet(text: string, family: 4 | 6): Prefix {
  const subnet = parsePrefix(text, 'the subnet', 'refuse');
  if (subnet.family !== family)
    throw optionError(`the subnet ${text} is IPv${subnet.family}, and IPv${family} is wanted`);
  refuseUnusable(subnet);
  return subnet;
}

function takeOf({ owner, subnet, ring }: Entry, ip: string, taker: string): bigint {
  const address = parseHost(ip, subnet, 'the address');
  const holder = ring.ownerOf(address);
  if (holder !== undefined) {
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `${ip} is taken by ${holder} (${owner}, ${prefixText(subnet)}); choose another address, or none for a free one`,
    );
  }
  ring.take(address, taker);
  return address;
}

function nextOf({ owner, pool, ring }: Entry, taker: string): bigint {
  const address = ring.next(taker);
  if (address !== undefined) return address;
  const where = pool.range === null ? pool.subnet : `${pool.range} (range of ${pool.subnet})`;
  throw new OverlaneError(
    'ERR_OVERLANE_EXHAUSTED',
    `${where} of ${owner} is full: ${ring.taken} of ${ring.size} addresses are taken; ` +
      'remove an endpoint, or make a network with a larger subnet',
  );
}

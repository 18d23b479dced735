/** Who has which subnet, and which address of it: the interface that networks and endpoints use, so that any IPAM can stand behind it. */

/** `local`: networks of one host. `global`: networks that span hosts. Subnets may overlap between the two, never within one. */
export type AddressSpace = 'local' | 'global';

/** One subnet of one network, all in canonical text. Plain data: a record of the network keeps it as it is. */
export interface Pool {
  /** Unique, and the same after a restart. */
  readonly id: string;
  readonly space: AddressSpace;
  readonly family: 4 | 6;
  /** `172.18.0.0/16`. */
  readonly subnet: string;
  /** Where addresses are taken from when none is asked for, `172.18.5.0/24`; null: from all of the subnet. */
  readonly range: string | null;
  /** Without prefix length; null where the network has none. */
  readonly gateway: string | null;
  /** Name to address: what the user keeps for hosts that overlane does not manage. */
  readonly aux: Readonly<Record<string, string>>;
}

/** What {@link Ipam.requestPool} is asked. */
export interface PoolRequest {
  /** The network, in words for messages: what an overlap names. */
  owner: string;
  space: AddressSpace;
  family: 4 | 6;
  /** Left out: the next free one of the default pools. */
  subnet?: string;
  /** Within the subnet; needs `subnet`. */
  range?: string;
  /** An address of the subnet (needs `subnet`), or `'none'`. Default: the first usable one of the range, else of the subnet. */
  gateway?: string | 'none';
  /** Addresses of the subnet that are never handed out; needs `subnet`. */
  aux?: Readonly<Record<string, string>>;
  /**
   * Subnets that the host uses (addresses, routes), as CIDR text of either family: the choice from the default pools avoids
   * them. Default routes (`/0`) do not count.
   */
  reserved?: readonly string[];
}

/** What {@link Ipam.requestAddress} is asked. */
export interface AddressRequest {
  /** The endpoint, in words for messages: who has an address that somebody else asks for. */
  owner: string;
  /** This address, in or outside of the range. */
  ip?: string;
  /** For an IPAM that chooses by it, such as one that asks a DHCP server. */
  mac?: string;
}

/** A pool as the records tell it after a restart. */
export interface RestoredPool {
  /** The owner of {@link PoolRequest}. */
  owner: string;
  pool: Pool;
  /** What its endpoints have; `ip` with or without prefix length. */
  addresses: Iterable<{ ip: string; owner: string }>;
  /** What {@link Ipam.lastAddress} said, where somebody kept it: the ring goes on there. */
  last?: string | null;
}

/** Manages subnets and addresses. Everything is in memory: the records of networks and endpoints are the only truth on disk. */
export interface Ipam {
  /**
   * One subnet of one network. Its gateway and auxiliary addresses are taken from then on.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OVERLAP` naming the other network, `ERR_OVERLANE_EXHAUSTED` when the default pools
   *   are used up, `ERR_OVERLANE_OPTION` for what is no subnet, or not in it.
   */
  requestPool(request: PoolRequest): Pool;

  /** Frees the subnet and all its addresses; false when there is no such pool. */
  releasePool(id: string): boolean;

  /**
   * An address with the prefix length of the subnet, `10.0.0.2/24`: the one asked for, else the next free one.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` saying who has it, `ERR_OVERLANE_EXHAUSTED` with pool and count,
   *   `ERR_OVERLANE_OPTION` for an address that is not one of the pool's, `ERR_OVERLANE_MISSING` for an unknown pool.
   */
  requestAddress(pool: string, request: AddressRequest): string;

  /** Frees an address (with or without prefix length); false when no endpoint has it. */
  releaseAddress(pool: string, ip: string): boolean;

  /**
   * The address that was last handed out without being asked for; null before the first. Worth keeping in the network's
   * record, but not needed: it only makes a restarted process go on in the ring instead of behind the highest taken address.
   */
  lastAddress(pool: string): string | null;

  /**
   * Forgets everything, then takes over what the records say; all or nothing.
   *
   * @throws {OverlaneError} as `requestPool` and `requestAddress` when the records contradict each other.
   */
  restore(pools: Iterable<RestoredPool>): void;
}

/** What the host's kernel is told about our networks: one nftables table, changed in transactions. */
import { release } from 'node:os';
import { checkOptions, oneOf, optionError, optionsOf, shown, text } from '../dataplane/check.js';
import { OverlaneError } from '../errors.js';
import Type from '../schema.js';
import {
  checkId,
  checkPublication,
  droppedElements,
  type HostNetwork,
  isLoopback,
  isUnspecified,
  networkElements,
  type Publication,
  publicationElements,
  untrackedElements,
} from './element.js';
import { Nft } from './nft.js';
import { probe } from './probe.js';
import type { Element } from './ruleset.js';
import { forwardingOf, localRoutingOf, type Sysctl } from './sysctl.js';
import { Transactions } from './transactions.js';
import { findTroubles, type Trouble } from './trouble.js';

export type { HostNetwork, Protocol, Publication } from './element.js';
export type { Sysctl } from './sysctl.js';
export type { Trouble } from './trouble.js';

export interface FirewallOptions {
  /** Name of the table in the families inet and netdev: `overlane` (the default), or `overlane-` and up to 40 letters, digits, `_`, `-`. */
  table?: string;
  /** Path of the network namespace that is the host, such as `/run/netns/h1`; default that of this process. */
  netns?: string;
  /**
   * `nat` (the default): the host reaches published ports at 127.0.0.0/8 by translation, which needs the sysctls that `publish` returns.
   * `proxy`: packets to 127.0.0.0/8 are left alone, for a proxy that listens there.
   */
  loopback?: 'nat' | 'proxy';
  /** Told what keeps the rules from working; also by `inspect()`. Default: nobody is told. */
  onTrouble?: (trouble: Trouble) => void;
}

/** What the caller has to do besides. */
export interface NetworkAdvice {
  /** To be written before traffic flows; the firewall writes none of them. */
  sysctls: Sysctl[];
}

export interface PublicationAdvice {
  sysctls: Sysctl[];
  /** The host does not reach these at its loopback addresses by translation: hold the port by `listen()`, not by `reserve()`. */
  proxied: Publication[];
}

/** All that is wanted, by id. */
export interface HostState {
  networks?: Readonly<Record<string, HostNetwork>>;
  /** By endpoint. */
  publications?: Readonly<Record<string, readonly Publication[]>>;
  /** Addresses by parent interface. */
  dropped?: Readonly<Record<string, readonly string[]>>;
  /** Interfaces. */
  untracked?: readonly string[];
}

const TABLE = /^overlane(?:-[A-Za-z0-9_-]{1,40})?$/;

const schema = optionsOf<FirewallOptions>({
  table: Type.Optional(text),
  netns: Type.Optional(text),
  loopback: Type.Optional(oneOf('nat', 'proxy')),
  onTrouble: Type.Optional(Type.Unknown()),
});
const stateSchema = optionsOf<HostState>({
  networks: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  publications: Type.Optional(Type.Record(Type.String(), Type.Array(Type.Unknown()))),
  dropped: Type.Optional(Type.Record(Type.String(), Type.Array(text))),
  untracked: Type.Optional(Type.Array(text)),
});

/**
 * Forwarding, isolation, masquerading and published ports, as Docker's rules for iptables have them, in one table of nftables:
 * - from outside into a network: established connections and published ports only; between networks: published ports only;
 * - within a network where that passes the kernel: unless `icc` is false; internal networks: nothing in or out;
 * - masquerading of what leaves a network, and of a container that reaches its own network through a published port;
 * - published ports by the address of the host before those of every address.
 *
 * Calls are carried out in their order, several that wait in one transaction; each is atomic: when it rejects, nothing has changed.
 * The first one replaces what a former run has left. Tables of others are never touched. Needs nft 1.0 and Linux 5.8.
 * Connections that are established stay so when a publication goes: nftables does not forget connections.
 */
export class Firewall implements AsyncDisposable {
  readonly #nft: Nft;
  readonly #table: string;
  readonly #loopback: 'nat' | 'proxy';
  readonly #report: (trouble: Trouble) => void;
  readonly #transactions: Transactions;
  #closed: Promise<void> | undefined;

  private constructor(nft: Nft, netdev: boolean, options: FirewallOptions) {
    const { table = 'overlane', loopback = 'nat', onTrouble } = options;
    this.#nft = nft;
    this.#table = table;
    this.#loopback = loopback;
    this.#report = (trouble) => queueMicrotask(() => onTrouble?.(trouble));
    this.#transactions = new Transactions({ nft, netdev, table, loopback, taken, report: this.#report });
  }

  /**
   * Looks whether the kernel has what is needed, and whether other firewalls stand in the way; changes nothing yet, so that rules of a
   * former run stay in force until `restore` or the first other call.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_MISSING` when nft is not installed or the kernel lacks something, by name;
   *   `ERR_OVERLANE_PERMISSION`.
   */
  static async open(options: FirewallOptions = {}): Promise<Firewall> {
    const { table = 'overlane', netns, loopback = 'nat', onTrouble } = checkOptions(schema, options, 'Firewall.open');
    if (!TABLE.test(table)) {
      throw optionError(
        `option 'table' of Firewall.open must be 'overlane', or 'overlane-' and up to 40 letters, digits, '_' or '-', not ${shown(table)}`,
      );
    }
    if (netns !== undefined && (!netns.startsWith('/') || netns.includes('\0'))) {
      throw optionError(`option 'netns' of Firewall.open must be the path of a network namespace, not ${shown(netns)}`);
    }
    if (onTrouble !== undefined && typeof onTrouble !== 'function') {
      throw optionError(`option 'onTrouble' of Firewall.open must be a function, not ${shown(onTrouble)}`);
    }
    const nft = new Nft(netns);
    const { netdev } = await probe(nft, { table, loopback }, release());
    const firewall = new Firewall(nft, netdev, options);
    await firewall.inspect();
    return firewall;
  }

  /**
   * Adds a network, or changes the one with this id.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_EXISTS` when the interface is another network's; `ERR_OVERLANE_SYSTEM` when
   *   nft refuses it; `ERR_OVERLANE_CLOSED`.
   */
  async setNetwork(id: string, network: HostNetwork): Promise<NetworkAdvice> {
    const elements = networkElements(network);
    await this.#replace(`network ${checkId(id, 'setNetwork')}`, elements);
    return { sysctls: forwardingOf(network) };
  }

  /** Does nothing when there is none with this id. */
  async removeNetwork(id: string): Promise<void> {
    await this.#replace(`network ${checkId(id, 'removeNetwork')}`, []);
  }

  /**
   * Publishes ports of an endpoint, in place of those it had.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_BUSY` when another endpoint has that port; `ERR_OVERLANE_SYSTEM` when nft
   *   refuses it; `ERR_OVERLANE_CLOSED`.
   */
  async publish(id: string, publications: readonly Publication[]): Promise<PublicationAdvice> {
    const checked = checkPublications(publications);
    await this.#replace(`endpoint ${checkId(id, 'publish')}`, this.#elementsOf(checked));
    return this.#advice(checked);
  }

  /** Does nothing when the endpoint has published nothing. */
  async unpublish(id: string): Promise<void> {
    await this.#replace(`endpoint ${checkId(id, 'unpublish')}`, []);
  }

  /**
   * Packets for `ips` that arrive on the interface `parent` are not for the host's own stack: they end on the ingress hook, after
   * AF_PACKET sockets have seen them. An empty list takes the filter away. Call it again when the interface was removed and came back.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_SYSTEM` when there is no such interface; `ERR_OVERLANE_CLOSED`.
   */
  async setDropped(parent: string, ips: readonly string[]): Promise<void> {
    await this.#replace(`parent ${parent}`, droppedElements(parent, ips));
  }

  /**
   * Whether connections are left untracked, which neither NAT nor `established` then know, when their packets come in or go out on `name`.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_CLOSED`.
   */
  async setUntracked(name: string, untracked: boolean): Promise<void> {
    await this.#replace(`untracked ${name}`, untrackedElements(name, untracked));
  }

  /**
   * Everything anew in one transaction, in place of what was set before and of what a former run has left: packets meet either the old
   * rules or the new. A parent interface in `dropped` that is missing is reported to `onTrouble`. Returns the advice for all of it.
   *
   * @throws {OverlaneError} as the calls for one thing do.
   */
  async restore(state: HostState): Promise<PublicationAdvice> {
    checkOptions(stateSchema, state, 'restore');
    const { networks = {}, publications = {}, dropped = {}, untracked = [] } = state;
    const published = Object.entries(publications).map(([id, list]) => [id, checkPublications(list)] as const);
    const all: (readonly [string, Element[]])[] = [
      ...Object.entries(networks).map(
        ([id, network]) => [`network ${checkId(id, 'restore')}`, networkElements(network)] as const,
      ),
      ...published.map(([id, list]) => [`endpoint ${checkId(id, 'restore')}`, this.#elementsOf(list)] as const),
      ...Object.entries(dropped).map(([parent, ips]) => [`parent ${parent}`, droppedElements(parent, ips)] as const),
      ...untracked.map((name) => [`untracked ${name}`, untrackedElements(name, true)] as const),
    ];
    this.#mustBeOpen();
    await this.#transactions.reset(all);
    const { sysctls, proxied } = this.#advice(published.flatMap(([, list]) => list));
    const forwarding = Object.values(networks).flatMap(forwardingOf);
    return { sysctls: [...new Map([...forwarding, ...sysctls].map((one) => [one.path, one])).values()], proxied };
  }

  /** What stands in the way now; `onTrouble` is told too. Worth a call when another firewall was started. */
  async inspect(): Promise<Trouble[]> {
    this.#mustBeOpen();
    const troubles = await findTroubles(this.#nft, this.#table);
    for (const trouble of troubles) this.#report(trouble);
    return troubles;
  }

  /** Waits for what was asked for; with `remove` (the default) takes the tables away, else the rules stay in force. */
  close({ remove = true }: { remove?: boolean } = {}): Promise<void> {
    this.#closed ??= remove ? this.#transactions.remove() : this.#transactions.settled();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #replace(owner: string, elements: readonly Element[]): Promise<void> {
    this.#mustBeOpen();
    return this.#transactions.replace(owner, elements);
  }

  #mustBeOpen(): void {
    if (this.#closed === undefined) return;
    throw new OverlaneError('ERR_OVERLANE_CLOSED', 'the firewall was closed; open another one');
  }

  #elementsOf(publications: readonly Publication[]): Element[] {
    return publications.flatMap((publication) => publicationElements(publication, this.#loopback));
  }

  #advice(publications: readonly Publication[]): PublicationAdvice {
    const onLoopback = publications.filter(({ hostIp }) => isUnspecified(hostIp) || isLoopback(hostIp));
    const isProxied = ({ hostIp }: Publication) => hostIp.includes(':') || this.#loopback === 'proxy';
    const translated = onLoopback.filter((publication) => !isProxied(publication));
    const interfaces = [...new Set(translated.map((publication) => publication.interface))];
    return { sysctls: interfaces.map(localRoutingOf), proxied: onLoopback.filter(isProxied) };
  }
}

function checkPublications(publications: readonly Publication[]): Publication[] {
  if (!Array.isArray(publications))
    throw optionError(`publish takes a list of publications, not ${shown(publications)}`);
  const checked = publications.map(checkPublication);
  const seen = new Set<string>();
  for (const { protocol, hostIp, hostPort } of checked) {
    const place = `${protocol} port ${hostPort} of ${hostIp}`;
    if (seen.has(place)) throw optionError(`${place} is published twice by the same endpoint; leave one out`);
    seen.add(place);
  }
  return checked;
}

/** Elements of networks are their interfaces, and those of endpoints their ports. */
function taken({ key }: Element, holder: string): OverlaneError {
  if (holder.startsWith('endpoint ')) {
    return new OverlaneError(
      'ERR_OVERLANE_BUSY',
      `${key.replaceAll(' . ', ' ')} is published by ${holder}; choose another port of the host`,
    );
  }
  return new OverlaneError(
    'ERR_OVERLANE_EXISTS',
    `interface ${key} belongs to ${holder}; remove that first, or choose another interface`,
  );
}

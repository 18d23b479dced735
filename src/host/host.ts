/** The host of the networks: its forwarding and firewall, its ports that lead to endpoints, its sysctls. */
import { OverlaneError } from '../errors.js';
import { type Link, listLinks } from '../netns/links.js';
import { writeSysctl } from '../netns/sysctl.js';
import type { HostNetwork, Publication } from './element.js';
import { Firewall } from './firewall.js';
import { PublishedPorts } from './published-ports.js';
import type { Sysctl } from './sysctl.js';

export interface HostOptions {
  /** Tells the tables of several controllers apart. */
  tag: string;
  /** `none`: proxies for published ports, no masquerading, no isolation by the host. */
  firewall: 'auto' | 'none';
  warn: (message: string) => void;
}

export class Host {
  readonly ports: PublishedPorts;
  /** Opened beside other work; null: there is none. */
  readonly #opening: Promise<Firewall | null>;
  readonly #networks = new Map<string, HostNetwork>();
  readonly #untracked = new Set<string>();
  /** By parent, then by owner. */
  readonly #hidden = new Map<string, Map<string, readonly string[]>>();
  /** What is asked for meanwhile goes to the kernel at the end, at once. */
  #restoring = false;
  /** Of the host, as they were when `restoring()` began. */
  #links: Link[] | null = null;

  constructor(options: HostOptions) {
    this.#opening = options.firewall === 'none' ? Promise.resolve(null) : openFirewall(options);
    // Who asks for it is told.
    this.#opening.catch(() => {});
    this.ports = new PublishedPorts({
      translates: async () => (await this.#opening) !== null,
      translate: (endpoint, publications) => this.#translate(endpoint, publications),
      warn: options.warn,
    });
  }

  /** Runs `work`; what the firewall is asked for meanwhile takes effect at its end, in one step, and in place of all that was before. */
  async restoring(work: () => Promise<void>): Promise<void> {
    this.#restoring = true;
    this.#links = listLinks(null);
    try {
      await this.ports.mending(work);
    } finally {
      this.#restoring = false;
      this.#links = null;
    }
    const advice = await (await this.#opening)?.restore({
      networks: Object.fromEntries(this.#networks),
      publications: Object.fromEntries(this.ports.publications),
      dropped: Object.fromEntries([...this.#hidden].map(([parent, owners]) => [parent, [...owners.values()].flat()])),
      untracked: [...this.#untracked],
    });
    if (advice !== undefined) apply(advice.sysctls);
  }

  /** The host's interfaces; while it is restored, those at the beginning, as to ask for each of hundreds of networks takes long. */
  links(): Link[] {
    return this.#links ?? listLinks(null);
  }

  /** Forwards between the network's interface and the outside. */
  async addNetwork(id: string, network: HostNetwork): Promise<void> {
    this.#networks.set(id, network);
    if (this.#restoring) return;
    const firewall = await this.#opening;
    try {
      apply((await firewall?.setNetwork(id, network))?.sysctls);
      // An interface that was made anew has lost what was set for the ports that are published to it.
      for (const [endpoint, list] of this.ports.publications) {
        if (list.some((one) => one.interface === network.interface)) await this.#translate(endpoint, list);
      }
    } catch (error) {
      this.#networks.delete(id);
      // Of what it may have taken by then.
      await firewall?.removeNetwork(id).catch(() => {});
      throw error;
    }
  }

  async removeNetwork(id: string): Promise<void> {
    if (this.#networks.delete(id) && !this.#restoring) await (await this.#opening)?.removeNetwork(id);
  }

  /** Sends what comes to these ports to an endpoint, in place of those it had. */
  async #translate(endpoint: string, publications: readonly Publication[]): Promise<void> {
    if (this.#restoring) return;
    apply((await (await this.#opening)?.publish(endpoint, publications))?.sysctls);
  }

  /** Forwards for a network that is routed to through `link`; `untracked`: without remembering connections. */
  async route(link: string, families: readonly (4 | 6)[], untracked: boolean): Promise<void> {
    if (families.includes(4)) writeSysctl(null, 'net.ipv4.ip_forward', '1');
    if (families.includes(6)) writeSysctl(null, 'net.ipv6.conf.all.forwarding', '1');
    if (!untracked) return;
    this.#untracked.add(link);
    if (!this.#restoring) await (await this.#opening)?.setUntracked(link, true);
  }

  async unroute(link: string): Promise<void> {
    if (this.#untracked.delete(link) && !this.#restoring) await (await this.#opening)?.setUntracked(link, false);
  }

  /** Keeps packets for `ips`, which arrive on `parent`, from the host's own stack, in place of those that `owner` had hidden before. */
  async hide(parent: string, owner: string, ips: readonly string[]): Promise<void> {
    const owners = this.#hidden.get(parent) ?? new Map<string, readonly string[]>();
    const before = owners.get(owner);
    this.#hidden.set(parent, owners);
    if (ips.length > 0) owners.set(owner, ips);
    else owners.delete(owner);
    try {
      if (!this.#restoring) await this.hideAgain(parent);
    } catch (error) {
      // What is to be hidden no more need not be, whatever the firewall says.
      if (ips.length > 0 && before === undefined) owners.delete(owner);
      throw error;
    }
  }

  /** The kernel forgets it along with the interface: for when that is back. */
  async hideAgain(parent: string): Promise<void> {
    const owners = this.#hidden.get(parent);
    if (owners !== undefined) await (await this.#opening)?.setDropped(parent, [...owners.values()].flat());
  }

  /** Lets go of the ports; the firewall's rules stay in force, as containers go on. */
  async close(): Promise<void> {
    await this.ports.close();
    // One that could not be opened was reported to who asked for it.
    const firewall = await this.#opening.catch(() => null);
    await firewall?.close({ remove: false });
  }
}

async function openFirewall({ tag, warn }: HostOptions): Promise<Firewall | null> {
  try {
    const onTrouble = ({ message }: { message: string }) => warn(message);
    return await Firewall.open({ table: `overlane-${tag}`, onTrouble });
  } catch (error) {
    if (!(error instanceof OverlaneError) || error.code !== 'ERR_OVERLANE_MISSING') throw error;
    warn(`${error.message}; until then published ports go through a proxy, and nothing is masqueraded or isolated`);
    return null;
  }
}

function apply(sysctls: readonly Sysctl[] = []): void {
  for (const { path, value } of sysctls) writeSysctl(null, path.slice('/proc/sys/'.length), value);
}

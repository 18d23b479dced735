/** The host of the networks: its forwarding and firewall, its ports that lead to endpoints, its sysctls. */
import { withoutPrefix } from '../address.js';
import type { EndpointRecord, PublishedPort } from '../cnm/records.js';
import { OverlaneError } from '../errors.js';
import { type Link, listLinks } from '../netns/links.js';
import { writeSysctl } from '../netns/sysctl.js';
import { type HostNetwork, isUnspecified, type Publication } from './element.js';
import { Firewall } from './firewall.js';
import { PortAllocator, reserve } from './ports.js';
import { listen } from './proxy.js';
import type { Sysctl } from './sysctl.js';

export interface HostOptions {
  /** Tells the tables of several controllers apart. */
  tag: string;
  /** `none`: proxies for published ports, no masquerading, no isolation by the host. */
  firewall: 'auto' | 'none';
  warn: (message: string) => void;
}

/** Where an endpoint's ports are published. */
export interface PublishOptions {
  /** The host's interface towards the endpoint. */
  interface: string;
  /** For ports that name no address of the host; null: all of them. */
  hostIp: string | null;
}

/** A port of the host that is held, so that nobody else takes it. */
interface Held {
  close(): Promise<void>;
}

export class Host {
  /** Opened beside other work; null: there is none. */
  readonly #opening: Promise<Firewall | null>;
  readonly #networks = new Map<string, HostNetwork>();
  readonly #publications = new Map<string, Publication[]>();
  readonly #ports = new PortAllocator();
  readonly #untracked = new Set<string>();
  /** By parent, then by owner. */
  readonly #hidden = new Map<string, Map<string, readonly string[]>>();
  readonly #held = new Map<string, Held[]>();
  /** Ports of endpoints that are back, which somebody else has by now. */
  readonly #missed = new Map<string, Publication[]>();
  readonly #warn: (message: string) => void;
  /** What is asked for meanwhile goes to the kernel at the end, at once. */
  #restoring = false;
  /** Of the host, as they were when `restoring()` began. */
  #links: Link[] | null = null;
  /** Whether endpoints come that had joined before: with the ports that they can have. */
  #lenient = false;

  constructor(options: HostOptions) {
    this.#warn = options.warn;
    this.#opening = options.firewall === 'none' ? Promise.resolve(null) : openFirewall(options);
    // Who asks for it is told.
    this.#opening.catch(() => {});
  }

  /** Runs `work`; what the firewall is asked for meanwhile takes effect at its end, in one step, and in place of all that was before. */
  async restoring(work: () => Promise<void>): Promise<void> {
    this.#restoring = true;
    this.#links = listLinks(null);
    try {
      await this.mending(work);
    } finally {
      this.#restoring = false;
      this.#links = null;
    }
    const advice = await (await this.#opening)?.restore({
      networks: Object.fromEntries(this.#networks),
      publications: Object.fromEntries(this.#publications),
      dropped: Object.fromEntries([...this.#hidden].map(([parent, owners]) => [parent, [...owners.values()].flat()])),
      untracked: [...this.#untracked],
    });
    if (advice !== undefined) apply(advice.sysctls);
  }

  /** Runs `work`, in which endpoints come back: where somebody else has a port of theirs by now, they do without it, see {@link republish}. */
  async mending(work: () => Promise<void>): Promise<void> {
    this.#lenient = true;
    try {
      await work();
    } finally {
      this.#lenient = false;
    }
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
      for (const [endpoint, list] of this.#publications) {
        if (!list.some((one) => one.interface === network.interface)) continue;
        apply((await firewall?.publish(endpoint, list))?.sysctls);
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

  /** Finds a free port of the host for each that is 0. `ERR_OVERLANE_BUSY` when there is none. */
  async choosePorts(ports: readonly PublishedPort[]): Promise<PublishedPort[]> {
    const chosen: PublishedPort[] = [];
    for (const port of ports) {
      if (port.hostPort !== 0) chosen.push(port);
      else chosen.push({ ...port, hostPort: await this.#freePort(port) });
    }
    return chosen;
  }

  async #freePort({ protocol, hostIp, containerPort }: PublishedPort): Promise<number> {
    const ip = isUnspecified(hostIp) ? null : hostIp;
    const allocation = await this.#ports.allocate({ protocol, hostIp: ip, hostPorts: null, containerPort });
    await allocation.close();
    return allocation.hostPort;
  }

  /**
   * Makes the endpoint's ports answer on the host.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when one of them is taken.
   */
  async publish(endpoint: EndpointRecord, options: PublishOptions): Promise<void> {
    const publications = endpoint.ports.flatMap((port) => publicationsOf(endpoint, port, options));
    if (publications.length === 0) return;
    const held: Held[] = [];
    const missed: Publication[] = [];
    try {
      for (const one of publications) {
        await this.#hold(one).then(
          (hold) => held.push(hold),
          (error: Error) => {
            if (!this.#lenient) throw error;
            missed.push(one);
            this.#warn(
              `endpoint ${endpoint.name} is back without one of its ports, until it is free: ${error.message}`,
            );
          },
        );
      }
      await this.#translate(
        endpoint.id,
        publications.filter((one) => !missed.includes(one)),
      );
    } catch (error) {
      for (const one of held) await one.close();
      throw error;
    }
    this.#held.set(endpoint.id, held);
    if (missed.length > 0) this.#missed.set(endpoint.id, missed);
  }

  /** What the firewall does for an endpoint from now on; nothing has changed when it throws. */
  async #translate(id: string, publications: Publication[]): Promise<void> {
    const before = this.#publications.get(id);
    this.#publications.set(id, publications);
    if (this.#restoring) return;
    const firewall = await this.#opening;
    try {
      apply((await firewall?.publish(id, publications))?.sysctls);
    } catch (error) {
      if (before === undefined) this.#publications.delete(id);
      else this.#publications.set(id, before);
      await firewall?.publish(id, before ?? []).catch(() => {});
      throw error;
    }
  }

  /** Whether there are ports for `republish()`. */
  get incomplete(): boolean {
    return this.#missed.size > 0;
  }

  /** Tries again to have the ports that somebody else had when their endpoints came back. */
  async republish(): Promise<void> {
    for (const [id, missed] of this.#missed) {
      for (const one of [...missed]) {
        const hold = await this.#hold(one).catch(() => null);
        if (hold === null) continue;
        try {
          await this.#translate(id, [...(this.#publications.get(id) ?? []), one]);
        } catch {
          await hold.close();
          continue;
        }
        this.#held.get(id)?.push(hold);
        missed.splice(missed.indexOf(one), 1);
        this.#warn(`${one.protocol} port ${one.hostPort} of ${one.hostIp} is published again`);
      }
      if (missed.length === 0) this.#missed.delete(id);
    }
  }

  async unpublish(endpoint: EndpointRecord): Promise<void> {
    this.#missed.delete(endpoint.id);
    if (!this.#publications.delete(endpoint.id)) return;
    for (const one of this.#held.get(endpoint.id) ?? []) await one.close();
    this.#held.delete(endpoint.id);
    if (!this.#restoring) await (await this.#opening)?.unpublish(endpoint.id);
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
    for (const held of this.#held.values()) for (const one of held) await one.close();
    // One that could not be opened was reported to who asked for it.
    const firewall = await this.#opening.catch(() => null);
    await firewall?.close({ remove: false });
  }

  /** Where nftables translates, the socket only keeps others away; at IPv6's loopback nothing can translate, so there is a proxy. */
  async #hold(publication: Publication): Promise<Held> {
    const { protocol, hostIp, hostPort, containerIp, containerPort } = publication;
    const translated = !hostIp.includes(':') && (await this.#opening) !== null;
    if (translated) return reserve({ protocol, hostIp, hostPort });
    return listen({ protocol, hostIp, hostPort, containerIp, containerPort });
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

/** One for each IP version in which host and endpoint can meet. */
function publicationsOf(endpoint: EndpointRecord, port: PublishedPort, options: PublishOptions): Publication[] {
  const everywhere = isUnspecified(port.hostIp) && options.hostIp === null;
  const hostIp = isUnspecified(port.hostIp) ? (options.hostIp ?? port.hostIp) : port.hostIp;
  const hostIps = everywhere && port.hostIp === '0.0.0.0' ? ['0.0.0.0', '::'] : [hostIp];
  return hostIps.flatMap((ip) => {
    const six = ip.includes(':');
    const found = endpoint.addresses.find(({ address }) => address.includes(':') === six);
    if (found === undefined) return [];
    const containerIp = withoutPrefix(found.address);
    const { protocol, hostPort, containerPort } = port;
    return [{ protocol, hostIp: ip, hostPort, containerIp, containerPort, interface: options.interface }];
  });
}

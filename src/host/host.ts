/** The host of the networks: its forwarding and firewall, its ports that lead to endpoints, its sysctls. */
import type { EndpointRecord, PublishedPort } from '../cnm/records.js';
import { OverlaneError } from '../errors.js';
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
  /** What is asked for meanwhile goes to the kernel at the end, at once. */
  #restoring = false;

  constructor(options: HostOptions) {
    this.#opening = options.firewall === 'none' ? Promise.resolve(null) : openFirewall(options);
    // Who asks for it is told.
    this.#opening.catch(() => {});
  }

  /** Runs `work`; what the firewall is asked for meanwhile takes effect at its end, in one step, and in place of all that was before. */
  async restoring(work: () => Promise<void>): Promise<void> {
    this.#restoring = true;
    try {
      await work();
    } finally {
      this.#restoring = false;
    }
    const advice = await (await this.#opening)?.restore({
      networks: Object.fromEntries(this.#networks),
      publications: Object.fromEntries(this.#publications),
      dropped: Object.fromEntries([...this.#hidden].map(([parent, owners]) => [parent, [...owners.values()].flat()])),
      untracked: [...this.#untracked],
    });
    if (advice !== undefined) apply(advice.sysctls);
  }

  /** Forwards between the network's interface and the outside. */
  async addNetwork(id: string, network: HostNetwork): Promise<void> {
    this.#networks.set(id, network);
    if (this.#restoring) return;
    try {
      apply((await (await this.#opening)?.setNetwork(id, network))?.sysctls);
    } catch (error) {
      this.#networks.delete(id);
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
    try {
      for (const one of publications) held.push(await this.#hold(one));
      this.#publications.set(endpoint.id, publications);
      if (!this.#restoring) apply((await (await this.#opening)?.publish(endpoint.id, publications))?.sysctls);
    } catch (error) {
      this.#publications.delete(endpoint.id);
      for (const one of held) await one.close();
      throw error;
    }
    this.#held.set(endpoint.id, held);
  }

  async unpublish(endpoint: EndpointRecord): Promise<void> {
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
    this.#hidden.set(parent, owners);
    if (ips.length > 0) owners.set(owner, ips);
    else owners.delete(owner);
    if (!this.#restoring) await (await this.#opening)?.setDropped(parent, [...owners.values()].flat());
  }

  /** Lets go of the ports; the firewall's rules stay in force, as containers go on. */
  async close(): Promise<void> {
    for (const held of this.#held.values()) for (const one of held) await one.close();
    await (await this.#opening)?.close({ remove: false });
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
    const containerIp = found.address.slice(0, found.address.indexOf('/'));
    const { protocol, hostPort, containerPort } = port;
    return [{ protocol, hostIp: ip, hostPort, containerIp, containerPort, interface: options.interface }];
  });
}

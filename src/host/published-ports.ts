/** Ports of the host that lead to endpoints: who has them, and who waits for one that somebody else has. */
import { withoutPrefix } from '../address.js';
import type { EndpointRecord, PublishedPort } from '../cnm/records.js';
import { isUnspecified, type Publication } from './element.js';
import { PortAllocator, reserve } from './ports.js';
import { listen } from './proxy.js';

export interface PublishedPortsOptions {
  /** Whether a firewall translates; else there are proxies. */
  translates(): Promise<boolean>;
  /** What the firewall does for an endpoint from now on, in place of what it did. */
  translate(endpoint: string, publications: readonly Publication[]): Promise<void>;
  warn(message: string): void;
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

export class PublishedPorts {
  readonly #options: PublishedPortsOptions;
  readonly #allocator = new PortAllocator();
  readonly #publications = new Map<string, Publication[]>();
  readonly #held = new Map<string, Held[]>();
  /** Ports of endpoints that are back, which somebody else has by now. */
  readonly #missed = new Map<string, Publication[]>();
  /** Whether endpoints come that had joined before: with the ports that they can have. */
  #lenient = false;

  constructor(options: PublishedPortsOptions) {
    this.#options = options;
  }

  /** What is published now, by endpoint. */
  get publications(): ReadonlyMap<string, readonly Publication[]> {
    return this.#publications;
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

  /** Finds a free port of the host for each that is 0. `ERR_OVERLANE_BUSY` when there is none. */
  async choose(ports: readonly PublishedPort[]): Promise<PublishedPort[]> {
    const chosen: PublishedPort[] = [];
    for (const port of ports) {
      if (port.hostPort !== 0) chosen.push(port);
      else chosen.push({ ...port, hostPort: await this.#freePort(port) });
    }
    return chosen;
  }

  async #freePort({ protocol, hostIp, containerPort }: PublishedPort): Promise<number> {
    const ip = isUnspecified(hostIp) ? null : hostIp;
    const allocation = await this.#allocator.allocate({ protocol, hostIp: ip, hostPorts: null, containerPort });
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
            this.#options.warn(
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
    try {
      await this.#options.translate(id, publications);
    } catch (error) {
      if (before === undefined) this.#publications.delete(id);
      else this.#publications.set(id, before);
      await this.#options.translate(id, before ?? []).catch(() => {});
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
        this.#options.warn(`${one.protocol} port ${one.hostPort} of ${one.hostIp} is published again`);
      }
      if (missed.length === 0) this.#missed.delete(id);
    }
  }

  async unpublish(endpoint: EndpointRecord): Promise<void> {
    this.#missed.delete(endpoint.id);
    if (!this.#publications.delete(endpoint.id)) return;
    for (const one of this.#held.get(endpoint.id) ?? []) await one.close();
    this.#held.delete(endpoint.id);
    await this.#options.translate(endpoint.id, []);
  }

  /** Lets go of the ports; what the firewall does stays in force. */
  async close(): Promise<void> {
    for (const held of this.#held.values()) for (const one of held) await one.close();
  }

  /** Where nftables translates, the socket only keeps others away; at IPv6's loopback nothing can translate, so there is a proxy. */
  async #hold(publication: Publication): Promise<Held> {
    const { protocol, hostIp, hostPort, containerIp, containerPort } = publication;
    const translated = !hostIp.includes(':') && (await this.#options.translates());
    if (translated) return reserve({ protocol, hostIp, hostPort });
    return listen({ protocol, hostIp, hostPort, containerIp, containerPort });
  }
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

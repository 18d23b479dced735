/** A network: subnets and a driver, which endpoints are on. */
import { OverlaneError } from '../errors.js';
import { connectSandbox, leaveSandbox, releaseEndpoint, reserveEndpoint } from './attach.js';
import { type Core, change, driverOf, networkOf } from './core.js';
import { Endpoint } from './endpoint.js';
import { checkEndpoint, type EndpointOptions } from './options.js';
import type { NetworkRecord } from './records.js';
import type { Sandbox } from './sandbox.js';

/** Made by {@link Controller.createNetwork}. */
export class Network {
  readonly id: string;
  readonly #core: Core;

  /** @internal */
  constructor(core: Core, id: string) {
    this.#core = core;
    this.id = id;
  }

  /** All there is to know of it. Throws `ERR_OVERLANE_MISSING` when it has been removed. */
  get record(): Readonly<NetworkRecord> {
    return networkOf(this.#core, this.id);
  }

  get name(): string {
    return this.record.name;
  }

  /** Those that joined first at the front. */
  get endpoints(): Endpoint[] {
    return this.#core.registry.endpointsOf(this.id).map(({ id }) => new Endpoint(this.#core, id));
  }

  /** Names of the dataplane's bridges that carry it on this node. */
  get bridges(): string[] {
    return driverOf(this.#core, this.record.driver).bridges(this.record);
  }

  /**
   * Makes an endpoint, with addresses of its own, that has yet to join a sandbox.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXHAUSTED` when no address is left, `ERR_OVERLANE_EXISTS` when the one asked for is taken,
   *   `ERR_OVERLANE_OPTION` when it is in no subnet.
   */
  async createEndpoint(options: EndpointOptions = {}): Promise<Endpoint> {
    checkEndpoint(options);
    return change(this.#core, async () => {
      const endpoint = reserveEndpoint(this.#core, this.record, options);
      try {
        this.#core.registry.commit({ put: [{ kind: 'endpoint', record: endpoint }] });
      } catch (error) {
        releaseEndpoint(this.#core, endpoint);
        throw error;
      }
      return new Endpoint(this.#core, endpoint.id);
    });
  }

  /**
   * Makes an endpoint and joins it to a sandbox, in one step: all of it, or nothing.
   *
   * @throws {OverlaneError} as {@link createEndpoint} and {@link Endpoint.join}.
   */
  async connect(sandbox: Sandbox, options: EndpointOptions = {}): Promise<Endpoint> {
    checkEndpoint(options);
    return change(this.#core, async () => {
      const { id } = await connectSandbox(this.#core, this.record, sandbox.record, options);
      return new Endpoint(this.#core, id);
    });
  }

  /** Takes a sandbox off the network: its endpoint here leaves and is removed. `ERR_OVERLANE_MISSING` when it has none. */
  async disconnect(sandbox: Sandbox): Promise<void> {
    return change(this.#core, async () => {
      const { id, name } = sandbox.record;
      const endpoint = this.#core.registry.endpointsOf(id).find(({ network }) => network === this.id);
      if (endpoint === undefined) {
        throw new OverlaneError('ERR_OVERLANE_MISSING', `sandbox ${name} is not connected to network ${this.name}`);
      }
      await leaveSandbox(this.#core, endpoint, true);
    });
  }

  /** Removes it. `ERR_OVERLANE_BUSY` while it has endpoints, or is one of those that are always there. */
  async delete(): Promise<void> {
    return change(this.#core, async () => removeNetwork(this.#core, this.record));
  }
}

export async function removeNetwork(core: Core, network: NetworkRecord): Promise<void> {
  const count = core.registry.countOf(network.id);
  if (network.predefined) {
    throw new OverlaneError(
      'ERR_OVERLANE_PERMISSION',
      `${network.name} is a pre-defined network and cannot be removed`,
    );
  }
  if (count > 0) {
    throw new OverlaneError(
      'ERR_OVERLANE_BUSY',
      `network ${network.name} has active endpoints (${count}); disconnect or remove them first`,
    );
  }
  core.registry.commit({ remove: [{ kind: 'network', id: network.id }] });
  try {
    await driverOf(core, network.driver).close(network);
  } catch (error) {
    core.context.warn(`network ${network.name} was removed, but not all of it is gone: ${(error as Error).message}`);
  }
  for (const { id } of network.pools) core.ipam.releasePool(id);
  const attributes = { name: network.name, type: network.driver };
  core.emit({ type: 'network', action: 'destroy', id: network.id, name: network.name, attributes });
}

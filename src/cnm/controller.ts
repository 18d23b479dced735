/** The controller: networks, sandboxes and endpoints of one node, on one dataplane, remembered in a store. */
import { EventEmitter } from 'node:events';
import type { Dataplane } from '../dataplane/dataplane.js';
import { type ControllerOptions, openCore } from './controller-open.js';
import { type Core, change } from './core.js';
import type { ControllerEvent, ControllerEvents } from './events.js';
import { resolve } from './ids.js';
import { makeNetwork } from './make-network.js';
import { Network, removeNetwork } from './network.js';
import { checkNetwork, checkSandbox, type NetworkOptions, type SandboxOptions } from './options.js';
import type { NetworkRecord } from './records.js';
import { createSandbox, Sandbox } from './sandbox.js';

/**
 * Container networks as Docker has them (the Container Network Model): a sandbox is a network namespace, an endpoint is its place on a
 * network, a driver makes the network. What a call has returned survives the process, however it ends: {@link Controller.open} brings it
 * back, takes over the interfaces of running containers without disturbing them, and removes what nobody remembers.
 *
 * Changes are carried out one after another. One that throws has left nothing half-made.
 */
export class Controller extends EventEmitter<ControllerEvents> {
  readonly #core: Core;
  readonly #close: () => Promise<void>;

  private constructor(core: Core, close: () => Promise<void>) {
    super();
    this.#core = core;
    this.#close = close;
  }

  /**
   * Opens the store, and brings back what it holds.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when another process has the store open; `ERR_OVERLANE_STORE` when it cannot be read;
   *   `ERR_OVERLANE_PERMISSION` without CAP_NET_ADMIN and CAP_SYS_ADMIN.
   */
  static async open(options: ControllerOptions): Promise<Controller> {
    const waiting: (() => void)[] = [];
    let controller: Controller | undefined;
    const say = (tell: (to: Controller) => void) => {
      if (controller !== undefined) tell(controller);
      else waiting.push(() => tell(controller!));
    };
    const { core, close } = await openCore(options, {
      event: (event) => say((to) => to.emit('event', { ...event, time: Date.now() } satisfies ControllerEvent)),
      warning: (message) => say((to) => to.emit('warning', message)),
    });
    controller = new Controller(core, close);
    // What was said meanwhile, as soon as somebody can listen.
    setImmediate(() => {
      for (const tell of waiting) tell();
    });
    return controller;
  }

  get networks(): Network[] {
    return [...this.#core.registry.network.keys()].map((id) => new Network(this.#core, id));
  }

  get sandboxes(): Sandbox[] {
    return [...this.#core.registry.sandbox.keys()].map((id) => new Sandbox(this.#core, id));
  }

  /** Names of the drivers that there are. */
  get drivers(): string[] {
    return [...this.#core.drivers.keys()];
  }

  /** The dataplane that carries them, to look at its tables and counters: what is changed there, the controller does not know of. */
  get dataplane(): Dataplane {
    return this.#core.context.dataplane;
  }

  /** By id, name, or the beginning of an id. Throws `ERR_OVERLANE_MISSING`. */
  network(ref: string): Network {
    return new Network(this.#core, resolve(ref, 'network', this.#core.registry.network).id);
  }

  /** As {@link network}. */
  sandbox(ref: string): Sandbox {
    return new Sandbox(this.#core, resolve(ref, 'sandbox', this.#core.registry.sandbox).id);
  }

  /**
   * Makes a network.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when the name is taken, `ERR_OVERLANE_OVERLAP` when a subnet is another network's,
   *   `ERR_OVERLANE_EXHAUSTED` when the default pools are used up, `ERR_OVERLANE_MISSING` without such a driver or parent,
   *   `ERR_OVERLANE_OPTION`.
   */
  async createNetwork(options: NetworkOptions): Promise<Network> {
    checkNetwork(options);
    return change(this.#core, async () => new Network(this.#core, (await makeNetwork(this.#core, options)).id));
  }

  /**
   * Makes a sandbox, with a network namespace of its own or around a given one.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when the name or the namespace is taken, `ERR_OVERLANE_MISSING` when there is no such
   *   namespace; as {@link Network.connect}.
   */
  async createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
    checkSandbox(options);
    return change(this.#core, async () => new Sandbox(this.#core, (await createSandbox(this.#core, options)).id));
  }

  /** Removes the networks without endpoints that `wanted` accepts, less the predefined ones; gives their names. */
  async pruneNetworks(wanted: (network: NetworkRecord) => boolean = () => true): Promise<string[]> {
    return change(this.#core, async () => {
      const { registry } = this.#core;
      const unused = [...registry.network.values()].filter(
        (network) => !network.predefined && registry.countOf(network.id) === 0 && wanted(network),
      );
      for (const network of unused) await removeNetwork(this.#core, network);
      return unused.map(({ name }) => name);
    });
  }

  /** Lets go of everything without taking it away: containers keep their interfaces, and the next `open()` takes them over. */
  async close(): Promise<void> {
    if (!this.#core.open) return;
    await this.#core.changes.run(async () => {
      this.#core.open = false;
      await this.#close();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** An endpoint: a place on a network, which one sandbox at a time may have. */
import { joinSandbox, leaveSandbox } from './attach.js';
import { type Core, change, driverOf, endpointOf, networkOf } from './core.js';
import type { EndpointRecord } from './records.js';
import { releaseEndpoint } from './reserve.js';
import type { Sandbox } from './sandbox.js';

/** Made by {@link Network.createEndpoint}. */
export class Endpoint {
  readonly id: string;
  readonly #core: Core;

  /** @internal */
  constructor(core: Core, id: string) {
    this.#core = core;
    this.id = id;
  }

  /** All there is to know of it. Throws `ERR_OVERLANE_MISSING` when it has been removed. */
  get record(): Readonly<EndpointRecord> {
    return endpointOf(this.#core, this.id);
  }

  /** Name of its port of the dataplane; null: not joined, or the network has none. */
  get port(): string | null {
    const { network, sandbox } = this.record;
    return sandbox === null ? null : driverOf(this.#core, networkOf(this.#core, network).driver).port(this.record);
  }

  /**
   * Brings it into a sandbox: an interface with its addresses appears there. Traffic of others goes on.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when it is in a sandbox already, or the sandbox is on this network already;
   *   `ERR_OVERLANE_MISSING` when the namespace is gone; what the driver and the system say.
   */
  async join(sandbox: Sandbox): Promise<void> {
    await change(this.#core, async () => {
      await joinSandbox(this.#core, this.record, sandbox.record);
    });
  }

  /** Takes it out of its sandbox; it keeps its addresses. Does nothing when it is in none. */
  async leave(): Promise<void> {
    await change(this.#core, async () => {
      if (this.record.sandbox !== null) await leaveSandbox(this.#core, this.record, false);
    });
  }

  /** Removes it, after it has left; its addresses are free. */
  async delete(): Promise<void> {
    await change(this.#core, async () => {
      const { record } = this;
      if (record.sandbox !== null) await leaveSandbox(this.#core, record, true);
      else {
        this.#core.registry.commit({ remove: [{ kind: 'endpoint', id: record.id }] });
        releaseEndpoint(this.#core, record);
      }
    });
  }
}

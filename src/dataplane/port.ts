/** A port: where frames come in and go out. */
import { type ErrorCode, OverlaneError } from '../errors.js';
import type { NativeDataplane } from '../native.js';
import type { Bridge } from './bridge.js';
import type { Burst } from './burst.js';
import { optionError } from './check.js';
import { burstArrays, burstTimes } from './frames.js';
import { closed, type State } from './state.js';
import { native } from './undo.js';

/** Made by {@link Dataplane.addPort}. */
export class Port {
  /** Unique among the ports of the dataplane. */
  readonly name: string;
  readonly type: 'memory' | 'pcap';
  /** Bytes of the largest IP packet that it transmits. */
  readonly mtu: number;
  /** The capture that it receives from, if it is a pcap port with one. */
  readonly read: string | null;
  /** The capture that it transmits into, if it is a pcap port with one. */
  readonly write: string | null;
  /** Memory ports: whether what was injected is received again and again. */
  readonly loop: boolean;
  /** @internal Row of the native tables. */
  readonly index: number;
  readonly #state: State;

  /** @internal */
  constructor(state: State, index: number, facts: Pick<Port, 'name' | 'type' | 'mtu' | 'read' | 'write' | 'loop'>) {
    this.#state = state;
    this.index = index;
    this.name = facts.name;
    this.type = facts.type;
    this.mtu = facts.mtu;
    this.read = facts.read;
    this.write = facts.write;
    this.loop = facts.loop;
    state.uses.set(this, { bridge: null, underlays: new Set() });
  }

  /** The bridge that it is attached to. */
  get bridge(): Bridge | null {
    return this.#state.use(this).bridge;
  }

  /** Pcap ports: the first failure, such as a full disk or a broken capture; null while there is none. Packets that could not be written
   * count as `drop_port_error`. */
  get error(): string | null {
    return this.failure?.message ?? null;
  }

  /** @internal The failure with its code. */
  get failure(): { code: ErrorCode; message: string } | null {
    return this.#open().portError(this.index);
  }

  /**
   * Memory ports: copies frames to be received by the next `run()`; all of them, or none.
   *
   * @param frames - a burst, or a list of frames. Without timestamps a frame gets the time of the run that receives it.
   * @throws {OverlaneError} `ERR_OVERLANE_QUEUE_FULL` when they do not fit `queueBytes`; `ERR_OVERLANE_OPTION` when the burst's arrays do
   *   not agree or this is no memory port.
   */
  inject(frames: Burst | readonly Uint8Array[]): this {
    const side = this.#open();
    this.#onlyMemory('inject');
    const { data, offsets, lengths, count } = burstArrays(frames, 'inject');
    const times = burstTimes(frames, count, 'inject');
    const fits = native(`port '${this.name}'`, () => side.inject(this.index, data, offsets, lengths, count, times));
    if (fits) return this;
    throw new OverlaneError(
      'ERR_OVERLANE_QUEUE_FULL',
      `port '${this.name}' has no room for ${count} more frames; call run() first, inject fewer, or raise its queueBytes`,
    );
  }

  /** Memory ports: takes everything that was transmitted since the last call, in order; an empty burst when there is nothing. */
  drain(): Burst {
    const side = this.#open();
    this.#onlyMemory('drain');
    return side.drain(this.index);
  }

  /**
   * Takes the port out of the dataplane and closes its files.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` while it is attached to a bridge or carries an underlay.
   */
  close(): void {
    if (this.#state.closed || !this.#state.uses.has(this)) return;
    this.#state.claim(this, 'bridge');
    const side = this.#state.native;
    native(`port '${this.name}'`, () => side.removePort(this.index));
    this.#state.ports.delete(this);
    this.#state.uses.delete(this);
  }

  /** The native side, for as long as this port is part of it. */
  #open(): NativeDataplane {
    const side = this.#state.native;
    if (!this.#state.uses.has(this)) throw closed('port', this.name);
    return side;
  }

  #onlyMemory(verb: string): void {
    if (this.type === 'memory') return;
    throw optionError(`${verb}() is for memory ports; '${this.name}' is a ${this.type} port, which works on files`);
  }
}

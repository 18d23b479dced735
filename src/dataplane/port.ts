/** A port: where frames come in and go out. */

import { formatMac } from '../address.js';
import { type ErrorCode, OverlaneError } from '../errors.js';
import type { NativeDataplane } from '../native.js';
import Type from '../schema.js';
import type { Bridge } from './bridge.js';
import type { Burst } from './burst.js';
import { checkOptions, flag, optionError, optionsOf } from './check.js';
import { burstArrays, burstTimes } from './frames.js';
import { type Capture, type CaptureListener, type CaptureOptions, endCaptures, openCapture } from './port-capture.js';
import { closed, type State } from './state.js';
import { native } from './undo.js';

/** What is known of a port when it is made. */
export interface PortFacts {
  name: string;
  type: 'memory' | 'pcap' | 'tap' | 'packet' | 'xdp';
  mtu: number;
  read?: string | null;
  write?: string | null;
  loop?: boolean;
  interface?: string;
  netns?: string | null;
  mac?: Uint8Array;
  detail?: string;
  persistent?: boolean;
}

/** Of {@link Port.close}. */
export interface ClosePortOptions {
  /** Persistent TAPs: the interface stays, to be taken over later; default false. */
  keep?: boolean;
}

const closeOptions = optionsOf<ClosePortOptions>({ keep: Type.Optional(flag) });

/** Made by {@link Dataplane.addPort}. */
export class Port {
  /** Unique among the ports of the dataplane. */
  readonly name: string;
  readonly type: 'memory' | 'pcap' | 'tap' | 'packet' | 'xdp';
  /** The capture that it receives from, if it is a pcap port with one. */
  readonly read: string | null;
  /** The capture that it transmits into, if it is a pcap port with one. */
  readonly write: string | null;
  /** Memory ports: whether what was injected is received again and again. */
  readonly loop: boolean;
  /** Live ports: name of the interface. */
  readonly interface: string | null;
  /** Live ports: path of the network namespace of the interface; null: that of this process. */
  readonly netns: string | null;
  /** Live ports: MAC of the interface when the port was opened. */
  readonly mac: string | null;
  /** Live ports: words about how the interface was opened, such as `native, copy`; may be empty. */
  readonly detail: string | null;
  /** TAPs: whether the interface stays when the dataplane closes, or the process dies. */
  readonly persistent: boolean;
  /** @internal Row of the native tables. */
  readonly index: number;
  readonly #state: State;
  #mtu: number;

  /** @internal */
  constructor(state: State, index: number, facts: PortFacts) {
    this.#state = state;
    this.index = index;
    this.name = facts.name;
    this.type = facts.type;
    this.#mtu = facts.mtu;
    this.read = facts.read ?? null;
    this.write = facts.write ?? null;
    this.loop = facts.loop ?? false;
    this.interface = facts.interface ?? null;
    this.netns = facts.netns ?? null;
    this.mac = facts.mac === undefined ? null : formatMac(facts.mac);
    this.detail = facts.detail ?? null;
    this.persistent = facts.persistent ?? false;
    state.uses.set(this, { bridges: new Map(), underlays: new Set() });
  }

  /** Bytes of the largest IP packet that it transmits; of a live port, the interface's, which may change (see the event `link`). */
  get mtu(): number {
    return this.#mtu;
  }

  /** @internal The interface has another MTU now. */
  linkChanged(mtu: number): void {
    this.#mtu = mtu;
  }

  /** The bridges that it is attached to: one, or as a trunk any number, each with another VLAN of it. */
  get bridges(): Bridge[] {
    return [...this.#state.use(this).bridges.keys()];
  }

  /**
   * The failure of the port, such as a full disk, a broken capture or an interface that is gone; null while there is none. Packets that
   * could not be written count as `drop_port_error`.
   */
  get error(): string | null {
    return this.failure?.message ?? null;
  }

  /** @internal The failure with its code. */
  get failure(): { code: ErrorCode; message: string } | null {
    return this.#open().portError(this.index);
  }

  /**
   * Memory ports: copies frames to be received by the next `run()`, live at once; all of them, or none.
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
      `port '${this.name}' has no room for ${count} more frames; ${this.#state.live ? 'wait a little' : 'call run() first'}, inject fewer, or raise its queueBytes`,
    );
  }

  /** Memory ports: takes everything that was transmitted since the last call, in order; an empty burst when there is nothing. */
  drain(): Burst {
    const side = this.#open();
    this.#onlyMemory('drain');
    return side.drain(this.index);
  }

  /**
   * Copies what the port receives and transmits from now on, as the port sees it: super-frames whole, with VLAN tags, and also what is
   * dropped after it was received, or refused by the interface. The listener is called with bursts when the workers have some, in manual
   * mode at the end of `run()`; if the port or the dataplane is closed, with what is left. It gets the burst's arrays for itself. TCP and
   * UDP checksums that the sender left open are finished in the copy. A listener that is too slow loses copies, never packets.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_LIMIT` when four captures of the port are open, or there is no memory for the buffer.
   */
  capture(listener: CaptureListener, options: CaptureOptions = {}): Capture {
    this.#open();
    return openCapture(this.#state, this, listener, options);
  }

  /**
   * Takes the port out of the dataplane and closes its files. The interface of a tap port goes away, a persistent one too unless told to
   * keep it; those of others stay. The kernel needs some 30 ms to take an interface away, which happens afterwards in the background; a
   * port added with the same name waits for it, and so does {@link Dataplane.close}.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` while it is attached to a bridge or carries an underlay; `ERR_OVERLANE_OPTION` for `keep`
   *   of a port that is no persistent TAP.
   */
  close(options: ClosePortOptions = {}): void {
    const { keep = false } = checkOptions(closeOptions, options, 'close');
    if (keep && !this.persistent) {
      throw optionError(
        `option 'keep' of close is for persistent tap ports, which '${this.name}' is not; leave it out, or add the port with persistent: true`,
      );
    }
    if (this.#state.closed || !this.#state.uses.has(this)) return;
    this.#state.claim(this, 'bridge');
    const side = this.#state.native;
    native(`port '${this.name}'`, () => side.removePort(this.index, keep));
    this.#state.ports.delete(this);
    this.#state.uses.delete(this);
    endCaptures(this.#state, this);
  }

  /** The native side, for as long as this port is part of it. */
  #open(): NativeDataplane {
    const side = this.#state.native;
    if (!this.#state.uses.has(this)) throw closed('port', this.name);
    return side;
  }

  #onlyMemory(verb: string): void {
    if (this.type === 'memory') return;
    throw optionError(
      `${verb}() is for memory ports; '${this.name}' is a ${this.type} port, which works on ${this.type === 'pcap' ? 'files' : 'an interface'}`,
    );
  }
}

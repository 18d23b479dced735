/** Captures of a port while it works: copies of what it receives and transmits. */

import { OverlaneError } from '../errors.js';
import Type from '../schema.js';
import type { CapturedBurst } from './capture.js';
import { checkOptions, optionError, optionsOf, shown, whole } from './check.js';
import type { Port } from './port.js';
import type { State } from './state.js';
import { native } from './undo.js';

/** Of {@link Port.capture}. */
export interface CaptureOptions {
  /** Bytes copied of each packet at most, 1 to 262144, which is the default and more than any packet has. */
  snaplen?: number;
  /**
   * Bytes of copies that may wait for the listener, for each worker; rounded up to a power of two. 262144 (256 KiB) to 268435456
   * (256 MiB), default 4194304 (4 MiB).
   */
  bufferBytes?: number;
}

/** Packets that passed a port, in order; several workers' as far as they are there. */
export interface PortBurst extends CapturedBurst {
  /** Of each packet: 1 the port received it, 2 it was handed to the port to transmit. */
  directions: Uint8Array;
  /** Of each packet: how many before it were lost, since the one before it that the same worker copied. */
  lostBefore: Uint32Array;
}

export type CaptureListener = (burst: PortBurst) => void;

/** Of one port. */
const MOST_CAPTURES = 4;

const schema = optionsOf<CaptureOptions>({
  snaplen: Type.Optional(whole(1, 262_144, ' bytes')),
  bufferBytes: Type.Optional(whole(1 << 18, 1 << 28, ' bytes')),
});

/** Made by {@link Port.capture}. */
export class Capture {
  /** Resolves when it is over: closed, or its port or dataplane was. */
  readonly ended: Promise<void>;
  /** @internal */
  readonly port: Port;
  readonly #state: State;
  readonly #index: number;
  readonly #listener: CaptureListener;
  #resolve: () => void = () => {};
  #closed = false;
  #lost = 0n;

  /** @internal */
  constructor(state: State, port: Port, index: number, listener: CaptureListener) {
    this.#state = state;
    this.port = port;
    this.#index = index;
    this.#listener = listener;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    state.captures.add(this);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Packets that were not copied because the buffer was full. Counted at the port, too, as `capture_lost`. */
  get lost(): bigint {
    return this.#closed ? this.#lost : this.#state.native.captureLost(this.#index);
  }

  /** Ends it at once: what the listener has not been given is discarded. Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const side = this.#state.native;
    native('capture', () => side.stopCapture(this.#index));
    this.#lost = side.captureLost(this.#index);
    side.removeCapture(this.#index);
    this.#state.captures.delete(this);
    this.#resolve();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Gives the listener what there is by now; what it threw. */
  deliver(): unknown[] {
    const thrown: unknown[] = [];
    for (let look = true; !this.#closed; look = false) {
      const burst = this.#state.native.captured(this.#index, look);
      if (burst === null) break;
      try {
        this.#listener(burst);
      } catch (error) {
        thrown.push(error);
      }
    }
    return thrown;
  }

  /** @internal Its port goes, or is gone: the listener gets the rest. */
  end(): unknown[] {
    if (this.#closed) return [];
    this.#state.native.stopCapture(this.#index);
    const thrown = this.deliver();
    this.close();
    return thrown;
  }
}

/** As {@link Port.capture} says. */
export function openCapture(state: State, port: Port, listener: CaptureListener, options: CaptureOptions): Capture {
  const { snaplen = 262_144, bufferBytes = 1 << 22 } = checkOptions(schema, options, 'capture');
  if (typeof listener !== 'function') {
    throw optionError(`capture takes a function that is given bursts, not ${shown(listener)}`);
  }
  if ([...state.captures].filter((other) => other.port === port).length >= MOST_CAPTURES) {
    throw new OverlaneError(
      'ERR_OVERLANE_LIMIT',
      `port '${port.name}' has ${MOST_CAPTURES} captures already; close one of them`,
    );
  }
  const side = state.native;
  const index = native(`port '${port.name}'`, () => side.addCapture(port.index, snaplen, bufferBytes));
  return new Capture(state, port, index, listener);
}

/** Gives every listener what there is; what they threw. */
export function deliverCaptures(state: State): unknown[] {
  return [...state.captures].flatMap((capture) => capture.deliver());
}

/** Ends the captures of a port, or all, with what is left for their listeners. What these throw is thrown later, by nobody's call. */
export function endCaptures(state: State, port?: Port): void {
  for (const capture of [...state.captures]) {
    if (port === undefined || capture.port === port) throwLater(capture.end());
  }
}

/** For what must not interrupt: each becomes an uncaught exception, as with any EventEmitter. */
export function throwLater(errors: readonly unknown[]): void {
  for (const error of errors) {
    process.nextTick(() => {
      throw error;
    });
  }
}

/** What the handles of one dataplane share. Internal: no handle gives it away. */
import { OverlaneError } from '../errors.js';
import type { NativeDataplane } from '../native.js';
import type { Bridge } from './bridge.js';
import { optionError, shown } from './check.js';
import type { Port } from './port.js';
import type { Underlay } from './underlay.js';

/** Who a port works for: one bridge, or any number of underlays. */
export interface PortUse {
  bridge: Bridge | null;
  underlays: Set<Underlay>;
}

interface Handle {
  readonly index: number;
  readonly name: string;
}

/** The handles of one kind, by name and by the index that the native side gave them. */
export class Registry<H extends Handle> {
  readonly byName = new Map<string, H>();
  readonly #byIndex = new Map<number, H>();
  readonly #noun: string;
  /** By stem, the number to try first. */
  readonly #ordinals = new Map<string, number>();

  constructor(noun: string) {
    this.#noun = noun;
  }

  /** The name asked for when it is free, or the next free one that begins with `stem`. */
  nameFor(wish: string | undefined, stem: string): string {
    if (wish !== undefined) {
      if (!this.byName.has(wish)) return wish;
      throw new OverlaneError('ERR_OVERLANE_EXISTS', `there is a ${this.#noun} '${wish}' already; choose another name`);
    }
    let ordinal = this.#ordinals.get(stem) ?? 0;
    while (this.byName.has(`${stem}${ordinal}`)) ordinal++;
    this.#ordinals.set(stem, ordinal);
    return `${stem}${ordinal}`;
  }

  add(handle: H): H {
    this.byName.set(handle.name, handle);
    this.#byIndex.set(handle.index, handle);
    return handle;
  }

  delete(handle: H): void {
    this.byName.delete(handle.name);
    this.#byIndex.delete(handle.index);
  }

  at(index: number): H | undefined {
    return this.#byIndex.get(index);
  }

  /** The handle itself, when it is one of these and open. */
  own(value: unknown, what: string): H {
    const handle = value as H;
    if (typeof value === 'object' && value !== null && this.#byIndex.get(handle.index) === handle) return handle;
    const named = typeof value === 'object' && value !== null && typeof (value as { name?: unknown }).name === 'string';
    const culprit = named ? `'${handle.name}'` : shown(value);
    throw optionError(`${what} must be an open ${this.#noun} of this dataplane, not ${culprit}`);
  }
}

export class State {
  readonly ports = new Registry<Port>('port');
  readonly underlays = new Registry<Underlay>('underlay');
  readonly bridges = new Registry<Bridge>('bridge');
  readonly uses = new Map<Port, PortUse>();
  readonly fdbEntries: number;
  readonly #native: NativeDataplane;
  closed = false;

  constructor(native: NativeDataplane, fdbEntries: number) {
    this.#native = native;
    this.fdbEntries = fdbEntries;
  }

  /** The native side of an open dataplane. */
  get native(): NativeDataplane {
    if (this.closed) throw new OverlaneError('ERR_OVERLANE_CLOSED', 'the dataplane is closed; make a new one');
    return this.#native;
  }

  use(port: Port): PortUse {
    return this.uses.get(port) ?? { bridge: null, underlays: new Set() };
  }

  /** Throws unless the port is free for `wish`: a port belongs to one bridge, or carries underlays. */
  claim(port: Port, wish: 'bridge' | 'underlay'): void {
    const { bridge, underlays } = this.use(port);
    const [underlay] = underlays;
    if (bridge !== null) {
      throw busy(`port '${port.name}' is attached to bridge '${bridge.name}'; detach it first`);
    }
    if (wish === 'bridge' && underlay !== undefined) {
      throw busy(
        `port '${port.name}' carries underlay '${underlay.name}'; attach another port, or close the underlay first`,
      );
    }
  }
}

export function busy(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_BUSY', message);
}

export function closed(noun: string, name: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_CLOSED', `${noun} '${name}' is closed; add it again`);
}

/** What the handles of one dataplane share. Internal: no handle gives it away. */
import { OverlaneError } from '../errors.js';
import type { NativeDataplane } from '../native.js';
import type { Bridge } from './bridge.js';
import { UNTAGGED } from './bridge-options.js';
import { optionError, shown } from './check.js';
import { Keyrings } from './keyrings.js';
import type { Port } from './port.js';
import type { Capture } from './port-capture.js';
import type { Router } from './router.js';
import type { UdpUnderlay, Underlay } from './underlay.js';

/** Who a port works for: bridges, each with a VLAN of its own or one with what has no tag, or any number of underlays. */
export interface PortUse {
  /** The native VLAN of each. */
  bridges: Map<Bridge, number>;
  underlays: Set<Underlay>;
}

/** A row of counters. */
export interface CounterRow {
  name: string;
  row: number;
  owner: Port | UdpUnderlay;
  /** Of the sockets of ESP. */
  twin: boolean;
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
  /** The noun of another kind that has the name, where the kinds share names. */
  readonly #elsewhere: (name: string) => string | null;

  constructor(noun: string, elsewhere: (name: string) => string | null = () => null) {
    this.#noun = noun;
    this.#elsewhere = elsewhere;
  }

  /** The name asked for when it is free, or the next free one that begins with `stem`. */
  nameFor(wish: string | undefined, stem: string): string {
    if (wish !== undefined) {
      const noun = this.#holder(wish);
      if (noun === null) return wish;
      throw new OverlaneError('ERR_OVERLANE_EXISTS', `there is a ${noun} '${wish}' already; choose another name`);
    }
    let ordinal = this.#ordinals.get(stem) ?? 0;
    while (this.#holder(`${stem}${ordinal}`) !== null) ordinal++;
    this.#ordinals.set(stem, ordinal);
    return `${stem}${ordinal}`;
  }

  /** The first of some names that is free, else the last one with a number. */
  firstFree(names: readonly string[]): string {
    const free = names.find((name) => this.#holder(name) === null);
    return free ?? this.nameFor(undefined, `${names.at(-1)}.`);
  }

  #holder(name: string): string | null {
    return this.byName.has(name) ? this.#noun : this.#elsewhere(name);
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
  /** What has counters has a name of its own: a `udp` underlay is named like no port. */
  readonly ports: Registry<Port> = new Registry('port', (name) =>
    this.underlays.byName.get(name)?.type === 'udp' ? 'udp underlay' : null,
  );
  readonly underlays: Registry<Underlay> = new Registry('underlay');
  readonly bridges = new Registry<Bridge>('bridge');
  readonly routers = new Registry<Router>('router');
  readonly keyrings: Keyrings;
  readonly uses = new Map<Port, PortUse>();
  /** The open ones. */
  readonly captures = new Set<Capture>();
  readonly fdbEntries: number;
  /** 0 in manual mode. */
  readonly workers: number;
  readonly #native: NativeDataplane;
  started = false;
  closed = false;

  constructor(native: NativeDataplane, config: { fdbEntries: number; workers: readonly unknown[] }) {
    this.#native = native;
    this.keyrings = new Keyrings(native);
    this.fdbEntries = config.fdbEntries;
    this.workers = config.workers.length;
  }

  get live(): boolean {
    return this.workers > 0;
  }

  /** What has a row of counters: the ports, and the `udp` underlays, which bring their own, and another for each of their twins. */
  rows(): CounterRow[] {
    const ports = [...this.ports.byName.values()].map((owner) => ({
      name: owner.name,
      row: owner.index,
      owner,
      twin: false,
    }));
    const underlays = [...this.underlays.byName.values()].flatMap((owner) => {
      if (owner.type !== 'udp') return [];
      const own = { name: owner.name, row: owner.row, owner, twin: false };
      const twins = owner.twins.map(({ name, row }) => ({ name, row: row!, owner, twin: true }));
      return [own, ...twins];
    });
    return [...ports, ...underlays];
  }

  /** The native side of an open dataplane. */
  get native(): NativeDataplane {
    if (this.closed) throw new OverlaneError('ERR_OVERLANE_CLOSED', 'the dataplane is closed; make a new one');
    return this.#native;
  }

  use(port: Port): PortUse {
    return this.uses.get(port) ?? { bridges: new Map(), underlays: new Set() };
  }

  /** Throws unless the port is free for `wish`: a port belongs to bridges, or carries underlays. */
  claim(port: Port, wish: 'bridge' | 'underlay'): void {
    const { bridges, underlays } = this.use(port);
    const [underlay] = underlays;
    for (const bridge of bridges.keys()) {
      throw busy(`port '${port.name}' is attached to bridge '${bridge.name}'; detach it first`);
    }
    if (wish === 'bridge' && underlay !== undefined) {
      throw busy(
        `port '${port.name}' carries underlay '${underlay.name}'; attach another port, or close the underlay first`,
      );
    }
  }
}

/** Throws unless the bridge may have that VLAN of the port: each belongs to one bridge, and a bridge has one of each port. */
export function claimVlan(state: State, port: Port, bridge: Bridge, vlan: number): void {
  const { bridges } = state.use(port);
  if (bridges.size === 0) state.claim(port, 'bridge');
  for (const [other, taken] of bridges) {
    const who = `attached to bridge '${other.name}'`;
    if (other === bridge) throw busy(`port '${port.name}' is ${who}; detach it first`);
    if (other.mapped || bridge.mapped) {
      throw busy(
        `port '${port.name}' is ${who}, and a bridge with a VLAN map needs the port for itself; detach it first`,
      );
    }
    if (taken !== vlan) continue;
    if (vlan === UNTAGGED)
      throw busy(`port '${port.name}' is ${who}; detach it first, or attach a VLAN of it with 'vlan'`);
    throw busy(`VLAN ${vlan} of port '${port.name}' is ${who}; detach it there first, or attach another VLAN`);
  }
}

export function busy(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_BUSY', message);
}

export function closed(noun: string, name: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_CLOSED', `${noun} '${name}' is closed; add it again`);
}

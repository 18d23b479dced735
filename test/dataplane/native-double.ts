/** A native side that only writes down what it is told: for what happens between a keyring and a dataplane. */

import { openBridge } from '../../src/dataplane/bridge-open.js';
import { type BridgeOptions, bridgeOptions } from '../../src/dataplane/bridge-options.js';
import { openPort } from '../../src/dataplane/port-open.js';
import { State } from '../../src/dataplane/state.js';
import { openUnderlay } from '../../src/dataplane/underlay-open.js';
import type { UnderlayOptions } from '../../src/index.js';
import { addon, type NativeDataplane, type NativeEvent } from '../../src/native.js';

type Call = [string, ...unknown[]];

export class NativeDouble {
  readonly calls: Call[] = [];
  readonly state: State;
  /** By method: the error that it throws. */
  readonly broken = new Map<string, Error & { code?: string }>();
  happened: Partial<NativeEvent>[] = [];
  #next: Record<string, number> = {};

  constructor(workers = 1) {
    const side = new Proxy({}, { get: (_, method: string) => this.#method(method) }) as NativeDataplane;
    this.state = new State(side, { fdbEntries: 1024, workers: Array(workers).fill({}) });
  }

  #method(method: string) {
    return (...args: unknown[]) => {
      const error = this.broken.get(method);
      if (error !== undefined) throw error;
      if (method === 'counters') return new BigUint64Array(addon.counterNames.length * 16);
      if (method === 'events') return this.happened.splice(0);
      if (method === 'portError') return null;
      this.calls.push([method, ...args.map(copied)]);
      return this.#result(method);
    };
  }

  #result(method: string): unknown {
    const next = (kind: string, from = 0) => {
      const index = this.#next[kind] ?? from;
      this.#next[kind] = index + 1;
      return index;
    };
    if (method === 'addKeyring') return next('keyring', 1);
    if (method === 'addBridge') return next('bridge');
    if (method === 'addFrameUnderlay') return next('underlay');
    if (method === 'addUdpUnderlay') return { underlay: next('underlay'), port: next('port'), mtu: 1500 };
    return method.endsWith('Port') && method.startsWith('add') ? next('port') : undefined;
  }

  /** Calls of these methods since the last time. */
  take(...methods: string[]): Call[] {
    const taken = this.calls.filter(([method]) => methods.length === 0 || methods.includes(method));
    this.calls.length = 0;
    return taken;
  }

  port(name: string) {
    return openPort(this.state, { type: 'memory', name });
  }

  underlay(options: UnderlayOptions) {
    return openUnderlay(this.state, options);
  }

  bridge(options: BridgeOptions) {
    const name = this.state.bridges.nameFor(options.name, 'bridge');
    return openBridge(this.state, name, bridgeOptions(options, 1024));
  }
}

/** Keys as ids and hex, as they are wiped afterwards. */
function copied(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: { id?: number; secret?: Uint8Array }) =>
    item.secret === undefined ? item : `${item.id} ${Buffer.from(item.secret).toString('hex')}`,
  );
}

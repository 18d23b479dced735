/** Changes in the order they were asked for, one nft at a time; those that wait go together in one transaction. */
import type { OverlaneError } from '../errors.js';
import { difference, Ledger } from './ledger.js';
import type { Nft } from './nft.js';
import { baseScript, changeScript, type Element, netdevScript, type RulesetOptions, removeScript } from './ruleset.js';
import type { Trouble } from './trouble.js';

/** Most changes in one transaction. */
const BATCH_LIMIT = 256;

interface Change {
  owner: string;
  elements: readonly Element[];
  done: (error?: unknown) => void;
}

type Task = { change: Change } | { run: () => Promise<void> };

export interface TransactionsOptions extends RulesetOptions {
  nft: Pick<Nft, 'apply'>;
  /** Whether the kernel has the netdev family. */
  netdev: boolean;
  report: (trouble: Trouble) => void;
  /** The error for an element that someone else holds. */
  taken: (element: Element, holder: string) => OverlaneError;
}

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #waiting: Task[] = [];
  #ledger = new Ledger();
  #running = false;
  /** Whether the kernel has our table as the ledger says. */
  #whole = false;

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  /** Gives `owner` these elements in place of those it had. Rejects, and nothing has changed, when they are taken or nft refuses them. */
  replace(owner: string, elements: readonly Element[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: unknown) => (error === undefined ? resolve() : reject(error));
      this.#enqueue({ change: { owner, elements, done } });
    });
  }

  /** Everything anew, in one transaction. */
  reset(all: readonly (readonly [owner: string, elements: readonly Element[]])[]): Promise<void> {
    return this.#alone(async () => {
      const next = new Ledger();
      for (const [owner, elements] of all) {
        this.#free(next, owner, elements);
        next.replace(owner, elements);
      }
      const before = this.#ledger;
      this.#ledger = next;
      try {
        await this.#rewrite([]);
      } catch (error) {
        this.#ledger = before;
        throw error;
      }
    });
  }

  /** After everything that waits: takes our tables away. */
  remove(): Promise<void> {
    return this.#alone(async () => {
      const { nft, table, netdev } = this.#options;
      await nft.apply(removeScript(table, netdev));
      this.#whole = false;
    });
  }

  /** Resolves when everything that waits now is done. */
  settled(): Promise<void> {
    return this.#alone(async () => {});
  }

  #alone(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ run: () => work().then(resolve, reject) });
    });
  }

  #enqueue(task: Task): void {
    this.#waiting.push(task);
    if (this.#running) return;
    this.#running = true;
    // Those that are asked for in the same turn go together.
    setImmediate(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      if ('run' in task) await task.run();
      else await this.#commit([task.change, ...this.#following()]);
    }
    this.#running = false;
  }

  #following(): Change[] {
    const batch: Change[] = [];
    for (let next = this.#waiting[0]; next !== undefined && 'change' in next; next = this.#waiting[0]) {
      if (batch.length + 1 >= BATCH_LIMIT) break;
      batch.push(next.change);
      this.#waiting.shift();
    }
    return batch;
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    const accepted: { change: Change; before: readonly Element[] }[] = [];
    for (const change of changes) {
      try {
        this.#free(this.#ledger, change.owner, change.elements);
        accepted.push({ change, before: this.#ledger.replace(change.owner, change.elements) });
      } catch (error) {
        change.done(error);
      }
    }
    if (accepted.length === 0) return;
    const first = new Map<string, readonly Element[]>();
    for (const { change, before } of accepted) if (!first.has(change.owner)) first.set(change.owner, before);
    try {
      await this.#write(first, accepted.length === 1);
    } catch (error) {
      for (const { change, before } of accepted.toReversed()) this.#ledger.replace(change.owner, before);
      if (accepted.length === 1) accepted[0]!.change.done(error);
      else for (const { change } of accepted) await this.#commit([change]);
      return;
    }
    for (const { change } of accepted) change.done();
  }

  #free(ledger: Ledger, owner: string, elements: readonly Element[]): void {
    const conflict = ledger.conflict(owner, elements);
    if (conflict !== undefined) throw this.#options.taken(conflict.element, conflict.holder);
  }

  /** Brings the kernel to what the ledger says now. `before` has what the owners that changed had. */
  async #write(before: ReadonlyMap<string, readonly Element[]>, single: boolean): Promise<void> {
    const owners = [...before.keys()];
    if (!this.#whole) return this.#rewrite(owners);
    const after = owners.flatMap((owner) => this.#ledger.of(owner));
    const { removed, added } = difference([...before.values()].flat(), after);
    if (removed.length + added.length === 0) return;
    const { nft, table, report } = this.#options;
    try {
      await nft.apply(changeScript(table, removed, added));
    } catch (error) {
      if (!single || (error as OverlaneError).code !== 'ERR_OVERLANE_SYSTEM') throw error;
      // Either the change is bad, or the table is not what we left: then it can be written whole.
      await this.#rewrite(owners).catch(() => {
        throw error;
      });
      const message = `table ${table} had been changed or removed by another program and was written anew; let other firewalls flush their own tables only, not the ruleset`;
      report({ kind: 'rewritten', message });
    }
  }

  /** The whole of both tables. A parent interface that is missing is trouble, and an error only when it is one of `owners` who wants it. */
  async #rewrite(owners: readonly string[]): Promise<void> {
    const { nft, table, netdev } = this.#options;
    const elements = this.#ledger.all();
    const script = (wanted: readonly Element[]) =>
      baseScript(this.#options) + (netdev ? netdevScript(table, true) : '') + changeScript(table, [], wanted);
    try {
      await nft.apply(script(elements));
      this.#whole = true;
      return;
    } catch (error) {
      if (!elements.some(({ set }) => set === 'ingress')) throw error;
    }
    this.#whole = false;
    await nft.apply(script(elements.filter(({ set }) => set !== 'ingress')));
    for (const owner of this.#ledger.owners()) await this.#hookOne(owner, owners.includes(owner));
    this.#whole = true;
  }

  async #hookOne(owner: string, wanted: boolean): Promise<void> {
    const { nft, table, report } = this.#options;
    const chains = this.#ledger.of(owner).filter(({ set }) => set === 'ingress');
    if (chains.length === 0) return;
    try {
      await nft.apply(changeScript(table, [], chains));
    } catch (error) {
      if (wanted) throw error;
      const message = `interface ${chains[0]!.key} has no filter: ${(error as Error).message}; call setDropped again when it is there`;
      report({ kind: 'ingress', message });
    }
  }
}

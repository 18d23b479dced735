/** What exists, in memory and in the store: the store first, so that what a caller was told is never lost. */
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.js';
import type { Store } from './store.js';

/** Kinds of records, as the store names them. */
interface Kinds {
  network: NetworkRecord;
  sandbox: SandboxRecord;
  endpoint: EndpointRecord;
}
export type Kind = keyof Kinds;

export type Put = { [K in Kind]: { kind: K; record: Kinds[K] } }[Kind];

export interface Changes {
  put?: Put[];
  remove?: { kind: Kind; id: string }[];
}

/** The records, by id. They are replaced, never changed. */
export class Registry {
  readonly network = new Map<string, NetworkRecord>();
  readonly sandbox = new Map<string, SandboxRecord>();
  readonly endpoint = new Map<string, EndpointRecord>();
  readonly #store: Store;
  /** What the store has yet to be told. */
  #owed: Changes = {};
  /** Endpoints by sandbox and by network, as there may be thousands. */
  readonly #of = new Map<string, Set<string>>();

  constructor(store: Store) {
    this.#store = store;
    for (const record of store.load('network'))
      this.#put({ kind: 'network', record: record as unknown as NetworkRecord });
    for (const record of store.load('sandbox'))
      this.#put({ kind: 'sandbox', record: record as unknown as SandboxRecord });
    for (const record of store.load('endpoint'))
      this.#put({ kind: 'endpoint', record: record as unknown as EndpointRecord });
  }

  /** All of it or nothing; throws `ERR_OVERLANE_STORE`. */
  commit(changes: Changes): void {
    this.#store.commit(inTurn(this.#owed, changes) as Parameters<Store['commit']>[0]);
    this.#owed = {};
    this.#apply(changes);
  }

  /** What is so in any case, such as that a join has failed: where the store refuses it, it gets it with the next commit. */
  note(changes: Changes): void {
    try {
      this.commit(changes);
    } catch {
      this.#owed = inTurn(this.#owed, changes);
      this.#apply(changes);
    }
  }

  #apply({ put = [], remove = [] }: Changes): void {
    for (const { kind, id } of remove) this.#remove(kind, id);
    for (const one of put) this.#put(one);
  }

  /** Endpoints of a network or of a sandbox, those that joined first at the front. */
  endpointsOf(id: string): EndpointRecord[] {
    const found = [...(this.#of.get(id) ?? [])].map((endpoint) => this.endpoint.get(endpoint)!);
    return found.sort((a, b) => a.rank - b.rank);
  }

  countOf(id: string): number {
    return this.#of.get(id)?.size ?? 0;
  }

  #put(put: Put): void {
    if (put.kind === 'endpoint') {
      this.#unlink(put.record.id);
      for (const owner of [put.record.network, put.record.sandbox]) {
        if (owner === null) continue;
        const set = this.#of.get(owner) ?? new Set();
        this.#of.set(owner, set.add(put.record.id));
      }
    }
    (this[put.kind] as Map<string, unknown>).set(put.record.id, put.record);
  }

  #remove(kind: Kind, id: string): void {
    if (kind === 'endpoint') this.#unlink(id);
    else this.#of.delete(id);
    this[kind].delete(id);
  }

  #unlink(id: string): void {
    const old = this.endpoint.get(id);
    if (old === undefined) return;
    for (const owner of [old.network, old.sandbox]) if (owner !== null) this.#of.get(owner)?.delete(id);
  }
}

/** Changes and then others, which have the last word on what both name. */
function inTurn(before: Changes, after: Changes): Changes {
  const { put = [], remove = [] } = after;
  const named = new Set([...put.map(({ record }) => record.id), ...remove.map(({ id }) => id)]);
  return {
    put: [...(before.put ?? []).filter(({ record }) => !named.has(record.id)), ...put],
    remove: [...(before.remove ?? []).filter(({ id }) => !named.has(id)), ...remove],
  };
}

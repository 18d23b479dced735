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
    this.#store.commit(changes as Parameters<Store['commit']>[0]);
    for (const { kind, id } of changes.remove ?? []) this.#remove(kind, id);
    for (const put of changes.put ?? []) this.#put(put);
  }

  close(): void {
    this.#store.close();
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

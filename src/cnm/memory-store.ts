/** A store without a disk: for tests, and for networks that need not outlive the process. */
import { OverlaneError } from '../errors.js';
import { type Changes, checkName, encodeChanges, type Store, type StoredRecord } from './store.js';

/** Keeps records as text in memory, so that nobody shares an object with it. Nothing outlives it. */
export class MemoryStore implements Store {
  /** By kind, then by id; undefined once closed. */
  #kinds: Map<string, Map<string, string>> | undefined = new Map();

  load(kind: string): Iterable<StoredRecord> {
    const records = this.#open().get(checkName(kind, 'kind')) ?? new Map<string, string>();
    return [...records]
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([, json]) => JSON.parse(json) as StoredRecord);
  }

  commit(changes: Changes): void {
    const kinds = this.#open();
    const { put, remove } = encodeChanges(changes);
    for (const { kind, id, json } of put) {
      const records = kinds.get(kind) ?? new Map<string, string>();
      kinds.set(kind, records.set(id, json));
    }
    for (const { kind, id } of remove) kinds.get(kind)?.delete(id);
  }

  close(): void {
    this.#kinds = undefined;
  }

  #open(): Map<string, Map<string, string>> {
    if (this.#kinds) return this.#kinds;
    throw new OverlaneError('ERR_OVERLANE_CLOSED', 'the store is closed; open a new one');
  }
}

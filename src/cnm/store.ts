/** Where the records of networks, endpoints and sandboxes are kept: a small interface, so that a cluster store can stand behind it. */
import { OverlaneError } from '../errors.js';

/** Plain JSON: strings, finite numbers, booleans, null, arrays and plain objects. */
export interface StoredRecord {
  /** Unique within its kind. */
  readonly id: string;
}

/** What one {@link Store.commit} does, as a whole or not at all. A record may occur once. */
export interface Changes {
  /** New or replaced. */
  put?: readonly { kind: string; record: StoredRecord }[];
  /** What is not there is no error. */
  remove?: readonly { kind: string; id: string }[];
}

/** Keeps records by kind and id. */
export interface Store {
  /**
   * The records of a kind (`network`, `endpoint`, `sandbox`, …), in the order of their ids in
   * UTF-8; copies, as of this call. Their shape is for the caller to know.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_STORE`, `ERR_OVERLANE_CLOSED`.
   */
  load(kind: string): Iterable<StoredRecord>;

  /**
   * All or nothing. When it returns, the end of this process takes nothing back.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_STORE` with what to do when the disk is full, read-only and so on; nothing has
   *   changed then. `ERR_OVERLANE_OPTION` for a record that JSON cannot hold, `ERR_OVERLANE_CLOSED`.
   */
  commit(changes: Changes): void;

  /** Frees what it holds; a second time does nothing. */
  close(): void;
}

/** {@link Changes} as a store writes them down. */
export interface EncodedChanges {
  put: { kind: string; id: string; json: string }[];
  remove: { kind: string; id: string }[];
}

const MOST_DEPTH = 64;

/**
 * Checks changes and turns their records into text.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` naming the record, and the value that JSON cannot hold.
 */
export function encodeChanges({ put = [], remove = [] }: Changes): EncodedChanges {
  const seen = new Set<string>();
  const once = (kind: unknown, id: unknown): { kind: string; id: string } => {
    const name = { kind: checkName(kind, 'kind'), id: checkName(id, 'id') };
    const key = JSON.stringify([name.kind, name.id]);
    if (seen.has(key)) throw refuse(`${kind} ${JSON.stringify(id)} occurs twice in one commit; put or remove it once`);
    seen.add(key);
    return name;
  };
  return {
    put: put.map(({ kind, record }) => {
      const name = once(kind, record?.id);
      checkJson(record, `${kind} ${JSON.stringify(record.id)}`, 0);
      return { ...name, json: JSON.stringify(record) };
    }),
    remove: remove.map(({ kind, id }) => once(kind, id)),
  };
}

/** @throws {OverlaneError} `ERR_OVERLANE_OPTION` unless it is text that a store gives back as it was. */
export function checkName(value: unknown, what: 'kind' | 'id'): string {
  // A lone surrogate is replaced on the way to UTF-8.
  if (typeof value === 'string' && /^[^\0\p{Cs}]{1,256}$/u.test(value)) return value;
  throw refuse(`the ${what} of a record must be text of 1 to 256 characters, not ${show(value)}`);
}

function checkJson(value: unknown, where: string, depth: number): void {
  if (depth > MOST_DEPTH) throw refuse(`${where} goes deeper than ${MOST_DEPTH} levels; does it contain itself?`);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkJson(value[i], `${where}[${i}]`, depth + 1);
    return;
  }
  if (typeof value === 'object' && isPlain(value)) {
    for (const [key, inner] of Object.entries(value)) checkJson(inner, `${where}.${key}`, depth + 1);
    return;
  }
  throw refuse(
    `${where} is ${show(value)}, which a record cannot hold; keep text, finite numbers, booleans, null, arrays and plain objects`,
  );
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'strange object'}`;
  return typeof value === 'function' ? 'a function' : String(value);
}

function refuse(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

/** A store in one SQLite file. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type Database from 'better-sqlite3';
import { OverlaneError } from '../errors.js';
import { type Changes, checkName, encodeChanges, type Store, type StoredRecord } from './store.js';
import { corrupt, missingDriver, prepareFile, storeError } from './store-file.js';

/** Marks the file as ours: "ovln". */
const APPLICATION = 0x6f766c6e;
/** Of what is in the file. A change of it needs a way to bring older files along. */
const SCHEMA_VERSION = 1;
const SCHEMA = `
CREATE TABLE record (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  json TEXT NOT NULL,
  crc INTEGER NOT NULL, -- SQLite would not notice a bit that fell over within a value
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = ${APPLICATION};
PRAGMA user_version = ${SCHEMA_VERSION};`;

interface Row {
  id: string;
  json: string;
  crc: number;
}

interface Statements {
  load: Database.Statement<[string], Row>;
  put: Database.Statement<[string, string, string, number]>;
  remove: Database.Statement<[string, string]>;
}

export interface SqliteStoreOptions {
  /**
   * `system` (default): the operating system writes commits to the disk when it sees fit. A loss of power may take the last
   * ones back, in order and each as a whole; the end of the process, however hard, takes nothing.
   * `commit`: each commit waits for the disk (some 4 ms where the other takes 0.1 ms) and survives a loss of power too.
   */
  flush?: 'system' | 'commit';
}

/**
 * Keeps records in a file that one process has for itself, mode 0600. What was committed survives the end of the process at
 * any instant; what a loss of power may cost says {@link SqliteStoreOptions.flush}.
 */
export class SqliteStore implements Store {
  readonly #file: string;
  readonly #db: Database.Database;
  readonly #statements: Statements;

  /**
   * Opens the file, or makes it and the folders above it.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when another process has it, `ERR_OVERLANE_MISSING` when better-sqlite3 is not
   *   built, `ERR_OVERLANE_OPTION` for no path, `ERR_OVERLANE_STORE` for anything else: no permission, corrupt, of a newer
   *   version, or of another program. The file is never replaced.
   */
  constructor(file: string, { flush = 'system' }: SqliteStoreOptions = {}) {
    if (flush !== 'system' && flush !== 'commit') {
      throw new OverlaneError('ERR_OVERLANE_OPTION', `flush is "system" or "commit", not ${JSON.stringify(flush)}`);
    }
    if (typeof file !== 'string' || file === '' || file.includes('\0')) {
      throw new OverlaneError(
        'ERR_OVERLANE_OPTION',
        'a store needs the path of a file, such as "/var/lib/overlane/store.db"',
      );
    }
    // A relative path would follow the working directory; ":memory:" would be no file.
    this.#file = path.resolve(file);
    prepareFile(this.#file);
    this.#db = openDatabase(this.#file);
    try {
      this.#statements = this.#attempt(() => prepare(this.#db, this.#file, flush));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  load(kind: string): Iterable<StoredRecord> {
    checkName(kind, 'kind');
    this.#expectOpen();
    const rows = this.#attempt(() => this.#statements.load.all(kind));
    return rows.map(({ id, json, crc }) => {
      if (crc !== checksum(kind, id, json)) throw corrupt(this.#file, `${kind} ${JSON.stringify(id)} was altered`);
      return JSON.parse(json) as StoredRecord;
    });
  }

  commit(changes: Changes): void {
    const { put, remove } = encodeChanges(changes);
    this.#expectOpen();
    const statements = this.#statements;
    const write = this.#db.transaction(() => {
      for (const { kind, id, json } of put) statements.put.run(kind, id, json, checksum(kind, id, json));
      for (const { kind, id } of remove) statements.remove.run(kind, id);
    });
    if (put.length + remove.length > 0) this.#attempt(() => write.immediate());
  }

  close(): void {
    this.#db.close();
  }

  #expectOpen(): void {
    if (!this.#db.open) throw new OverlaneError('ERR_OVERLANE_CLOSED', 'the store is closed; open a new one');
  }

  #attempt<T>(call: () => T): T {
    try {
      return call();
    } catch (cause) {
      throw storeError(this.#file, cause);
    }
  }
}

/** Only who opens a store loads better-sqlite3. */
function openDatabase(file: string): Database.Database {
  let driver: typeof Database;
  try {
    driver = createRequire(import.meta.url)('better-sqlite3') as typeof Database;
  } catch (cause) {
    throw missingDriver(cause);
  }
  try {
    // Another process keeps it for as long as it runs, so waiting is of no use.
    return new driver(file, { timeout: 0 });
  } catch (cause) {
    throw storeError(file, cause);
  }
}

function prepare(db: Database.Database, file: string, flush: 'system' | 'commit'): Statements {
  // Before the first access, so that there is no shared memory, and the lock is for good.
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${flush === 'commit' ? 'FULL' : 'NORMAL'}`);
  const problem = db.pragma('quick_check(1)', { simple: true });
  if (problem !== 'ok') throw corrupt(file, String(problem).split('\n').at(-1)!);
  db.transaction(() => checkSchema(db, file)).immediate();
  return {
    load: db.prepare<[string], Row>('SELECT id, json, crc FROM record WHERE kind = ? ORDER BY id'),
    put: db.prepare('INSERT OR REPLACE INTO record (kind, id, json, crc) VALUES (?, ?, ?, ?)'),
    remove: db.prepare('DELETE FROM record WHERE kind = ? AND id = ?'),
  };
}

function checkSchema(db: Database.Database, file: string): void {
  const application = db.pragma('application_id', { simple: true });
  const version = Number(db.pragma('user_version', { simple: true }));
  const empty = db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if (empty && application === 0 && version === 0) {
    db.exec(SCHEMA);
  } else if (application !== APPLICATION) {
    throw new OverlaneError('ERR_OVERLANE_STORE', `${file} is a database of another program; choose another path`);
  } else if (version > SCHEMA_VERSION) {
    throw new OverlaneError(
      'ERR_OVERLANE_STORE',
      `${file} was written by a newer overlane (schema ${version}, this one knows ${SCHEMA_VERSION}); ` +
        'use that version, or choose another path',
    );
  } else if (version !== SCHEMA_VERSION) {
    throw corrupt(file, `it says schema ${version}, which never was`);
  }
}

/** As SQLite's signed integers hold it. */
function checksum(kind: string, id: string, json: string): number {
  return crc32(JSON.stringify([kind, id, json]));
}

/** The file of a store: made before SQLite sees it, and what goes wrong with it in words that help. */
import { accessSync, chmodSync, closeSync, constants, mkdirSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import { OverlaneError } from '../errors.js';

/**
 * Makes folders and file where they are missing, for the owner only.
 *
 * An existing file is never opened here: closing it would free SQLite's lock on it, which belongs to the process.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_STORE`.
 */
export function prepareFile(file: string): void {
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat && !stat.isFile())
      throw new OverlaneError('ERR_OVERLANE_STORE', `${file} is not a file; choose another path`);
    refuseOrphanLog(file, stat?.size ?? 0);
    if (!stat) create(file);
    else if ((stat.mode & 0o077) !== 0) chmodSync(file, 0o600);
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw storeError(file, cause);
  }
}

function create(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    // Another process made it in this moment: SQLite's lock decides whose it is.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** SQLite would remove the log of an empty file, and with it what was committed. */
function refuseOrphanLog(file: string, size: number): void {
  if (size > 0) return;
  const log = `${file}-wal`;
  const stat = statSync(log, { throwIfNoEntry: false });
  if (!stat || stat.size === 0) return;
  throw new OverlaneError(
    'ERR_OVERLANE_STORE',
    `${file} is empty or gone, but its log ${log} is there: put the file back from a backup, or remove the log to start anew`,
  );
}

/** A file whose content cannot be trusted. */
export function corrupt(file: string, how: string, cause?: unknown): OverlaneError {
  return new OverlaneError(
    'ERR_OVERLANE_STORE',
    `the store ${file} is corrupt (${how}); put it back from a backup, or move it and ${file}-wal away to start anew`,
    { cause },
  );
}

/** better-sqlite3 is not there, or was not built for this Node. */
export function missingDriver(cause: unknown): OverlaneError {
  return new OverlaneError(
    'ERR_OVERLANE_MISSING',
    'a store in a file needs the package better-sqlite3, which is not installed or not built for this Node: ' +
      'npm install better-sqlite3 (in a checkout of overlane: npm run build)',
    { cause },
  );
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^(SQLITE_FULL|ENOSPC|EDQUOT|EFBIG)/, 'the disk or quota is full; make room, then try again'],
  [/^(SQLITE_READONLY|EROFS)/, 'it is read-only; make it writable for this user, or choose another path'],
  [/^(SQLITE_PERM|SQLITE_AUTH|EACCES|EPERM)/, 'this user may not write there; chown it, or choose another path'],
  [
    /^(SQLITE_CANTOPEN|ENOENT|ENOTDIR|EEXIST|ELOOP|ENAMETOOLONG)/,
    'it cannot be opened; check the path and its permissions',
  ],
  [/^(SQLITE_IOERR|EIO)/, 'the disk fails to read or write; look for its errors in the log of the kernel (dmesg)'],
];

/** Any failure of the store as an error that says what to do. */
export function storeError(file: string, cause: unknown): OverlaneError {
  if (cause instanceof OverlaneError) return cause;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new OverlaneError(
      'ERR_OVERLANE_BUSY',
      `the store ${file} is in use: one process can have it, once; end the other one (fuser ${file} shows it), or choose another path`,
      { cause },
    );
  }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return corrupt(file, message, cause);
  if (code === 'ERR_DLOPEN_FAILED' || message.includes('bindings file')) return missingDriver(cause);
  const hint = HINTS.find(([pattern]) => pattern.test(code))?.[1] ?? 'look at the cause';
  return new OverlaneError('ERR_OVERLANE_STORE', `the store ${file}: ${hint} (${message})`, { cause });
}

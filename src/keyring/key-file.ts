/**
 * Key files: text, `#` begins a comment, one key a line, all of one profile, at most three:
 *
 *     strong <id> <64 hex digits> [since <ISO date>]
 *     docker <tag> <32 or 64 hex digits>
 *
 * Only the owner may read or write one. Secrets never become strings, which could not be wiped.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { checkOptions, expects, oneOf, optionError, optionsOf, whole } from '../dataplane/check.js';
import { type ErrorCode, OverlaneError } from '../errors.js';
import Type from '../schema.js';
import { readSince } from './keyring-options.js';
import { hexSecret, type KeyBits, type Profile, secretBytes, secretHex, secretRoom, wipe } from './secret.js';

/** A key as it stands in a file; the secret is the reader's to wipe. */
export interface FileKey {
  id: number;
  secret: Buffer;
  /** Ms since 1970, of profile `strong` where the line says it. */
  since?: number;
}

/** What a key file holds. */
export interface KeyFile {
  profile: Profile;
  keys: FileKey[];
}

const MOST_BYTES = 65_536;
const MOST_KEYS = 3;
const LIKE_A_KEY = /(^|\/)[0-9a-f]{32,}$/i;

/**
 * Reads a key file. A symbolic link to one is followed: owner and mode are those of the file that was opened.
 *
 * @throws {OverlaneError} as {@link Keyring.fromFile}.
 */
export function readKeyFile(path: string): KeyFile {
  // Said before anything shows the path.
  if (LIKE_A_KEY.test(path)) throw optionError('the path of a key file is wanted, and what was given looks like a key');
  const text = Buffer.allocUnsafeSlow(MOST_BYTES + 1);
  try {
    // Without waiting, should it be a pipe.
    const fd = attempt(path, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    try {
      refuseShared(path, fd);
      const length = attempt(path, () => fill(fd, text));
      if (length > MOST_BYTES) throw optionError(`${path} is larger than ${MOST_BYTES} bytes; is it a key file?`);
      return parseKeyFile(text.subarray(0, length), path);
    } finally {
      closeSync(fd);
    }
  } finally {
    wipe(text);
  }
}

function fill(fd: number, text: Buffer): number {
  let length = 0;
  for (let more = 1; more > 0 && length < text.length; length += more) {
    more = readSync(fd, text, length, text.length - length, null);
  }
  return length;
}

function attempt<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const known: Record<string, [ErrorCode, string]> = {
      ENOENT: ['ERR_OVERLANE_MISSING', 'no such file; check the path, or make one with writeKeyFile'],
      EACCES: ['ERR_OVERLANE_PERMISSION', 'this user may not open it; chown it, or run as its owner'],
      EEXIST: ['ERR_OVERLANE_EXISTS', 'it exists, and a key is not replaced; choose another name, or remove it'],
    };
    const [ours, hint] = known[code ?? ''] ?? ['ERR_OVERLANE_SYSTEM', message];
    throw new OverlaneError(ours, `key file ${path}: ${hint}`, { cause });
  }
}

/**
 * Throws unless an open file is one that only this user, or root, can have written and can read.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_PERMISSION`, `ERR_OVERLANE_OPTION`
 */
export function refuseShared(path: string, fd: number): void {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw optionError(`${path} is no regular file; a file with keys has to be one`);
  const user = process.geteuid?.() ?? 0;
  if (stat.uid !== user && stat.uid !== 0) {
    throw new OverlaneError(
      'ERR_OVERLANE_PERMISSION',
      `${path} holds keys and belongs to user ${stat.uid}; it must belong to user ${user} or root: chown ${user} ${path}`,
    );
  }
  if ((stat.mode & 0o077) === 0) return;
  throw new OverlaneError(
    'ERR_OVERLANE_PERMISSION',
    `${path} holds keys, and others than its owner may use it (mode ${(stat.mode & 0o777).toString(8)}): chmod 600 ${path}`,
  );
}

/** `text` stays the caller's; errors name the line, and nothing that is on it. */
function parseKeyFile(text: Uint8Array, path: string): KeyFile {
  const keys: FileKey[] = [];
  let profile: Profile | null = null;
  try {
    for (const { words, number } of lines(text)) {
      const where = `${path}:${number}`;
      const line = readLine(words, where);
      keys.push(line.key);
      if (profile !== null && line.profile !== profile) {
        throw optionError(
          `${where}: a key of profile '${line.profile}' after one of '${profile}'; a file holds one profile`,
        );
      }
      if (keys.length > MOST_KEYS) throw optionError(`${where}: a ${MOST_KEYS + 1}th key; ${MOST_KEYS} are the most`);
      profile = line.profile;
    }
    if (profile === null) throw optionError(`${path} holds no key; make a key file with writeKeyFile`);
    return { profile, keys };
  } catch (error) {
    wipe(...keys.map(({ secret }) => secret));
    throw error;
  }
}

const NEWLINE = 0x0a;
const HASH = 0x23;

/** The words of each line that has any, as views. */
function* lines(text: Uint8Array): Generator<{ words: Uint8Array[]; number: number }> {
  let number = 1;
  for (let start = 0; start < text.length; number++) {
    const newline = text.indexOf(NEWLINE, start);
    const end = newline < 0 ? text.length : newline;
    const line = text.subarray(start, end);
    const hash = line.indexOf(HASH);
    const words = split(hash < 0 ? line : line.subarray(0, hash));
    if (words.length > 0) yield { words, number };
    start = end + 1;
  }
}

/** At white space and control characters. */
function split(line: Uint8Array): Uint8Array[] {
  const words: Uint8Array[] = [];
  let start = -1;
  for (let i = 0; i <= line.length; i++) {
    const inside = i < line.length && line[i]! > 0x20;
    if (inside && start < 0) start = i;
    if (!inside && start >= 0) {
      words.push(line.subarray(start, i));
      start = -1;
    }
  }
  return words;
}

/** Short words only: what could be a secret becomes no string. */
function short(word: Uint8Array | undefined): string {
  return word === undefined || word.length > 30 ? '' : Buffer.from(word).toString('latin1');
}

function readLine(words: Uint8Array[], where: string): { profile: Profile; key: FileKey } {
  const profile = short(words[0]);
  if (profile !== 'strong' && profile !== 'docker') {
    throw optionError(`${where}: a line begins with 'strong' or 'docker', then come the id and the key in hex`);
  }
  const decimal = short(words[1]);
  const id = /^\d{1,10}$/.test(decimal) ? Number(decimal) : -1;
  if (id < 0 || id >= 2 ** 32)
    throw optionError(`${where}: after '${profile}' comes an id, a whole number from 0 to 2^32 - 1`);
  const since = readTail(profile, words.slice(3), where);
  const secret = words[2] === undefined ? null : hexSecret(words[2]);
  const sizes = profile === 'strong' ? [32] : [16, 32];
  if (secret !== null && sizes.includes(secret.length)) {
    return { profile, key: since === undefined ? { id, secret } : { id, secret, since } };
  }
  wipe(secret);
  throw optionError(`${where}: after the id come ${sizes.map((size) => 2 * size).join(' or ')} hex digits`);
}

function readTail(profile: Profile, [word, date, ...more]: Uint8Array[], where: string): number | undefined {
  if (word === undefined) return undefined;
  if (profile === 'docker') throw optionError(`${where}: nothing may follow the key of profile 'docker'`);
  if (short(word) !== 'since' || date === undefined || more.length > 0) {
    throw optionError(`${where}: after the key may come 'since' and an ISO date, and nothing else`);
  }
  return readSince(short(date), `${where}: after 'since'`);
}

/** Options of `writeKeyFile()`. */
export interface KeyFileOptions {
  /** Default `strong`. */
  profile?: Profile;
  /** Default 1. */
  id?: number;
  /** Profile `docker`: 128 (default) or 256. A secret of profile `strong` serves both. */
  keyBits?: KeyBits;
  /** Profile `strong`: when epoch 0 begins, an ISO date or ms since 1970; default today, 00:00 UTC. */
  since?: string | number;
}

const schema = optionsOf<KeyFileOptions>({
  profile: Type.Optional(oneOf('strong', 'docker')),
  id: Type.Optional(whole(0, 2 ** 32 - 1)),
  keyBits: Type.Optional(expects('128 or 256', Type.Enum([128, 256]))),
  since: Type.Optional(Type.Unknown()),
});

const DAY = 86_400_000;

/**
 * Makes a key file with one new random key, which only this user may read. It does not replace a file.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when there is such a file; `ERR_OVERLANE_PERMISSION`, `ERR_OVERLANE_SYSTEM` when it cannot be
 *   written.
 */
export function writeKeyFile(path: string, options: KeyFileOptions = {}): void {
  checkOptions(schema, options, 'writeKeyFile');
  const { profile = 'strong', id = 1, keyBits = 128 } = options;
  const secret = randomFillSync(secretRoom(secretBytes(profile, keyBits)));
  const digits = secretHex(secret);
  const text = Buffer.allocUnsafeSlow(512).fill(0);
  try {
    const since =
      options.since === undefined
        ? Date.now() - (Date.now() % DAY)
        : readSince(options.since, "option 'since' of writeKeyFile");
    const [before, after] =
      profile === 'strong'
        ? [
            `# overlane: profile, id, secret, the begin of its epochs. Keep it secret.\nstrong ${id} `,
            ` since ${iso(since)}\n`,
          ]
        : [`# overlane: profile, tag, key. Keep it secret.\ndocker ${id} `, '\n'];
    let end = text.write(before, 'latin1');
    end += digits.copy(text, end);
    end += text.write(after, end, 'latin1');
    writeNew(path, text.subarray(0, end));
  } finally {
    wipe(secret, digits, text);
  }
}

/** A date alone where it is midnight. */
function iso(time: number): string {
  const text = new Date(time).toISOString();
  return time % DAY === 0 ? text.slice(0, 10) : text;
}

function writeNew(path: string, text: Uint8Array): void {
  const fd = attempt(path, () => openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600));
  try {
    attempt(path, () => {
      for (let at = 0; at < text.length; ) at += writeSync(fd, text, at);
      fsyncSync(fd);
    });
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(fd);
  }
}

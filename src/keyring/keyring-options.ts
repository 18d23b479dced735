/** Options of a keyring and of its keys, checked without ever showing a secret. */

import { checkOptions, expects, name, oneOf, optionError, optionsOf, shown, whole } from '../dataplane/check.js';
import type { NativeKeyringOptions } from '../native.js';
import Type from '../schema.js';
import { FixedKey, type Key, MAX_EPOCHS, RatchetKey } from './key.js';
import { copySecret, hexSecret, type KeyBits, type Profile, redact, redacted, secretBytes, wipe } from './secret.js';

/** A key as it is given to a ring, which copies the secret. */
export interface KeyOptions {
  /** Unique in the ring, 0 to 2^32 − 1, a later key's above an earlier one's. Profile `docker`: Docker's tag, which peers have to share. */
  id: number;
  /** Profile `strong`: 32 bytes; `docker`: 16, or 32 with `keyBits` 256. In hex where it is a string, which cannot be wiped. */
  secret: Uint8Array | string;
  /**
   * Where the ring ratchets: when the secret's epoch 0 began, an ISO date (`2025-11-01`, `2025-11-01T12:00Z`) or ms since 1970, the same at
   * every node. Default 1970, from where an `every` of 12 hours is some 41,000 steps, about half a second.
   */
  since?: string | number;
}

/** How keys take turns. */
export interface RotationOptions {
  /** Seconds from one key to the next, 1 to 31,536,000; default 43,200 (12 hours). The same at every node. */
  every?: number;
  /**
   * Where keys come from, instead of the ratchet: called `grace` seconds before each turn. What it gives is installed at once and sent with
   * at the turn. When it fails, the event `failure` tells, the key in use goes on, and it is called again.
   */
  source?: () => KeyOptions | Promise<KeyOptions>;
  /** With `source`: seconds that the others have to get the next key before it is sent with; default a tenth of `every`, 300 at most. */
  grace?: number;
}

/** What seals and opens packets. The long name protects nothing: it is for measurements. */
export type CryptoEngine = 'auto' | 'openssl' | 'ipsec-mb' | 'null-cipher-without-any-protection';

/** Options of `new Keyring()`. */
export interface KeyringOptions {
  /** Appears in messages and events; default `keyring0`, `keyring1`, … */
  name?: string;
  /** `strong` (default); `docker` for peers that are Docker Swarm nodes. */
  profile?: Profile;
  /** One to three keys: the one that others may still send with, the current one, and the next. */
  keys: readonly KeyOptions[];
  /** Id of the key to send with; default that of the only key, else the second by id. */
  current?: number;
  /** AES key size, 128 (default) or 256. */
  keyBits?: KeyBits;
  /** Default `auto`: ipsec-mb where it can be used, else OpenSSL. */
  engine?: CryptoEngine;
  /**
   * `strong`: by default the ratchet turns every 12 hours: each node derives the next secret from the last and forgets that. `docker` has no
   * ratchet; by default its keys turn by `install()` and `rotate()` only. False: the same for `strong`.
   */
  rotation?: RotationOptions | false;
  /**
   * Packets that may be sealed with one key of a peer, 1 to 2^32 (default); then `strong` derives another one, and `docker` sends nothing to
   * that peer before the ring rotates.
   */
  packetLimit?: number;
}

export type Rotation =
  | { kind: 'none' }
  | { kind: 'ratchet'; every: number }
  | { kind: 'source'; every: number; grace: number; source: () => KeyOptions | Promise<KeyOptions> };

/** What a ring does not change; times in ms. */
export interface RingConfig {
  profile: Profile;
  keyBits: KeyBits;
  engine: CryptoEngine;
  packetLimit: number;
  rotation: Rotation;
}

export const NULL_ENGINE = 'null-cipher-without-any-protection';
const DEFAULT_EVERY = 43_200;

const identifier = whole(0, 2 ** 32 - 1);
const keyBits = expects('128 or 256', Type.Enum([128, 256]));
const seconds = (least: number) =>
  expects(`seconds from ${least} to 31536000`, Type.Number({ minimum: least, maximum: 31_536_000 }));

/** The schema without the name; what may hold a secret is checked by hand. */
export const keyringBasics = {
  profile: Type.Optional(oneOf('strong', 'docker')),
  keys: Type.Unknown(),
  current: Type.Optional(identifier),
  keyBits: Type.Optional(keyBits),
  engine: Type.Optional(oneOf('auto', 'openssl', 'ipsec-mb', NULL_ENGINE)),
  rotation: Type.Optional(Type.Unknown()),
  packetLimit: Type.Optional(whole(1, 2 ** 32, ' packets')),
};

const schema = optionsOf<KeyringOptions>({ name: Type.Optional(name), ...keyringBasics });
const keySchema = optionsOf<KeyOptions>({
  id: identifier,
  secret: Type.Unknown(),
  since: Type.Optional(Type.Unknown()),
});
const rotationSchema = optionsOf<RotationOptions>({
  every: Type.Optional(seconds(1)),
  source: Type.Optional(Type.Unknown()),
  grace: Type.Optional(seconds(0)),
});

/** Without the keys, whose check comes with their being made. */
export function ringConfig(options: KeyringOptions): RingConfig {
  redacted(() => checkOptions(schema, options, 'Keyring'));
  const { profile = 'strong', keyBits = 128, engine = 'auto', packetLimit = 2 ** 32 } = options;
  return { profile, keyBits, engine, packetLimit, rotation: rotationOf(profile, options.rotation) };
}

function rotationOf(profile: Profile, given: RotationOptions | false | undefined): Rotation {
  if (given === false || (given === undefined && profile === 'docker')) return { kind: 'none' };
  const options = given ?? {};
  redacted(() => checkOptions(rotationSchema, options, "option 'rotation' of Keyring"));
  const { every = DEFAULT_EVERY, source, grace } = options;
  if (source === undefined) {
    if (profile === 'docker') {
      throw optionError(
        "option 'rotation' of Keyring needs a 'source' with profile 'docker', whose keys cannot be derived; give one, or leave it out",
      );
    }
    if (grace !== undefined) throw optionError("option 'rotation.grace' of Keyring is for a 'source'; leave it out");
    return { kind: 'ratchet', every: every * 1000 };
  }
  if (typeof source !== 'function') {
    throw optionError("option 'rotation.source' of Keyring must be a function that gives a key");
  }
  const wait = grace ?? Math.min(300, every / 10);
  if (wait >= every)
    throw optionError(`option 'rotation.grace' of Keyring is ${wait}, not less than 'every', ${every}`);
  return { kind: 'source', every: every * 1000, grace: wait * 1000, source };
}

export function nativeKeyringOptions(name: string, config: RingConfig): NativeKeyringOptions {
  const { profile, keyBits, engine, packetLimit } = config;
  const ours = engine === NULL_ENGINE ? 'null' : engine;
  return { name, profile, keyBits, engine: ours, packetLimit: BigInt(packetLimit) };
}

/** Nobody is to find out later. */
export function warnOfNull(name: string, engine: CryptoEngine): void {
  if (engine !== NULL_ENGINE) return;
  const message = `keyring '${name}' encrypts nothing: its engine is '${NULL_ENGINE}', which is for measurements only`;
  process.emitWarning(message, { code: 'OVERLANE_NULL_CIPHER' });
}

/** Makes a key. `what` begins the error messages; `half`: see {@link RatchetKey}. */
export function makeKey(given: KeyOptions, config: RingConfig, what: string, half: number): Key {
  redacted(() => checkOptions(keySchema, given, what));
  const { rotation } = config;
  if (rotation.kind !== 'ratchet' && given.since !== undefined && config.profile === 'docker') {
    throw optionError(
      `option 'since' of ${what} is for keys that ratchet, and those of profile 'docker' do not; leave it out`,
    );
  }
  const secret = readSecret(given.secret, config, what);
  try {
    if (rotation.kind !== 'ratchet') return new FixedKey(given.id, secret);
    const now = Date.now();
    const since = given.since === undefined ? 0 : readSince(given.since, `option 'since' of ${what}`);
    refuseEpochs(since, rotation.every, now, given.since !== undefined, what);
    return new RatchetKey(given.id, secret, { since, every: rotation.every, half }, now);
  } finally {
    wipe(secret);
  }
}

function readSecret(value: unknown, { profile, keyBits }: RingConfig, what: string): Buffer {
  const bytes = secretBytes(profile, keyBits);
  const wanted = `${bytes} bytes or ${2 * bytes} hex digits${typeof value === 'number' ? ', in quotes' : ''}`;
  const secret = toBytes(value);
  if (secret !== null && secret.length === bytes) return secret;
  const length = secret === null ? '' : `, not ${secret.length} bytes`;
  wipe(secret);
  const hint =
    profile === 'docker' && (secret?.length === 16 || secret?.length === 32)
      ? `; or give keyBits ${8 * secret.length}`
      : '';
  throw optionError(`option 'secret' of ${what} must be ${wanted} (profile '${profile}')${length}${hint}`);
}

function toBytes(value: unknown): Buffer | null {
  if (value instanceof Uint8Array) return copySecret(value);
  if (typeof value !== 'string' || value.length > 1024) return null;
  const digits = Buffer.allocUnsafeSlow(value.length);
  for (let i = 0; i < value.length; i++) digits[i] = Math.min(value.charCodeAt(i), 0xff);
  const secret = hexSecret(digits);
  wipe(digits);
  return secret;
}

/** A date alone is midnight UTC; a time needs its zone, as nodes may be in different ones. */
const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** Milliseconds since 1970. `what` begins the error messages. */
export function readSince(value: unknown, what: string): number {
  const time = typeof value === 'string' && ISO.test(value) ? Date.parse(value) : value;
  if (typeof time === 'number' && Number.isSafeInteger(time) && time >= 0) return time;
  throw optionError(
    `${what} must be an ISO date such as 2025-11-01 or 2025-11-01T12:00Z, or ms since 1970, not ${redact(shown(value))}`,
  );
}

function refuseEpochs(since: number, every: number, now: number, given: boolean, what: string): void {
  const epochs = (now - since) / every;
  // Clocks that are late by less than an epoch are what the ratchet allows for.
  if (epochs < -1) {
    throw optionError(
      `option 'since' of ${what} is ${new Date(since).toISOString()}, in the future; check it, and this machine's clock`,
    );
  }
  if (epochs <= MAX_EPOCHS) return;
  const advice = given ? 'issue a new key, or raise' : "give 'since', the date the key was made, or raise";
  throw optionError(
    `${what} is ${Math.floor(epochs)} epochs of ${every / 1000} seconds old, and ${MAX_EPOCHS} are the most; ${advice} 'rotation.every'`,
  );
}

/** The option `encryption` of bridges: a ring of keys, or what one is made of. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { readKeyFile } from '../keyring/key-file.js';
import { type KeyInfo, Keyring } from '../keyring/keyring.js';
import { type CryptoEngine, type KeyOptions, type KeyringOptions, keyringBasics } from '../keyring/keyring-options.js';
import { type KeyBits, type Profile, redacted, secretHex, wipe } from '../keyring/secret.js';
import { checkOptions, optionError, optionsOf } from './check.js';

/** A keyring of the bridge's own; bridges of one dataplane with the same options share one. */
export interface EncryptionOptions extends Omit<KeyringOptions, 'name' | 'keys'> {
  /** Path of a key file, see {@link Keyring.fromFile}; or keys, as in {@link KeyringOptions}. */
  keys: string | readonly KeyOptions[];
}

/** How a bridge is encrypted: what may be known of its keys. */
export interface BridgeEncryption {
  /** Name of the keyring. */
  keyring: string;
  profile: Profile;
  keyBits: KeyBits;
  engine: CryptoEngine;
  /** None once the keyring is closed. */
  keys: KeyInfo[];
}

export function describeEncryption(ring: Keyring): BridgeEncryption {
  const { name: keyring, ...rest } = ring.toJSON();
  return { keyring, ...rest };
}

const schema = optionsOf<EncryptionOptions>(keyringBasics);

/** Throws unless `given` can be an `encryption`; never shows it, as it may be a key. */
export function checkEncryption(given: unknown): asserts given is Keyring | EncryptionOptions {
  if (given instanceof Keyring) return;
  if (typeof given !== 'object' || given === null || Array.isArray(given) || given instanceof Uint8Array) {
    throw optionError(
      "option 'encryption' of addBridge must be a Keyring or an object such as { keys: 'FILE' }; overlane keeps keys in key files",
    );
  }
  redacted(() => checkOptions(schema, given, "option 'encryption' of addBridge"));
  const { keys } = given as { keys: unknown };
  if (typeof keys === 'string' || Array.isArray(keys)) return;
  throw optionError(
    "option 'encryption.keys' of addBridge must be the path of a key file, or a list of keys { id, secret }",
  );
}

/** Makes the ring. */
export function makeKeyring(name: string, { keys, ...rest }: EncryptionOptions): Keyring {
  if (typeof keys === 'string') return Keyring.fromFile(keys, { ...rest, name });
  return new Keyring({ ...rest, name, keys });
}

/** The profile that a bridge with these options has; looks into the key file where they do not say. */
export function profileOf(given: Keyring | EncryptionOptions): Profile {
  if (given instanceof Keyring || given.profile !== undefined) return given.profile ?? 'strong';
  if (typeof given.keys !== 'string') return 'strong';
  const { profile, keys } = readKeyFile(given.keys);
  wipe(...keys.map(({ secret }) => secret));
  return profile;
}

/** Equal for options that mean the same ring; null where that cannot be told. */
export function digestOf({ keys, rotation, ...rest }: EncryptionOptions): string | null {
  if (rotation !== undefined && rotation !== false && rotation.source !== undefined) return null;
  const hash = createHash('sha256');
  const plain = { ...rest, rotation };
  hash.update(
    JSON.stringify(
      Object.entries(plain)
        .filter(([, value]) => value !== undefined)
        .sort(),
    ),
  );
  if (typeof keys === 'string') return hash.update(canonical(keys)).digest('base64');
  for (const { id, secret, since } of keys) {
    hash.update(`\n${id} ${since ?? ''} `);
    if (typeof secret === 'string') hash.update(secret.toLowerCase());
    else if (secret instanceof Uint8Array) {
      const digits = secretHex(secret);
      hash.update(digits);
      wipe(digits);
    }
  }
  return hash.digest('base64');
}

function canonical(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Opening it will say why.
    return path;
  }
}

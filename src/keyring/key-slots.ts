/** Which key has which role: at most one of each, and three in all. */
import { optionError } from '../dataplane/check.js';
import { OverlaneError } from '../errors.js';
import type { NativeKey } from '../native.js';
import type { Key } from './key.js';
import { type KeyOptions, type KeyringOptions, makeKey, type RingConfig } from './keyring-options.js';

/** `previous`: received with; `current`: sent with, too; `next`: received with, and sent with after the next turn. */
export type KeyRole = 'previous' | 'current' | 'next';

/** What may be known of a key. */
export interface KeyInfo {
  id: number;
  role: KeyRole;
  /** The epoch that the ratchet has come to; null where the ring does not ratchet. */
  epoch: number | null;
}

/** What the native side is given: secrets that stay the ring's, to be copied at once. */
export interface KeyMaterial {
  keys: NativeKey[];
  /** Index of the key to send with; -1: none, the ring is closed. */
  send: number;
}

/** Keys that a native keyring holds at most. */
const MOST_KEYS = 3;
const ROLES = ['previous', 'current', 'next'] as const;

export class KeySlots {
  readonly #config: RingConfig;
  #keys: { [R in KeyRole]?: Key | undefined } = {};

  constructor(config: RingConfig, { keys, current }: KeyringOptions) {
    this.#config = config;
    if (!Array.isArray(keys) || keys.length === 0 || keys.length > MOST_KEYS) {
      throw optionError(`option 'keys' of Keyring must be a list of 1 to ${MOST_KEYS} keys { id, secret }`);
    }
    const made: Key[] = [];
    try {
      keys.forEach((key: KeyOptions, i) => {
        made.push(this.#make(key, `option 'keys[${i}]' of Keyring`, made));
      });
      this.#keys = inOrder(made, current);
    } catch (error) {
      for (const key of made) key.wipe();
      throw error;
    }
  }

  get current(): Key | undefined {
    return this.#keys.current;
  }

  get next(): Key | undefined {
    return this.#keys.next;
  }

  all(): Key[] {
    return ROLES.map((role) => this.#keys[role]).filter((key) => key !== undefined);
  }

  infos(): KeyInfo[] {
    return ROLES.flatMap((role) => {
      const key = this.#keys[role];
      return key === undefined ? [] : [{ id: key.id, role, epoch: key.epoch }];
    });
  }

  /** The current key first, then one of each other, then what else the current one offers. */
  material(): KeyMaterial {
    const { previous, current, next } = this.#keys;
    if (current === undefined) return { keys: [], send: -1 };
    const [first, ...more] = current.offers();
    const others = [previous, next].flatMap((key) => key?.offers().slice(0, 1) ?? []);
    return { keys: [first!, ...others, ...more].slice(0, MOST_KEYS), send: 0 };
  }

  /** A key that can join `others`. */
  #make(given: KeyOptions, what: string, others: Key[]): Key {
    if (this.#config.rotation.kind === 'ratchet' && others.length >= 2) {
      throw optionError(
        `${what} is a third key, and a ring that ratchets has two at most; retire one, or give rotation: false`,
      );
    }
    const key = makeKey(given, this.#config, what, others.some(({ half }) => half === 0) ? 1 : 0);
    const twin = others.find((other) => other.id === key.id || other.fingerprint === key.fingerprint);
    if (twin === undefined) return key;
    key.wipe();
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      twin.id === key.id
        ? `${what}: there is a key ${key.id} already; choose another id`
        : `${what}: key ${key.id} has the secret of key ${twin.id}; make a new one`,
    );
  }

  /** Adds a key as `next`, where there is none. */
  install(given: KeyOptions): void {
    const key = this.#make(given, 'install', this.all());
    const least = this.#keys.current?.id ?? 0;
    if (key.id > least) {
      this.#keys.next = key;
      return;
    }
    key.wipe();
    throw optionError(`option 'id' of install is ${key.id}; it must be above that of the current key, ${least}`);
  }

  /** Next to current to previous; returns what was the previous one, to be wiped. */
  rotate(): Key | undefined {
    const { previous, current, next } = this.#keys;
    this.#keys = { previous: current, current: next };
    return previous;
  }

  /** Takes a key out, to be wiped; undefined: there is no such previous or next key. */
  take(id: number): Key | undefined {
    const role = (['previous', 'next'] as const).find((wanted) => this.#keys[wanted]?.id === id);
    if (role === undefined) return undefined;
    const key = this.#keys[role];
    this.#keys[role] = undefined;
    return key;
  }

  /** Takes all keys out. */
  clear(): Key[] {
    const all = this.all();
    this.#keys = {};
    return all;
  }
}

function inOrder(made: Key[], wanted: number | undefined): { [R in KeyRole]?: Key | undefined } {
  made.sort((a, b) => a.id - b.id);
  const at = wanted === undefined ? Math.min(1, made.length - 1) : made.findIndex(({ id }) => id === wanted);
  if (at < 0) throw optionError(`option 'current' of Keyring is ${wanted}, and no key has that id`);
  if (at > 1 || made.length - at > 2) {
    throw optionError(
      `option 'current' of Keyring is ${wanted}, with two keys on one side of it; one before and one after are the most`,
    );
  }
  return { previous: made[at - 1], current: made[at], next: made[at + 1] };
}

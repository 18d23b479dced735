/** A ring of keys that encrypted bridges seal and open with: which to send with, which to receive with, and when they turn. */
import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { optionError } from '../dataplane/check.js';
import { OverlaneError } from '../errors.js';
import type { NativeKeyringOptions } from '../native.js';
import type { Key } from './key.js';
import { readKeyFile } from './key-file.js';
import { type KeyInfo, type KeyMaterial, type KeyRole, KeySlots } from './key-slots.js';
import {
  type CryptoEngine,
  type KeyOptions,
  type KeyringOptions,
  nativeKeyringOptions,
  type RingConfig,
  ringConfig,
  warnOfNull,
} from './keyring-options.js';
import { type KeyBits, type Profile, wipe } from './secret.js';
import { SourceRotation } from './source-rotation.js';

export type { KeyInfo, KeyRole } from './key-slots.js';

/** A ring has turned: the ids of its keys now. */
export interface KeyTurn {
  previous: number | null;
  current: number;
  next: number | null;
  /** The epoch of the current key; null where the ring does not ratchet. */
  epoch: number | null;
}

/** A key is near the packets that it may seal for a peer, or at them. */
export interface KeyLimit {
  reason: 'limit-near' | 'exhausted';
  /** Name of the underlay. */
  underlay: string;
  /** IP of the VTEP. */
  peer: string;
}

/** Events of a keyring, each with its arguments. */
export interface KeyringEvents {
  rotate: [turn: KeyTurn];
  limit: [limit: KeyLimit];
  /** The source gave no key, or a dataplane did not take the change. Without a listener it is a warning of the process. */
  failure: [error: OverlaneError];
}

/** A dataplane that uses a ring: told of every change, before a key that has left is wiped. */
export interface KeyringUser {
  keysChanged(ring: Keyring): void;
}

/** For the dataplane only: what no method gives away. */
export interface KeyringAccess {
  material(ring: Keyring): KeyMaterial;
  native(ring: Keyring): NativeKeyringOptions;
  refuseClosed(ring: Keyring): void;
  use(ring: Keyring, user: KeyringUser): void;
  leave(ring: Keyring, user: KeyringUser): void;
  limit(ring: Keyring, limit: KeyLimit): void;
  /** Ids in use, and marks by which secrets are told apart. */
  marks(ring: Keyring): { ids: number[]; fingerprints: string[] };
}

export let access: KeyringAccess;

/** Ratchets look at the clock at least that often, as it may be set and machines sleep; ms. */
const LOOK = 60_000;

let rings = 0;

/**
 * Keys of encrypted bridges. A ring may be used by several bridges and dataplanes; every change reaches them at once, in an order in which no
 * packet is lost: a key is received with before anybody sends with it.
 *
 * Secrets are copied, are wiped when they leave the ring, and cannot be read out of it. Everything throws an {@link OverlaneError}:
 * `ERR_OVERLANE_OPTION` for what is wrong, `ERR_OVERLANE_CLOSED` after `close()`.
 */
export class Keyring extends EventEmitter<KeyringEvents> {
  /** For messages and events. */
  readonly name: string;
  readonly #config: RingConfig;
  /** The current key is always there, until the ring is closed. */
  readonly #slots: KeySlots;
  readonly #users = new Set<WeakRef<KeyringUser>>();
  #timer: NodeJS.Timeout | null = null;
  #source: SourceRotation | null = null;
  #closed = false;

  static {
    access = {
      material: (ring) => ring.#slots.material(),
      native: (ring) => nativeKeyringOptions(ring.name, ring.#config),
      refuseClosed: (ring) => void ring.#open(),
      use: (ring, user) => void ring.#users.add(new WeakRef(user)),
      leave: (ring, user) => {
        for (const ref of ring.#users) if ((ref.deref() ?? user) === user) ring.#users.delete(ref);
      },
      limit: (ring, limit) => ring.#limit(limit),
      marks: (ring) => ({
        ids: ring.#slots.all().map(({ id }) => id),
        fingerprints: ring.#slots.all().map((key) => key.fingerprint),
      }),
    };
  }

  constructor(options: KeyringOptions) {
    super();
    this.#config = ringConfig(options);
    this.#slots = new KeySlots(this.#config, options);
    this.name = options.name ?? `keyring${rings++}`;
    const { rotation, engine } = this.#config;
    warnOfNull(this.name, engine);
    if (rotation.kind === 'ratchet') this.#look();
    if (rotation.kind !== 'source') return;
    this.#source = new SourceRotation(rotation, {
      hasNext: () => this.#slots.next !== undefined,
      install: (key) => this.install(key),
      rotate: () => this.rotate(),
      fail: (error) => this.#fail(error),
    });
  }

  /**
   * Makes a ring of a key file, which {@link writeKeyFile} makes. What was read is wiped. `keyBits` of profile `docker`: by default as long as
   * the keys in it.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is no such file; `ERR_OVERLANE_PERMISSION` when others than its owner may read
   *   or write it, or the owner is somebody else; `ERR_OVERLANE_OPTION`, with the line, for what is wrong in it.
   */
  static fromFile(path: string, options: Omit<KeyringOptions, 'keys'> = {}): Keyring {
    const { profile, keys } = readKeyFile(path);
    try {
      if (options.profile !== undefined && options.profile !== profile) {
        throw optionError(`${path} holds keys of profile '${profile}', but '${options.profile}' was asked for`);
      }
      const long = profile === 'docker' && keys.every(({ secret }) => secret.length === 32);
      const { keyBits = long ? 256 : 128 } = options;
      return new Keyring({ ...options, profile, keys, keyBits });
    } finally {
      wipe(...keys.map(({ secret }) => secret));
    }
  }

  get profile(): Profile {
    return this.#config.profile;
  }

  get keyBits(): KeyBits {
    return this.#config.keyBits;
  }

  get engine(): CryptoEngine {
    return this.#config.engine;
  }

  /** The keys in the order of their roles, without their secrets; none after `close()`. */
  get keys(): KeyInfo[] {
    return this.#slots.infos();
  }

  /**
   * Adds a key as `next`: received with from now on, sent with after `rotate()`. Give it to every node before any of them rotates. A ring that
   * ratchets goes on doing so with the new secret; while it holds both, clocks may differ by half an epoch only.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` for a known id or secret; `ERR_OVERLANE_BUSY` when there is a `next`.
   */
  install(key: KeyOptions): this {
    this.#open();
    const { next } = this.#slots;
    if (next !== undefined) {
      throw new OverlaneError(
        'ERR_OVERLANE_BUSY',
        `keyring '${this.name}' has key ${next.id} as next; rotate() to it, or retire(${next.id}), first`,
      );
    }
    this.#slots.install(key);
    this.#changed();
    return this;
  }

  /** Sends with the next key from now on; the current one becomes `previous`, and the previous one is wiped. */
  rotate(): this {
    this.#open();
    if (this.#slots.next === undefined) {
      throw new OverlaneError('ERR_OVERLANE_MISSING', `keyring '${this.name}' has no next key; install() one first`);
    }
    try {
      this.#changed(this.#slots.rotate());
    } finally {
      this.#source?.turned();
      this.#tellTurn();
    }
    return this;
  }

  /** Wipes a key that is not the current one: what is sealed with it is not opened any more. */
  retire(id: number): this {
    const current = this.#open();
    if (id === current.id) {
      throw optionError(`key ${id} is sent with; install() another one and rotate() first, or close() the ring`);
    }
    const key = this.#slots.take(id);
    if (key === undefined) {
      const known = this.keys.map((one) => one.id).join(', ');
      throw new OverlaneError(
        'ERR_OVERLANE_MISSING',
        `keyring '${this.name}' has no key ${typeof id === 'number' ? id : 'of that id'} to retire; it has ${known}`,
      );
    }
    this.#changed(key);
    return this;
  }

  /** Wipes all keys, in every dataplane: its bridges neither send nor receive over the underlay from now on. Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#source?.stop();
    this.#changed(...this.#slots.clear());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): Key {
    const { current } = this.#slots;
    if (current === undefined) {
      throw new OverlaneError('ERR_OVERLANE_CLOSED', `keyring '${this.name}' is closed; make a new one`);
    }
    return current;
  }

  /** Tells every user, then wipes what has left. Throws what the first of them threw, when all are done. */
  #changed(...left: (Key | undefined)[]): void {
    const thrown: unknown[] = [];
    for (const ref of this.#users) {
      try {
        ref.deref()?.keysChanged(this);
      } catch (error) {
        thrown.push(error);
      }
    }
    for (const key of left) key?.wipe();
    if (thrown.length > 0) throw thrown[0];
  }

  #tellTurn(): void {
    const { current } = this.#slots;
    if (current === undefined) return;
    const id = (role: KeyRole) => this.keys.find((key) => key.role === role)?.id ?? null;
    this.emit('rotate', { previous: id('previous'), current: current.id, next: id('next'), epoch: current.epoch });
  }

  /** Follows the clock, and looks again. */
  #look(): void {
    const now = Date.now();
    const before = this.#slots.current?.epoch;
    const due = Math.min(...this.#slots.all().map((key) => key.due(now)));
    this.#timer = setTimeout(() => this.#look(), Math.min(LOOK, Math.max(1, due - now))).unref();
    try {
      if (this.#slots.all().filter((key) => key.advance(now)).length === 0) return;
      this.#changed();
    } catch (error) {
      this.#fail(error as OverlaneError);
    }
    if (this.#slots.current?.epoch !== before) this.#tellTurn();
  }

  #limit(limit: KeyLimit): void {
    if (this.#closed) return;
    this.#source?.hurry();
    this.emit('limit', limit);
  }

  #fail(error: OverlaneError): void {
    const told = new OverlaneError(error.code, `keyring '${this.name}': ${error.message}`, { cause: error });
    if (!this.emit('failure', told)) process.emitWarning(told.message, { code: told.code });
  }

  toJSON(): { name: string; profile: Profile; keyBits: KeyBits; engine: CryptoEngine; keys: KeyInfo[] } {
    const { name, profile, keyBits, engine, keys } = this;
    return { name, profile, keyBits, engine, keys };
  }

  override toString(): string {
    const keys = this.keys.map(({ id, role }) => `${id} (${role})`).join(', ') || 'closed';
    return `Keyring '${this.name}', ${this.profile}: ${keys}`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** The keys of a ring: one that stays as it is, or one that turns into the next at every epoch. */
import { OverlaneError } from '../errors.js';
import type { NativeKey } from '../native.js';
import { ratchet } from '../wire/esp-keys.js';
import { copySecret, fingerprint, wipe } from './secret.js';

/** More than a century of half-days; it takes about a second. */
export const MAX_EPOCHS = 100_000;

/** A machine may have slept, for more than a year at the default length of an epoch. */
const MAX_JUMP = 1000;

/** What a key lets be seen. */
export interface Key {
  readonly id: number;
  /** Null: it does not ratchet. */
  readonly epoch: number | null;
  readonly fingerprint: string;
  /** 0 or 1: which half of the native ids its epochs have; 0 without a ratchet. */
  readonly half: number;
  /** The one to send with first, then the others in the order of their use. The secrets stay the key's. */
  offers(): NativeKey[];
  /**
   * Catches up with the clock (ms since 1970). Returns whether `offers()` are others now.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_SYSTEM` when the clock is years ahead of where it was: that cannot be taken back.
   */
  advance(now: number): boolean;
  /** When `advance()` has something to do again, ms since 1970. */
  due(now: number): number;
  wipe(): void;
}

export class FixedKey implements Key {
  readonly id: number;
  readonly epoch = null;
  readonly half = 0;
  readonly fingerprint: string;
  readonly #secret: Buffer;

  constructor(id: number, secret: Uint8Array) {
    this.id = id;
    this.fingerprint = fingerprint(secret);
    this.#secret = copySecret(secret);
  }

  offers(): NativeKey[] {
    return [{ id: this.id, secret: this.#secret }];
  }

  advance(): boolean {
    return false;
  }

  due(): number {
    return Number.POSITIVE_INFINITY;
  }

  wipe(): void {
    wipe(this.#secret);
  }
}

/** A ratcheting key when it is made. */
export interface RatchetStart {
  /** When epoch 0 began, ms since 1970. */
  since: number;
  /** Length of an epoch, ms. */
  every: number;
  /** 0 or 1: which half of the native ids is this key's, so that two keys in one ring never share one. */
  half: number;
}

/**
 * Holds the secrets of the last, this and the next epoch; those before them cannot be had again. Epochs follow the clock, forwards only: one
 * that is set back finds the key ahead, which peers understand for an epoch.
 */
export class RatchetKey implements Key {
  readonly id: number;
  readonly half: number;
  readonly fingerprint: string;
  readonly #start: RatchetStart;
  /** Of epochs `epoch` − 1 (null in epoch 0), `epoch` and `epoch` + 1. */
  #secrets: [Uint8Array | null, Uint8Array, Uint8Array];
  #epoch = 0;
  /** In the second half of the epoch, where the next is closer than the last. */
  #late = false;

  constructor(id: number, secret: Uint8Array, start: RatchetStart, now: number) {
    this.id = id;
    this.half = start.half;
    this.fingerprint = fingerprint(secret);
    this.#start = start;
    this.#secrets = [null, copySecret(secret), ratchet(secret)];
    const target = this.#epochAt(now);
    while (this.#epoch < target) this.#step();
    this.advance(now);
  }

  get epoch(): number {
    return this.#epoch;
  }

  offers(): NativeKey[] {
    const [last, now, next] = this.#secrets;
    const offer = (epoch: number, secret: Uint8Array) => ({ id: this.#nativeId(epoch), secret });
    const after = offer(this.#epoch + 1, next);
    if (last === null) return [offer(this.#epoch, now), after];
    const before = offer(this.#epoch - 1, last);
    return [offer(this.#epoch, now), ...(this.#late ? [after, before] : [before, after])];
  }

  #nativeId(epoch: number): number {
    return (this.#start.half * 2 ** 31 + (epoch % 2 ** 31)) >>> 0;
  }

  advance(now: number): boolean {
    const target = this.#epochAt(now);
    const ahead = target - this.#epoch;
    if (ahead > MAX_JUMP) {
      throw new OverlaneError(
        'ERR_OVERLANE_SYSTEM',
        `key ${this.id} stays in epoch ${this.#epoch}: the clock is ${ahead} epochs ahead of it all at once; set it right`,
      );
    }
    const moved = ahead > 0;
    while (this.#epoch < target) this.#step();
    const late = (now - this.#start.since) / this.#start.every - this.#epoch >= 0.5;
    const turned = late !== this.#late;
    this.#late = late;
    return moved || turned;
  }

  #epochAt(now: number): number {
    return Math.floor((now - this.#start.since) / this.#start.every);
  }

  #step(): void {
    const [last, now, next] = this.#secrets;
    wipe(last);
    this.#secrets = [now, next, ratchet(next)];
    this.#epoch++;
  }

  due(now: number): number {
    const { since, every } = this.#start;
    const halves = Math.floor((2 * (now - since)) / every) + 1;
    return since + (halves * every) / 2;
  }

  wipe(): void {
    wipe(...this.#secrets);
  }
}

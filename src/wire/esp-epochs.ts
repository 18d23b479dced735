/** The secrets of a ratchet's epochs, in any order and with bounded memory: the ratchet itself goes forward only. */
import { ratchet } from './esp-keys.js';

/** Epochs between those that stay. */
const STRIDE = 1024;
/** The last ones asked for that stay. */
const RECENT = 8;

export class EpochSecrets {
  /** Epochs that are stepped through at most: 137 years of 12 hours. */
  static readonly MOST = 100_000;

  readonly #kept = new Map<number, Uint8Array>();
  readonly #recent: number[] = [];

  /** `base`: the secret of epoch 0; copied. */
  constructor(base: Uint8Array) {
    this.#kept.set(0, Uint8Array.from(base));
  }

  /** The secret of an epoch, to be read only; undefined before 0 and after `MOST`. */
  at(epoch: number): Uint8Array | undefined {
    if (!Number.isInteger(epoch) || epoch < 0 || epoch > EpochSecrets.MOST) return undefined;
    const known = this.#kept.get(epoch);
    if (known !== undefined) return known;
    let at = this.#nearest(epoch);
    let secret = this.#kept.get(at)!;
    while (at < epoch) {
      const passed = secret;
      secret = ratchet(secret);
      if (!this.#kept.has(at)) passed.fill(0);
      at++;
      if (at % STRIDE === 0) this.#kept.set(at, secret);
    }
    this.#kept.set(epoch, secret);
    this.#noteRecent(epoch);
    return secret;
  }

  /** Wipes all. */
  close(): void {
    for (const secret of this.#kept.values()) secret.fill(0);
    this.#kept.clear();
    this.#kept.set(0, new Uint8Array(32));
  }

  /** The latest epoch up to this one whose secret is there. */
  #nearest(epoch: number): number {
    let nearest = 0;
    for (const kept of this.#kept.keys()) if (kept <= epoch && kept > nearest) nearest = kept;
    return nearest;
  }

  #noteRecent(epoch: number): void {
    if (epoch % STRIDE === 0) return;
    this.#recent.push(epoch);
    const oldest = this.#recent.length > RECENT ? this.#recent.shift()! : undefined;
    if (oldest === undefined) return;
    this.#kept.get(oldest)?.fill(0);
    this.#kept.delete(oldest);
  }
}

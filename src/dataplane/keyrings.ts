/** The keyrings that the bridges of one dataplane use, each once on the native side. */
import { OverlaneError } from '../errors.js';
import { access, Keyring, type KeyringUser } from '../keyring/keyring.js';
import type { NativeDataplane } from '../native.js';
import { digestOf, type EncryptionOptions, makeKeyring } from './encryption-options.js';
import { native, type Step } from './undo.js';

interface Use {
  /** Of the native side. */
  index: number;
  bridges: number;
}

export class Keyrings implements KeyringUser {
  readonly #side: NativeDataplane;
  readonly #uses = new Map<Keyring, Use>();
  /** Rings that bridges' options made, by what tells those options apart: closed with their last bridge. */
  readonly #own = new Map<Keyring, string | null>();

  constructor(side: NativeDataplane) {
    this.#side = side;
  }

  /** The ring itself, or one for the options, which may be that of another bridge. */
  resolve(step: Step, given: Keyring | EncryptionOptions, name: string): Keyring {
    if (given instanceof Keyring) {
      access.refuseClosed(given);
      return given;
    }
    const digest = digestOf(given);
    for (const [ring, of] of this.#own) if (of !== null && of === digest && ring.keys.length > 0) return ring;
    return step(
      () => {
        const ring = makeKeyring(name, given);
        this.#own.set(ring, digest);
        return ring;
      },
      (ring) => this.#forget(ring),
    );
  }

  #forget(ring: Keyring): void {
    if (this.#own.delete(ring)) ring.close();
  }

  /** Counts one more bridge; returns the index of the native side, where the keys are from now on. */
  hold(step: Step, ring: Keyring): number {
    const known = this.#uses.get(ring);
    if (known === undefined)
      step(
        () => this.#begin(ring),
        () => this.#end(ring),
      );
    const use = this.#uses.get(ring)!;
    step(
      () => use.bridges++,
      () => use.bridges--,
    );
    return use.index;
  }

  #begin(ring: Keyring): void {
    access.use(ring, this);
    const what = `keyring '${ring.name}'`;
    let index = 0;
    try {
      index = native(what, () => this.#side.addKeyring(access.native(ring)));
      const { keys, send } = access.material(ring);
      native(what, () => this.#side.setKeys(index, keys, send));
      this.#uses.set(ring, { index, bridges: 0 });
    } catch (error) {
      if (index !== 0) this.#side.removeKeyring(index);
      access.leave(ring, this);
      throw error;
    }
  }

  #end(ring: Keyring): void {
    const use = this.#uses.get(ring);
    if (use === undefined) return;
    this.#uses.delete(ring);
    access.leave(ring, this);
    native(`keyring '${ring.name}'`, () => this.#side.removeKeyring(use.index));
  }

  /** After the native side has removed a bridge. */
  release(ring: Keyring): void {
    const use = this.#uses.get(ring);
    if (use === undefined) return;
    use.bridges--;
    if (use.bridges > 0) return;
    this.#end(ring);
    this.#forget(ring);
  }

  /** Every change of a ring comes by here. */
  keysChanged(ring: Keyring): void {
    const use = this.#uses.get(ring);
    if (use === undefined) return;
    const { keys, send } = access.material(ring);
    native(`keyring '${ring.name}'`, () => this.#side.setKeys(use.index, keys, send));
  }

  at(index: number): Keyring | undefined {
    for (const [ring, use] of this.#uses) if (use.index === index) return ring;
    return undefined;
  }

  /** The native side is closed, and has wiped its keys. */
  close(): void {
    for (const ring of this.#uses.keys()) access.leave(ring, this);
    this.#uses.clear();
    for (const ring of [...this.#own.keys()]) this.#forget(ring);
  }
}

/** Two rings on one underlay must differ in what tells packets of one from those of the other. */
export function refuseAlike(ring: Keyring, other: Keyring): void {
  if (ring === other || ring.profile !== other.profile) return;
  const [mine, theirs] = [access.marks(ring), access.marks(other)];
  if (mine.fingerprints.some((mark) => theirs.fingerprints.includes(mark))) {
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `keyring '${ring.name}' has a key of keyring '${other.name}' on the same underlay; give both bridges one Keyring`,
    );
  }
  const tag = ring.profile === 'docker' ? mine.ids.find((id) => theirs.ids.includes(id)) : undefined;
  if (tag === undefined) return;
  throw new OverlaneError(
    'ERR_OVERLANE_EXISTS',
    `keyring '${ring.name}' has a key with tag ${tag}, and so has keyring '${other.name}' on the same underlay, so that both have the same SPIs; ` +
      'give both bridges one Keyring, or use another underlay',
  );
}

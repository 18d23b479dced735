/** Rotation with keys that somebody else makes: asked for, installed, and sent with a while later. */
import { OverlaneError } from '../errors.js';
import type { KeyOptions, Rotation } from './keyring-options.js';

/** Milliseconds that a source has for its answer. */
const PATIENCE = 60_000;
const RETRY = 60_000;
/** When a key comes to its limit, others get the next one in this time, if `grace` is longer. */
const HASTE = 10_000;

/** What a ring lets its rotation do. */
export interface Turns {
  hasNext(): boolean;
  install(key: KeyOptions): void;
  rotate(): void;
  /** Something did not work; it will be tried again. */
  fail(error: OverlaneError): void;
}

type SourceConfig = Extract<Rotation, { kind: 'source' }>;

/** Timers hold no process alive. */
export class SourceRotation {
  readonly #turns: Turns;
  readonly #config: SourceConfig;
  #timer: NodeJS.Timeout | null = null;
  #stage: 'waiting' | 'asking' | 'grace' = 'waiting';
  /** Which question is open; answers to others come too late. */
  #question = 0;
  #hurried = false;
  #turnAt = 0;
  #turnedAt = 0;
  #stopped = false;

  constructor(config: SourceConfig, turns: Turns) {
    this.#config = config;
    this.#turns = turns;
    this.#wait(config.every - config.grace);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** A key is near its limit, or at it: the next turn comes now. */
  hurry(): void {
    // What is told right after a turn is about the key before.
    if (this.#stopped || this.#hurried || Date.now() - this.#turnedAt < HASTE) return;
    this.#hurried = true;
    if (this.#stage === 'waiting') this.#ask();
    else if (this.#stage === 'grace') this.#turnIn(Math.min(HASTE, this.#turnAt - Date.now()));
  }

  /** The ring has turned, by whomever. */
  turned(): void {
    this.#hurried = false;
    this.#turnedAt = Date.now();
    this.#wait(this.#config.every - this.#config.grace);
  }

  #after(ms: number, call: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    // A timer takes 24 days at most.
    const most = 2 ** 31 - 1;
    const step = ms > most ? () => this.#after(ms - most, call) : call;
    this.#timer = this.#stopped ? null : setTimeout(step, Math.min(ms, most)).unref();
  }

  #wait(ms: number): void {
    this.#stage = 'waiting';
    this.#question++;
    this.#after(ms, () => this.#ask());
  }

  #ask(): void {
    if (this.#turns.hasNext()) {
      this.#grace();
      return;
    }
    this.#stage = 'asking';
    const question = ++this.#question;
    this.#after(PATIENCE, () =>
      this.#answer(question, () => {
        throw new Error(`no answer in ${PATIENCE / 1000} s`);
      }),
    );
    // In a microtask, so that what a source throws at once and what it rejects with are the same.
    void Promise.resolve()
      .then(() => this.#config.source())
      .then(
        (key) => this.#answer(question, () => key),
        (error) =>
          this.#answer(question, () => {
            throw error;
          }),
      );
  }

  #answer(question: number, key: () => KeyOptions): void {
    if (this.#stopped || question !== this.#question) return;
    this.#question++;
    try {
      this.#turns.install(key());
    } catch (cause) {
      this.#wait(Math.min(RETRY, this.#config.every));
      const ours = cause instanceof OverlaneError;
      const reason = cause instanceof Error ? cause.message : 'it threw what is no Error';
      const message = `the key source failed: ${reason}; the current key goes on, and the source is asked again`;
      this.#turns.fail(new OverlaneError(ours ? cause.code : 'ERR_OVERLANE_SYSTEM', message, { cause }));
      return;
    }
    this.#grace();
  }

  #grace(): void {
    this.#stage = 'grace';
    const { grace } = this.#config;
    this.#turnIn(this.#hurried ? Math.min(HASTE, grace) : grace);
  }

  #turnIn(ms: number): void {
    this.#turnAt = Date.now() + ms;
    this.#after(Math.max(0, ms), () => {
      // Else it was retired meanwhile.
      if (this.#turns.hasNext()) this.#rotate();
      else this.turned();
    });
  }

  #rotate(): void {
    try {
      this.#turns.rotate();
    } catch (error) {
      if (!(error instanceof OverlaneError)) throw error;
      this.#turns.fail(error);
    }
  }
}

/** A program that runs beside a test: what it prints, how it ends, and that it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll } from 'vitest';

const running = new Set<Program>();

afterAll(async () => {
  await Promise.all([...running].map((program) => program.stop()));
});

export class Program {
  /** What it printed so far on either stream. */
  output = '';
  /** Its standard output alone. */
  results = '';
  readonly #words: readonly string[];
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  readonly #wake = new Set<() => void>();

  constructor(words: readonly string[]) {
    this.#words = words;
    this.#child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this);
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.results += text;
      this.#said(text);
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => this.#said(text));
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.output += error.message;
        resolve(-1);
      });
      this.#child.on('close', (code) => resolve(code ?? -1));
    }).then((status) => {
      running.delete(this);
      for (const wake of this.#wake) wake();
      return status as number;
    });
  }

  #said(text: string): void {
    this.output += text;
    for (const wake of this.#wake) wake();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Whether it has not ended yet. */
  get alive(): boolean {
    return running.has(this);
  }

  /** Waits until it has printed this; throws when it ends before, or after `limit` ms. */
  async until(words: RegExp, limit = 5000): Promise<void> {
    const late = performance.now() + limit;
    while (!words.test(this.output)) {
      const left = late - performance.now();
      if (left <= 0 || !running.has(this)) throw new Error(`'${this}' did not say ${words}, but: ${this.output}`);
      await this.#change(left);
    }
  }

  async #change(limit: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limit);
      this.#wake.add(done);
    });
  }

  /** What it printed on standard output; throws unless its status is 0, or when it takes longer than `limit` ms, which ends it. */
  async done(limit = 15_000): Promise<string> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limit);
    const status = await this.#ended;
    clearTimeout(timer);
    if (status !== 0) throw new Error(`'${this}' ended with ${status}: ${this.output}`);
    return this.results;
  }

  /** Ends it, with SIGKILL if it takes longer than two seconds; its status, -1 for a signal. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000);
    const status = await this.#ended;
    clearTimeout(timer);
    return status;
  }

  toString(): string {
    return this.#words.join(' ');
  }
}

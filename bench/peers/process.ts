/** A peer's process: started so that it cannot outlive us, watched by what it prints, ended in any case. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from './peer.js';

export class PeerProcess {
  readonly #name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #closed: Promise<void>;
  #output = '';
  #ended: string | null = null;
  #wake: () => void = () => {};

  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#name = command.slice(command.lastIndexOf('/') + 1);
    // Poll-mode programs spin for ever: the kernel ends them should we be killed before we can.
    const setpriv = findProgram('setpriv');
    const argv = setpriv === null ? [command, ...args] : [setpriv, '--pdeathsig', 'KILL', '--', command, ...args];
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: 'pipe', detached: true, env: { ...process.env, ...env } });
    this.#child.stdin.on('error', () => {});
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-65536);
        this.#wake();
      });
    }
    this.#closed = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#ended ??= reason;
        this.#wake();
        resolve();
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('close', (code, signal) => end(signal ?? `exit status ${code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The last 64 KiB of stdout and stderr. */
  get output(): string {
    return this.#output;
  }

  /** CPU time of all its threads so far, ns, to 10 ms; NaN when it has ended. */
  cpuNs(): number {
    try {
      // proc(5): utime and stime are fields 14 and 15; the name before them may hold anything but a last ')'.
      const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return (Number(fields[11]) + Number(fields[12])) * 1e7;
    } catch {
      return Number.NaN;
    }
  }

  /** Forgets what was printed so far, then writes a line. */
  send(line: string): void {
    this.#output = '';
    this.#child.stdin.write(`${line}\n`);
  }

  /** Waits until the output matches; throws when the process ends before, or `signal` is aborted. */
  async until(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray> {
    const onAbort = () => this.#wake();
    signal.addEventListener('abort', onAbort);
    try {
      for (;;) {
        const match = pattern.exec(this.#output);
        if (match !== null) return match;
        if (signal.aborted) throw new Error(`${this.#name}: ${reasonOf(signal)}${this.#last()}`);
        if (this.#ended !== null) throw new Error(`${this.#name} ended (${this.#ended})${this.#last()}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Waits for the end; throws unless the exit status was 0. */
  async done(signal: AbortSignal): Promise<string> {
    const kill = () => this.#kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    await this.#closed;
    signal.removeEventListener('abort', kill);
    if (this.#ended !== 'exit status 0') throw new Error(`${this.#name}: ${this.#ended}${this.#last()}`);
    return this.#output;
  }

  /** SIGTERM, after two seconds SIGKILL; returns when the process is gone. */
  async stop(): Promise<void> {
    this.#kill('SIGTERM');
    const timer = setTimeout(() => this.#kill('SIGKILL'), 2000);
    await this.#closed;
    clearTimeout(timer);
  }

  /** The whole process group: what it started ends with it. */
  #kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined || this.#ended !== null) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // Gone already.
    }
  }

  /** What the process complained about, if it did. */
  #last(): string {
    const lines = this.#output.trim().split('\n');
    const telling = lines.filter((line) => /error|cannot|fail|invalid|ERR|EMER/i.test(line));
    const text = (telling.length > 0 ? telling : lines).slice(-2).join(' | ').trim();
    return text === '' ? '' : `: ${text}`;
  }
}

function reasonOf(signal: AbortSignal): string {
  const reason = signal.reason as { name?: string } | undefined;
  return reason?.name === 'TimeoutError' ? 'no answer in time' : 'interrupted';
}

/** A program that does one thing and ends, such as ovs-vsctl. Returns what it printed. */
export async function runTool(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  env: Record<string, string> = {},
): Promise<string> {
  return await new PeerProcess(command, args, env).done(signal);
}

/** Waits; rejects when `signal` is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}

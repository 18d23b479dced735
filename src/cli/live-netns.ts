/** Network namespaces for a while: named with our pid, so that a later start finds what one that was killed has left. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { OverlaneError } from '../errors.js';

const PREFIX = 'overlane-demo-';
const FOLDER = '/run/netns';
/** Milliseconds for a command that only configures something. */
const LIMIT = 10_000;

const run = promisify(execFile);

export interface Ran {
  status: number;
  out: string;
}

/** Makes namespaces, and takes all of them away in `close()`. `ip` is the full name of ip(8). */
export class Namespaces {
  readonly #ip: string;
  readonly #signal: AbortSignal;
  readonly #made = new Set<string>();
  /** What no way of ending the process goes round, but for SIGKILL. */
  readonly #atExit = () => this.close();

  /** When `signal` aborts, what is being waited for throws. */
  constructor(ip: string, signal: AbortSignal) {
    this.#ip = ip;
    this.#signal = signal;
    process.on('exit', this.#atExit);
  }

  /** A new namespace with its loopback up. */
  async add(word: string): Promise<Netns> {
    const name = `${PREFIX}${process.pid}-${word}`;
    this.#made.add(name);
    await this.ip('netns', 'add', name);
    const netns = new Netns(name, this.#ip, this.#signal);
    await netns.ip('link', 'set', 'lo', 'up');
    return netns;
  }

  async ip(...words: string[]): Promise<void> {
    await must(this.#ip, words, this.#signal);
  }

  /** Joins two namespaces by a veth pair with an address each. */
  async join(link: string, one: [Netns, string], other: [Netns, string]): Promise<void> {
    const ends = [
      ...['name', link, 'netns', one[0].name, 'type', 'veth'],
      ...['peer', 'name', link, 'netns', other[0].name],
    ];
    await this.ip('link', 'add', ...ends);
    for (const [netns, address] of [one, other]) {
      await netns.ip('address', 'add', address, 'dev', link);
      await netns.ip('link', 'set', link, 'up');
    }
  }

  /** Safe in any state, and again; also from an exit handler, so it waits for nothing. */
  close(): void {
    process.off('exit', this.#atExit);
    for (const name of this.#made) remove(this.#ip, name);
    this.#made.clear();
  }
}

export class Netns {
  readonly name: string;
  readonly #ip: string;
  readonly #signal: AbortSignal;

  constructor(name: string, ip: string, signal: AbortSignal) {
    this.name = name;
    this.#ip = ip;
    this.#signal = signal;
  }

  /** Configures with ip(8). */
  async ip(...words: string[]): Promise<void> {
    await must(this.#ip, ['-n', this.name, ...words], this.#signal);
  }

  /** The words that run a program in here. ip(8) replaces itself by it, so the pid is the program's. */
  inside(program: string, args: readonly string[]): [file: string, args: string[]] {
    return [this.#ip, ['netns', 'exec', this.name, program, ...args]];
  }

  /** Runs a program to its end, `limit` milliseconds at most: its exit status, -1 for none, and what it said. */
  async run(program: string, args: readonly string[], limit = LIMIT): Promise<Ran> {
    const options = { signal: this.#signal, timeout: limit, maxBuffer: 2 ** 24 };
    try {
      const { stdout } = await run(...this.inside(program, args), options);
      return { status: 0, out: stdout };
    } catch (error) {
      this.#signal.throwIfAborted();
      const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
      return { status: typeof code === 'number' ? code : -1, out: `${stdout}${stderr}` };
    }
  }
}

async function must(file: string, words: readonly string[], signal: AbortSignal): Promise<void> {
  try {
    await run(file, words, { signal, timeout: LIMIT });
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr, message } = cause as { stderr?: string; message: string };
    const why = stderr?.trim() || message;
    throw new OverlaneError('ERR_OVERLANE_SYSTEM', `ip ${words.join(' ')}: ${why}`, { cause });
  }
}

/** The namespaces of demos whose process is gone, this one's pid before us included: takes them away, and says which. */
export function sweep(ip: string): string[] {
  const left = (existsSync(FOLDER) ? readdirSync(FOLDER) : []).filter((name) => {
    const pid = Number(/^overlane-demo-([1-9]\d*)-/.exec(name)?.[1] ?? 0);
    return pid !== 0 && (pid === process.pid || !isAlive(pid));
  });
  for (const name of left) {
    // Programs that the demo started in there; nobody else knows the name.
    const { stdout } = spawnSync(ip, ['netns', 'pids', name], { encoding: 'utf8', timeout: LIMIT });
    for (const pid of (stdout ?? '')
      .split('\n')
      .map(Number)
      .filter((number) => number > 1))
      end(pid);
    remove(ip, name);
  }
  return left;
}

/** A zombie is gone: it will not clean up any more. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function remove(ip: string, name: string): void {
  if (existsSync(`${FOLDER}/${name}`)) spawnSync(ip, ['netns', 'delete', name], { timeout: LIMIT });
}

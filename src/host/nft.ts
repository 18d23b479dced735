/** The program nft(8): one script or question at a time, and what its refusals mean. */
import { spawn } from 'node:child_process';
import { OverlaneError } from '../errors.js';

/** Milliseconds. A transaction takes a few; what takes this long hangs. */
const LIMIT = 30_000;
/** Daemons are often started without these in their PATH. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`;

interface Ended {
  status: number | null;
  out: string;
  err: string;
}

/** Runs nft in the network namespace of this process, or in that of the file `netns`. */
export class Nft {
  readonly #netns: string | undefined;
  readonly #program: string;

  constructor(netns?: string, program = 'nft') {
    this.#netns = netns;
    this.#program = program;
  }

  /**
   * Applies a script as one transaction; with `check` only asks whether it could be.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_MISSING` without nft or nf_tables, `ERR_OVERLANE_PERMISSION`, `ERR_OVERLANE_OPTION` when the
   *   namespace cannot be opened, `ERR_OVERLANE_SYSTEM` with nft's own words for everything else. Nothing has changed then.
   */
  async apply(script: string, check = false): Promise<void> {
    const ended = await this.#run(this.#program, [...(check ? ['-c'] : []), '-f', '-'], script);
    if (ended.status !== 0) throw refusal(ended, this.#netns);
  }

  /** What `nft WORDS` writes; same errors as `apply`. */
  async ask(...words: string[]): Promise<string> {
    const ended = await this.#run(this.#program, words);
    if (ended.status !== 0) throw refusal(ended, this.#netns);
    return ended.out;
  }

  /** A file of /proc as the namespace sees it, or null when it cannot be read. */
  async proc(path: string): Promise<string | null> {
    const { status, out } = await this.#run('cat', [path]);
    return status === 0 ? out : null;
  }

  #run(program: string, args: string[], input = ''): Promise<Ended> {
    const words =
      this.#netns === undefined ? [program, ...args] : ['nsenter', `--net=${this.#netns}`, program, ...args];
    return run(words[0]!, words.slice(1), input);
  }
}

function run(file: string, args: string[], input: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: { ...process.env, PATH, LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: LIMIT,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    // A program that ends before it has read everything says why on stderr.
    child.stdin.on('error', () => {});
    child.on('error', (cause) => reject(notStarted(file, cause)));
    child.on('close', (status) =>
      resolve({ status, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }),
    );
    child.stdin.end(input);
  });
}

function notStarted(file: string, cause: Error): OverlaneError {
  if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return missing(file, cause);
  return new OverlaneError('ERR_OVERLANE_SYSTEM', `${file} could not be started: ${cause.message}`, { cause });
}

function missing(program: string, cause?: unknown): OverlaneError {
  const name = program === 'nsenter' ? 'util-linux' : 'nftables';
  return new OverlaneError(
    'ERR_OVERLANE_MISSING',
    `the program ${program} is not installed; apt-get install ${name}, or do without published ports and masquerading`,
    { cause },
  );
}

function refusal({ status, err }: Ended, netns: string | undefined): OverlaneError {
  const words = err.trim().split('\n').slice(0, 6).join('\n');
  if (/^nsenter: failed to execute/m.test(err)) return missing('nft');
  if (/^nsenter: cannot open/m.test(err)) {
    return new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `netns '${netns}' cannot be opened; give the path of a network namespace`,
    );
  }
  if (/Operation not permitted|Permission denied/.test(err)) {
    return new OverlaneError(
      'ERR_OVERLANE_PERMISSION',
      `nft may not change the firewall of this network namespace; run as root or with CAP_NET_ADMIN (${words})`,
    );
  }
  if (/cache initialization failed|Unable to initialize Netlink|Protocol not supported/.test(err)) {
    return new OverlaneError(
      'ERR_OVERLANE_MISSING',
      `this kernel has no nf_tables; modprobe nf_tables, or use a kernel with CONFIG_NF_TABLES (${words})`,
    );
  }
  const how = status === null ? `was ended after ${LIMIT / 1000} s` : `failed with status ${status}`;
  return new OverlaneError('ERR_OVERLANE_SYSTEM', `nft ${how}; its words: ${words || 'none'}`);
}

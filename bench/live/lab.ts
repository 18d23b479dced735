/** What one setup is built from: namespaces, links and daemons. `close()` takes back whatever was given out. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../peers/peer.js';
import { PeerProcess, runTool } from '../peers/process.js';
import { DEFAULT_CONGESTION } from './congestion.js';
import { prefixOf } from './names.js';

/** Milliseconds for a command that only configures something. */
const COMMAND_LIMIT = 10_000;
/** A namespace shows its own settings to who is inside; one that is right already may be one that it could not be given. */
const SET = 'read -r is <"$1"; [ "$is" = "$2" ] || echo "$2" >"$1"';

/** A command line that is started inside a namespace. */
export class Namespace {
  readonly name: string;
  readonly path: string;
  readonly #signal: AbortSignal;

  constructor(name: string, signal: AbortSignal) {
    this.name = name;
    this.path = `/run/netns/${name}`;
    this.#signal = signal;
  }

  /** Configures with ip(8). */
  async ip(...args: string[]): Promise<string> {
    return await runTool(program('ip'), ['-n', this.name, ...args], limited(this.#signal, COMMAND_LIMIT));
  }

  /** Runs a program to its end; throws unless its exit status is 0, or when it takes longer than `limit` ms. */
  async run(command: string, args: readonly string[], limit = COMMAND_LIMIT): Promise<string> {
    const [file, argv] = this.#inside(command, args);
    return await runTool(file, argv, limited(this.#signal, limit));
  }

  /** Starts a program; the caller ends it. */
  start(command: string, args: readonly string[], env: Record<string, string> = {}): PeerProcess {
    const [file, argv] = this.#inside(command, args);
    return new PeerProcess(file, argv, env);
  }

  /** ip(8) replaces itself by the program, so the pid is the program's. */
  #inside(command: string, args: readonly string[]): [string, string[]] {
    return [program('ip'), ['netns', 'exec', this.name, program(command), ...args]];
  }
}

/** One end of a pair of veth devices. */
export interface End {
  at: Namespace;
  name: string;
  mac?: string;
  /** With their prefix length. */
  addresses?: readonly string[];
}

export interface Daemon {
  /** Which side of the path it works for: `host 1`, `host 2`, or `host` where one does both. */
  side: string;
  process: PeerProcess;
}

export class Lab {
  /** For what a setup does until it is up. */
  readonly signal: AbortSignal;
  /** Fresh, removed by `close()`. */
  readonly directory: string;
  readonly daemons: Daemon[] = [];
  readonly #prefix: string;
  readonly #congestion: string;
  readonly #namespaces: Namespace[] = [];
  readonly #undo: (() => void)[] = [];

  /** `slug` tells the setups of a run apart; `congestion` is TCP's congestion control in all namespaces. */
  constructor(slug: string, congestion: string, signal: AbortSignal) {
    this.#prefix = `${prefixOf(process.pid)}${slug}-`;
    this.#congestion = congestion;
    this.signal = signal;
    this.directory = mkdtempSync(join(tmpdir(), this.#prefix));
  }

  /** A new namespace with the loopback up. */
  async namespace(name: string): Promise<Namespace> {
    const space = new Namespace(this.#prefix + name, this.signal);
    this.#namespaces.push(space);
    await runTool(program('ip'), ['netns', 'add', space.name], limited(this.signal, COMMAND_LIMIT));
    await space.ip('link', 'set', 'lo', 'up');
    await space.run('sh', ['-c', SET, 'sh', DEFAULT_CONGESTION, this.#congestion]);
    return space;
  }

  /** A pair of veth devices, up, with their addresses. */
  async veth(one: End, other: End, mtu = 1500): Promise<void> {
    const described = ({ at, name, mac }: End) => [
      ...['name', name, 'netns', at.name, 'mtu', `${mtu}`],
      ...(mac === undefined ? [] : ['address', mac]),
    ];
    const args = ['link', 'add', ...described(one), 'type', 'veth', 'peer', ...described(other)];
    await runTool(program('ip'), args, limited(this.signal, COMMAND_LIMIT));
    for (const end of [one, other]) await up(end);
  }

  /** Starts a daemon in `at`, or where this process is. It ends with the lab. */
  daemon(side: string, at: Namespace | null, command: string, args: string[], env?: Record<string, string>): void {
    const process = at === null ? new PeerProcess(program(command), args, env) : at.start(command, args, env);
    this.daemons.push({ side, process });
  }

  /** Writes a file into the lab's directory, for nobody else's eyes, and gives its path. */
  file(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** Something more to do when the lab closes. */
  onClose(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Safe in any state, also after the run was interrupted; returns when everything is gone. */
  async close(): Promise<void> {
    await Promise.all(this.daemons.splice(0).map(({ process }) => process.stop()));
    for (const undo of this.#undo.splice(0)) undo();
    for (const { name } of this.#namespaces.splice(0)) {
      // It may never have come to be.
      await runTool(program('ip'), ['netns', 'delete', name], AbortSignal.timeout(COMMAND_LIMIT)).catch(() => {});
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function up({ at, name, addresses = [] }: End): Promise<void> {
  await addAddresses(at, name, addresses);
  await at.ip('link', 'set', name, 'up');
}

/** IPv6 without duplicate address detection: it would keep the address unusable for the first second. */
export async function addAddresses(at: Namespace, name: string, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    await at.ip('address', 'add', address, 'dev', name, ...(address.includes(':') ? ['nodad'] : []));
  }
}

function limited(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(ms))]);
}

function program(name: string): string {
  const file = findProgram(name);
  if (file === null) throw new Error(`${name} is not installed`);
  return file;
}

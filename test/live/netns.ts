/** Network namespaces for one test file: made by name, entered with `ip netns exec`, and always removed. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';
import { hasTool } from '../peers.js';
import { Program } from './program.js';

/** CAP_NET_ADMIN and CAP_SYS_ADMIN, as far as making a namespace proves them. */
export const hasRoot = canMakeNamespaces();

/** For the names of tests that are skipped without the privileges. */
export const NEEDS_ROOT = '(needs root)';

const run = promisify(execFile);
const open = new Set<Netns>();
let count = 0;

afterAll(() => {
  for (const netns of open) netns.remove();
});

function canMakeNamespaces(): boolean {
  if (process.getuid?.() !== 0 || !hasTool('ip')) return false;
  return spawnSync('unshare', ['--net', 'true']).status === 0;
}

export class Netns {
  /** `ovl-<pid>-<n>-<word>`: unique among test files that run side by side. */
  readonly name: string;

  /** Makes it, with its loopback up. */
  constructor(word = 'ns') {
    this.name = `ovl-${process.pid}-${count++}-${word}`;
    execFileSync('ip', ['netns', 'add', this.name]);
    open.add(this);
    this.ip('link', 'set', 'lo', 'up');
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** `ip <words>` in it; what it prints. */
  ip(...words: string[]): string {
    return execFileSync('ip', ['-n', this.name, ...words], { encoding: 'utf8' });
  }

  /** Any program in it, for ten seconds at most: its exit status and what it prints. */
  async exec(...words: string[]): Promise<{ status: number; out: string }> {
    try {
      const { stdout } = await run('ip', ['netns', 'exec', this.name, ...words], { timeout: 10_000 });
      return { status: 0, out: stdout };
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
      return { status: typeof code === 'number' ? code : -1, out: `${stdout}${stderr}` };
    }
  }

  /** Starts a program in it, which ends by itself, with `stop()`, or with the test file. */
  start(...words: string[]): Program {
    return new Program(['ip', 'netns', 'exec', this.name, ...words]);
  }

  /** The names of its interfaces, without loopback. */
  links(): string[] {
    const all = JSON.parse(this.ip('-j', 'link', 'show')) as { ifname: string }[];
    return all.map(({ ifname }) => ifname).filter((name) => name !== 'lo');
  }

  remove(): void {
    if (!open.delete(this)) return;
    spawnSync('ip', ['netns', 'del', this.name]);
  }
}

/** Joins two namespaces by a veth pair that is called `name` in both, with an address each, ready to be used. */
export function joinByVeth(a: [Netns, string], b: [Netns, string], { name = 'wire', mtu = 1500 } = {}): void {
  const pair = `ov${process.pid}${count++}`.slice(0, 14);
  a[0].ip('link', 'add', name, 'mtu', String(mtu), 'type', 'veth', 'peer', 'name', pair, 'mtu', String(mtu));
  a[0].ip('link', 'set', pair, 'netns', b[0].name, 'name', name);
  for (const [netns, address] of [a, b]) {
    // Without duplicate address detection an IPv6 address can be used at once.
    const nodad = address.includes(':') ? ['nodad'] : [];
    netns.ip('address', 'add', address, 'dev', name, ...nodad);
    netns.ip('link', 'set', name, 'up');
  }
}

/** Packets that came back, of so many pings of `size` bytes each. */
export async function ping(from: Netns, to: string, { count: times = 3, size = 56 } = {}): Promise<number> {
  const { out } = await from.exec('ping', '-n', '-c', String(times), '-i', '0.2', '-W', '2', '-s', String(size), to);
  const found = /(\d+) received/.exec(out);
  if (found === null) throw new Error(`ping said: ${out}`);
  return Number(found[1]);
}

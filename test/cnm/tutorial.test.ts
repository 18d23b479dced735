/** docs/tutorial.md, run as it stands: every block in order in one shell, each with the output that the page promises. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { hasTool, NEEDS_TSHARK } from '../peers.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Milliseconds that the blocks of a section may take. */
const LIMIT = 25_000;
/** What the tutorial says that it needs, with the words for who has it not. */
const NEEDED: readonly (readonly [boolean, string])[] = [
  [hasRoot, NEEDS_ROOT],
  [hasTool('docker'), '(needs docker: apt-get install docker.io)'],
  [hasTool('nft'), '(needs nft: apt-get install nftables)'],
  [hasTool('tshark'), NEEDS_TSHARK],
];
const missing = NEEDED.filter(([there]) => !there).map(([, words]) => words);

interface Step {
  commands: string;
  /** Lines that the commands print, others may be between them. */
  lines: string[];
}

interface Section {
  title: string;
  steps: Step[];
}

/** What is a command and what it prints, by the fences of the page. */
function sectionsOf(markdown: string): Section[] {
  const sections: Section[] = [];
  for (const [, title, kind, text = ''] of markdown.matchAll(/^## (.*)$|^```(\w*)\n([\s\S]*?)^```$/gm)) {
    const steps = sections.at(-1)?.steps;
    if (title !== undefined) sections.push({ title, steps: [] });
    else if (kind === 'sh') steps!.push({ commands: text, lines: [] });
    else if (kind === 'text') steps!.at(-1)!.lines.push(...text.split('\n').filter((line) => line.trim() !== ''));
    else throw new Error(`a block of the tutorial is neither sh nor text, but '${kind}'`);
  }
  return sections;
}

/** `…` is anything, and a space any number of them. */
function patternOf(line: string): RegExp {
  const parts = line.trim().split(/(…|\s+)/);
  const source = parts.map((part) => {
    if (part === '…') return '.*';
    return /^\s+$/.test(part) ? '\\s+' : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`);
}

/** Fails with the first line that does not come, after those before it. */
function expectLines(output: string, lines: readonly string[]): void {
  const printed = output.split('\n').map((line) => line.trim());
  let from = 0;
  for (const line of lines) {
    const at = printed.findIndex((one, i) => i >= from && patternOf(line).test(one));
    if (at < 0) expect.fail(`this line was not printed, or not in its place:\n${line}\nbut:\n${output}`);
    from = at + 1;
  }
}

/**
 * One bash, as pid 1 and with mounts and a network of its own: names such as `h1` are nobody else's, and nothing of what it started or
 * made outlives it, whatever happens. It ends at the first command that fails.
 */
class Shell {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'ovl-tutorial-'));
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = '';
  #count = 0;

  constructor() {
    const loop = [
      'exec 2>&1',
      'set -e',
      'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns',
      'while read -r block <&3; do . "$block" </dev/null 3<&-; echo; echo "end of $block"; done',
    ].join('\n');
    const own = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
    // What 'mktemp' makes can be looked for, and removed.
    const env = { ...process.env, TMPDIR: this.folder };
    this.#child = spawn('unshare', [...own, 'bash', '-c', loop], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    this.#closed = once(this.#child, 'close');
    (this.#child.stdout as Readable).setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
    // It has ended; run() says so.
    (this.#child.stdio[3] as Writable).on('error', () => {});
  }

  /** What the commands print on either stream. Throws when one fails, or they take longer than `limit` ms. */
  async run(commands: string, limit = LIMIT): Promise<string> {
    const file = path.join(this.folder, `../${path.basename(this.folder)}.${this.#count++}.sh`);
    writeFileSync(file, commands);
    const end = `\nend of ${file}\n`;
    const late = performance.now() + limit;
    this.#output = '';
    try {
      (this.#child.stdio[3] as Writable).write(`${file}\n`);
      while (!this.#output.includes(end)) {
        if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
          await this.#closed;
          throw new Error(
            `a command, or a section before this one, failed:\n${commands}\nIt printed:\n${this.#output}`,
          );
        }
        if (performance.now() > late) {
          throw new Error(`this took more than ${limit} ms:\n${commands}\nIt printed:\n${this.#output}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return this.#output.slice(0, this.#output.indexOf(end));
    } finally {
      rmSync(file);
    }
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const sections = sectionsOf(readFileSync(path.join(ROOT, 'docs/tutorial.md'), 'utf8'));

it('the tutorial has commands, and says what they print, in every section', () => {
  expect(sections.length).toBeGreaterThan(10);
  for (const { title, steps } of sections) {
    expect(steps.length, title).toBeGreaterThan(0);
    for (const { lines } of steps) expect(lines.length, title).toBeGreaterThan(0);
  }
});

describe.skipIf(missing.length > 0)(['the tutorial', ...missing].join(' '), () => {
  let shell: Shell;
  beforeAll(() => {
    shell = new Shell();
  });
  afterAll(() => shell?.close());

  for (const { title, steps } of sections) {
    it(title, async () => {
      for (const { commands, lines } of steps) expectLines(await shell.run(commands), lines);
    });
  }

  it('nothing is left of it: no host, no process, no file, no interface', async () => {
    const output = await shell.run(`
      echo "hosts: $(ip netns list)"
      echo "processes: $(cat /proc/[0-9]*/comm | grep -vx -e bash -e cat -e grep)"
      echo "files: $(ls -A "$TMPDIR")"
      echo "interfaces: $(ls /proc/sys/net/ipv4/conf | xargs)"
      echo "mounts: $(grep -c "$TMPDIR" /proc/self/mounts || true)"`);
    expect(
      output
        .trim()
        .split('\n')
        .map((line) => line.trim()),
    ).toEqual(['hosts:', 'processes:', 'files:', 'interfaces: all default lo', 'mounts: 0']);
  });
});

/** Keys in the memory of a process: those that have left a ring are not there any more, and none is in a core file. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { parseIp } from '../../src/address.js';
import { deriveSa, ratchet } from '../../src/wire/esp-keys.js';
import { hasRoot, NEEDS_ROOT, Netns } from '../live/netns.js';

const HOLDER = fileURLToPath(new URL('holder.mjs', import.meta.url));
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CHUNK = 1 << 20;
const running = new Set<ChildProcessWithoutNullStreams>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

/** How often bytes stand in the memory that a process can write to. */
function countIn(pid: number, needle: Buffer): number {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const room = Buffer.alloc(CHUNK + needle.length);
  let count = 0;
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      const end = BigInt(`0x${to}`);
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(CHUNK)) {
        // A little of the next, for what lies across.
        const length = Number(end - at < room.length ? end - at : BigInt(room.length));
        const got = room.subarray(0, readSome(memory, room, length, at));
        for (let found = got.indexOf(needle); found >= 0 && found < CHUNK; found = got.indexOf(needle, found + 1))
          count++;
      }
    }
    return count;
  } finally {
    closeSync(memory);
  }
}

function readSome(fd: number, room: Buffer, length: number, at: bigint): number {
  try {
    return readSync(fd, room, 0, length, at);
  } catch {
    // Guard pages and devices.
    return 0;
  }
}

class Holder {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    running.add(child);
  }

  static async start(text: string, mode: string): Promise<Holder> {
    const file = join(folder, `${mode}.key`);
    writeFileSync(file, text, { mode: 0o600 });
    const holder = new Holder(spawn(process.execPath, [HOLDER, file, mode]));
    await holder.#line();
    return holder;
  }

  async #line(): Promise<string> {
    const [line] = (await once(this.#lines, 'line', { signal: AbortSignal.timeout(15_000) })) as [string];
    return line;
  }

  /** What it says to a word. */
  async tell(word: string): Promise<number> {
    const line = this.#line();
    this.#child.stdin.write(`${word}\n`);
    return Number((await line).replace('done ', ''));
  }

  count(needle: Uint8Array | string): number {
    return countIn(this.#child.pid!, Buffer.from(needle as string, 'latin1'));
  }
}

/** The key of the SA from node 1 to node 2. */
function saKey(secret: Uint8Array, spi: number): Uint8Array {
  const [source, destination] = ['192.168.77.1', '192.168.77.2'].map(parseIp) as [Uint8Array, Uint8Array];
  return deriveSa({ secret, source, destination, spi, keyBits: 128 }).key;
}

describe.skipIf(!hasRoot)(`the memory of a process ${NEEDS_ROOT}`, () => {
  it('has a key while it is in the ring, and not after retire(), nor any after close()', async () => {
    const [old, now] = [randomBytes(32), randomBytes(32)];
    const holder = await Holder.start(`strong 1 ${old.toString('hex')}\nstrong 2 ${now.toString('hex')}\n`, 'fixed');
    const spi = await holder.tell('seal');
    // The search finds what is there.
    expect([holder.count(old), holder.count(now)].every((count) => count > 0)).toBe(true);
    expect(holder.count(saKey(now, spi))).toBeGreaterThan(0);
    await holder.tell('retire:1');
    expect(holder.count(old)).toBe(0);
    expect(holder.count(now)).toBeGreaterThan(0);
    await holder.tell('close');
    expect([holder.count(now), holder.count(saKey(now, spi))]).toEqual([0, 0]);
    // Nor the digits of the file, which were read as bytes.
    for (const secret of [old, now]) {
      const hex = secret.toString('hex');
      expect([holder.count(hex), holder.count(hex.toUpperCase())]).toEqual([0, 0]);
    }
  }, 40_000);

  it('of docker: the same, the key schedules included', async () => {
    const [old, now] = [randomBytes(16), randomBytes(16)];
    const holder = await Holder.start(`docker 1 ${old.toString('hex')}\ndocker 2 ${now.toString('hex')}\n`, 'docker');
    await holder.tell('seal');
    expect([holder.count(old), holder.count(now)].every((count) => count > 0)).toBe(true);
    await holder.tell('retire:1');
    expect(holder.count(old)).toBe(0);
    await holder.tell('close bridge');
    await holder.tell('close');
    expect(holder.count(now)).toBe(0);
  }, 40_000);

  it('has nothing of epochs that the ratchet left behind', async () => {
    const base = randomBytes(32);
    const since = new Date(Date.now() - 1000).toISOString();
    const holder = await Holder.start(`strong 1 ${base.toString('hex')} since ${since}\n`, 'ratchet');
    const spi = await holder.tell('seal');
    const first = await holder.tell('epoch');
    expect(first).toBeLessThanOrEqual(1);
    expect(holder.count(base)).toBeGreaterThan(0);
    const secrets: Uint8Array[] = [base];
    for (let i = 0; i < 8; i++) secrets.push(ratchet(secrets.at(-1)!));
    const late = performance.now() + 15_000;
    let epoch = first;
    for (; epoch < 3; epoch = await holder.tell('epoch')) {
      if (performance.now() > late) throw new Error(`epoch ${epoch} after 15 seconds`);
      await sleep(100);
    }
    // Received with are the last, this and the next.
    expect(secrets.slice(0, epoch - 1).map((secret) => holder.count(secret))).toEqual(Array(epoch - 1).fill(0));
    expect(holder.count(saKey(base, spi))).toBe(0);
    expect(holder.count(secrets[epoch]!)).toBeGreaterThan(0);
  }, 40_000);
});

const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
/** Core files elsewhere, or given to a program, cannot be looked for. */
const coresHere = !/^[|/]/.test(pattern);

async function killed(folderOf: string, signal: NodeJS.Signals, words: string[], ready: RegExp): Promise<string[]> {
  // The shell's limit is that of the program, which takes its place.
  const child = spawn('sh', ['-c', 'ulimit -c unlimited && exec "$@"', 'sh', ...words], { cwd: folderOf });
  running.add(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const late = performance.now() + 15_000;
  while (!ready.test(said)) {
    if (performance.now() > late || child.exitCode !== null) throw new Error(`it said: ${said}`);
    await sleep(20);
  }
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
  expect(child.signalCode).toBe(signal);
  return readdirSync(folderOf).filter((name) => name.includes(pattern.replace(/%.*/, '')));
}

describe.skipIf(!hasRoot || !coresHere)(
  `core files ${NEEDS_ROOT} (needs a core_pattern in the working directory)`,
  () => {
    it.each(['SIGABRT', 'SIGQUIT'] as const)(
      'overlane run with keys leaves none, after %s',
      async (signal) => {
        const at = mkdtempSync(join(folder, 'core-'));
        // The limit is right: another program does.
        const other = mkdtempSync(join(folder, 'other-'));
        expect(await killed(other, signal, ['sh', '-c', 'echo up; while :; do :; done'], /up/)).toHaveLength(1);
        const [host, container] = [new Netns('h'), new Netns('c')];
        host.ip('address', 'add', '192.168.77.1/24', 'dev', 'lo');
        const topology = {
          ports: { c: { type: 'tap', netns: container.path, name: 'eth0' } },
          underlays: { u: { type: 'udp', netns: host.name, local: '192.168.77.1' } },
          bridges: { b: { vni: 1, underlay: 'u', ports: ['c'], encryption: { keys: 'k.key' } } },
        };
        writeFileSync(join(at, 't.json'), JSON.stringify(topology));
        const secret = randomBytes(32);
        const today = new Date().toISOString().slice(0, 10);
        writeFileSync(join(at, 'k.key'), `strong 1 ${secret.toString('hex')} since ${today}\n`, { mode: 0o600 });
        expect(await killed(at, signal, [process.execPath, MAIN, 'run', 't.json'], /live/)).toEqual([]);
        expect(existsSync(join(at, 'core'))).toBe(false);
      },
      40_000,
    );
  },
);

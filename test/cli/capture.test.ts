/** `overlane capture`: whose packets, when it ends, and that what it leaves is a capture. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { CaptureBlocks } from '../../src/cli/capture-blocks.js';
import { hasTool, NEEDS_TSHARK } from '../peers.js';
import { MAIN, StandIn, sandboxView, temporary } from './overlaned.js';

const daemon = await StandIn.open();
const folder = temporary();
const ID = 'e'.repeat(64);
const ROUTE = `GET /overlane/endpoints/${ID}/capture`;
const capture = (...args: string[]) => daemon.program('capture', ...args);

/** A block of pcapng in either byte order. */
function block(type: number, body: Buffer, big = false): Buffer {
  const edge = Buffer.alloc(12);
  const put = (value: number, at: number) => (big ? edge.writeUInt32BE(value, at) : edge.writeUInt32LE(value, at));
  put(type, 0);
  put(12 + body.length, 4);
  put(12 + body.length, 8);
  return Buffer.concat([edge.subarray(0, 8), body, edge.subarray(8)]);
}

function words(big: boolean, ...values: number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    if (big) buffer.writeUInt32BE(value, 4 * i);
    else buffer.writeUInt32LE(value, 4 * i);
  });
  return buffer;
}

/** An option of 64 bits. */
function option(code: number, value: number, big = false): Buffer {
  return Buffer.concat([
    big ? words(true, (code << 16) | 8, 0, value, 0) : words(false, (8 << 16) | code, value, 0, 0),
  ]);
}

function section(big = false): Buffer {
  const head = block(
    0x0a0d0d0a,
    Buffer.concat([words(big, 0x1a2b3c4d), Buffer.from(big ? [0, 1, 0, 0] : [1, 0, 0, 0]), Buffer.alloc(8, 0xff)]),
    big,
  );
  return Buffer.concat([head, block(1, big ? words(true, 1 << 16, 0) : words(false, 1, 0), big)]);
}

/** A packet of `length` bytes, with what was lost before it. */
function packet(length: number, { big = false, lost = 0 } = {}): Buffer {
  const data = Buffer.alloc(Math.ceil(length / 4) * 4, 0x02);
  const tail = lost === 0 ? Buffer.alloc(0) : option(4, lost, big);
  return block(6, Buffer.concat([words(big, 0, 0, 0, length, length), data, tail]), big);
}

const statistics = (dropped: number, big = false) =>
  block(5, Buffer.concat([words(big, 0, 0, 0), option(5, dropped, big)]), big);

/** Streams these, and then waits or ends. */
function streams(blocks: Buffer[], { end = false, cut = 0 } = {}): void {
  daemon.answers[ROUTE] = (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/x-pcapng' });
    const all = Buffer.concat(blocks);
    response.write(all.subarray(0, all.length - cut));
    if (end) response.end();
  };
}

/** When something is in the file; ten seconds at most. */
async function written(file: string): Promise<void> {
  for (let i = 0; i < 1000 && !(existsSync(file) && statSync(file).size > 0); i++) await sleep(10);
}

beforeEach(() => {
  daemon.asked = [];
  daemon.answers = { 'GET /overlane/sandboxes': { body: [sandboxView('web')] } };
});

describe('the blocks', () => {
  it.each([false, true])('cut anywhere, big-endian %s: whole ones come out, and are counted', (big) => {
    const stream = Buffer.concat([section(big), packet(61, { big }), packet(1, { big, lost: 3 }), statistics(5, big)]);
    for (let size = 1; size < 40; size++) {
      const blocks = new CaptureBlocks();
      const out: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) out.push(blocks.push(stream.subarray(at, at + size)));
      expect(Buffer.concat(out).equals(stream)).toBe(true);
      expect([blocks.packets, blocks.lost]).toEqual([2, 5n]);
    }
  });

  it('what is cut off at any length gives only whole blocks', () => {
    const parts = [section(), packet(60), packet(70, { lost: 2 })];
    const stream = Buffer.concat(parts);
    for (let length = 0; length < stream.length; length++) {
      const blocks = new CaptureBlocks();
      const { length: whole } = blocks.push(stream.subarray(0, length));
      expect(blocks.packets).toBe(length < parts[0]!.length + parts[1]!.length ? 0 : 1);
      expect(whole).toBeLessThanOrEqual(length);
    }
  });

  it('what is no pcapng is refused', () => {
    for (const wrong of [Buffer.alloc(64, 0x41), packet(60), Buffer.concat([section(), words(false, 6, 13, 0)])]) {
      expect(() => new CaptureBlocks().push(wrong)).toThrow(expect.objectContaining({ code: 'ERR_OVERLANE_CAPTURE' }));
    }
    const endless = Buffer.concat([section(), words(false, 6, 0xfffffffc, 0)]);
    expect(() => new CaptureBlocks().push(endless)).toThrow(/block of 4294967292 bytes/);
  });
});

describe('the program', () => {
  it('-c ends it: the file is for its owner only, and replaced', async () => {
    const file = join(folder, 'count');
    streams([section(), packet(60), packet(60, { lost: 4 }), packet(60)]);
    const ran = await capture('web', '-w', file, '-c', '2', '--snaplen', '96');
    expect(ran).toEqual({ status: 0, stdout: '', stderr: '2 packets, 4 lost\n' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file)).toEqual(Buffer.concat([section(), packet(60), packet(60, { lost: 4 })]));
    expect(daemon.asked.at(-1)!.query).toEqual({ snaplen: '96' });
    await capture('web', '-w', file, '-c', '1');
    expect(readFileSync(file)).toEqual(Buffer.concat([section(), packet(60)]));
  });

  it.skipIf(!hasTool('tshark'))(`Ctrl-C ends it, with a whole capture ${NEEDS_TSHARK}`, async () => {
    const file = join(folder, 'interrupted');
    streams([section(), packet(60), packet(60), packet(60)], { cut: 7 });
    const child = spawn(process.execPath, [MAIN, 'capture', 'web', '-w', file, '--json'], {
      env: { ...process.env, OVERLANE_SOCKET: daemon.socket },
      timeout: 20_000,
    });
    let said = '';
    child.stdout.on('data', (data) => (said += String(data)));
    const closed = once(child, 'close');
    await written(file);
    child.kill('SIGINT');
    expect(await closed).toEqual([0, null]);
    expect(JSON.parse(said)).toEqual({ file, packets: 2, lost: 0 });
    const seen = execFileSync('tshark', ['-n', '-r', file, '-T', 'fields', '-e', 'frame.len'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(String(seen)).toBe('60\n60\n');
  });

  it('--duration ends it; standard output has nothing but the capture', async () => {
    streams([section(), packet(60)]);
    const { status, stdout, stderr } = await capture('web', '-w', '-', '--duration', '1');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '1 packets, 0 lost\n' });
    expect(Buffer.from(stdout, 'latin1').length).toBeGreaterThan(0);
    expect(stdout.endsWith(packet(60).toString())).toBe(true);
  });

  it('a reader that goes away is no error', async () => {
    streams([section(), ...Array.from({ length: 5000 }, () => packet(1400))]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
    const script = '"$0" "$1" capture web -w - 2>"$2" | head -c 100 >/dev/null; echo "${PIPESTATUS[0]}"';
    const child = spawn('bash', ['-c', script, process.execPath, MAIN, join(folder, 'err')], {
      env: { ...process.env, OVERLANE_SOCKET: daemon.socket },
      timeout: 20_000,
    });
    let said = '';
    child.stdout.on('data', (data) => (said += String(data)));
    await once(child, 'close');
    expect(said).toBe('0\n');
    expect(readFileSync(join(folder, 'err'), 'utf8')).toBe('');
  });

  it('when overlaned ends it properly, that is the end; when it breaks off, an error with what there is', async () => {
    const file = join(folder, 'ended');
    streams([section(), packet(60)], { end: true });
    expect((await capture('web', '-w', file)).status).toBe(0);
    rmSync(file);
    daemon.answers[ROUTE] = (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'application/x-pcapng' });
      response.write(Buffer.concat([section(), packet(60)]));
      void written(file).then(() => response.destroy());
    };
    const { status, stderr } = await capture('web', '-w', file);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^1 packets, 0 lost\noverlane: overlaned ended the capture .* \(ERR_OVERLANE_SYSTEM\)\n$/);
    expect(readFileSync(file)).toEqual(Buffer.concat([section(), packet(60)]));
  });

  it('a capture that cannot be leaves the file as it was', async () => {
    const file = join(folder, 'precious');
    writeFileSync(file, 'precious');
    chmodSync(file, 0o600);
    expect((await capture('web', '-w', file)).status).toBe(1);
    daemon.answers[ROUTE] = { body: { not: 'a capture' } };
    expect((await capture('web', '-w', file)).stderr).toContain('is no overlaned of this version');
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });
});

describe('whose packets', () => {
  const endpoint = (network: string, digit: string) => ({
    ...sandboxView('x').endpoints[0]!,
    id: digit.repeat(64),
    name: `on-${network}`,
    networkName: network,
  });
  const two = sandboxView('two', { endpoints: [endpoint('front', '1'), endpoint('back', '2')] });
  const none = sandboxView('none', { id: '6'.repeat(64), endpoints: [] });

  /** The beginning of the id that is asked for, or the error. */
  async function asked(ref: string): Promise<string> {
    daemon.answers = { 'GET /overlane/sandboxes': { body: [two, none] } };
    const { stderr } = await capture(ref, '-w', join(folder, 'never'));
    return /endpoints\/(\w)/.exec(daemon.asked.at(-1)!.path)?.[1] ?? stderr;
  }

  it('SANDBOX:NETWORK, or an endpoint by name or the beginning of its id', async () => {
    const found = [];
    for (const ref of ['two:back', '555:front', 'on-front', '2222']) found.push(await asked(ref));
    expect(found).toEqual(['2', '1', '1', '2']);
  });

  it.each([
    ['two', 'two has several endpoints; write which: two:front, two:back (ERR_OVERLANE_OPTION)'],
    ['two:side', 'sandbox two is not on network side'],
    ['none', 'sandbox none is on no network'],
    ['nobody', 'there is no sandbox and no endpoint nobody'],
  ])('%s', async (ref, message) => {
    expect(await asked(ref)).toContain(message);
  });
});

/** Captures of endpoints through the daemon: what tshark reads of them, and how they end. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CaptureBlocks } from '../../src/cli/capture-blocks.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { Program } from '../live/program.js';
import { hasTool, NEEDS_TSHARK, tshark } from '../peers.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const live = describe.skipIf(!hasRoot);
const title = (text: string) => (hasRoot ? text : `${text} ${NEEDS_ROOT}`);
const withTshark = it.skipIf(!hasTool('tshark'));

live(title('captures of endpoints'), () => {
  let host: DaemonHost;
  let a: SandboxView;
  let b: SandboxView;
  const folder = mkdtempSync(path.join(tmpdir(), 'ovl-capture-'));
  const file = (name: string) => path.join(folder, name);
  const ipOf = ({ endpoints }: SandboxView) => endpoints[0]!.addresses[0]!.replace(/\/.*/, '');
  const streams: IncomingMessage[] = [];

  beforeAll(async () => {
    host = new DaemonHost('capture', ['--no-default-bridge']);
    await host.start();
    await host.network({ Name: 'web', Internal: true });
    a = await host.sandbox('a', { network: 'web' });
    b = await host.sandbox('b', { network: 'web', name: 'place' });
    // No ARP between the packets that are counted.
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const words = ['neigh', 'replace', ipOf(other), 'lladdr', other.endpoints[0]!.mac!, 'dev', 'eth0'];
      expect(host.exec(one, 'ip', ...words, 'nud', 'permanent')).toEqual({ status: 0, out: '' });
    }
  });
  afterEach(() => {
    for (const stream of streams.splice(0)) stream.destroy();
  });
  afterAll(async () => {
    await host.remove();
    rmSync(folder, { recursive: true });
  });

  /** `overlane capture`, which has begun when it comes back. */
  async function overlane(endpoint: string, to: string, ...options: string[]): Promise<Program> {
    const words = ['capture', endpoint, '-w', file(to), '--socket', host.socket, ...options];
    const program = new Program([process.execPath, MAIN, ...words]);
    await until(() => spawnSync('stat', ['-c', '%s', file(to)], { encoding: 'utf8' }).stdout.trim().length > 1);
    return program;
  }

  async function until(look: () => boolean): Promise<void> {
    for (let round = 0; round < 500; round++) {
      if (look()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('not within five seconds');
  }

  /** How many packets of ICMP over IPv4 a capture has; hosts say other things as well, in their own time. */
  function pingsIn(capture: Buffer): number {
    let count = 0;
    for (let at = 0; at + 60 < capture.length; at += capture.readUInt32LE(at + 4)) {
      if (capture.readUInt32LE(at) === 6 && capture[at + 28 + 12] === 8 && capture[at + 28 + 23] === 1) count++;
    }
    return count;
  }

  /** The answer of the daemon, of which nothing is read yet. */
  async function open(ref: string, query = ''): Promise<IncomingMessage> {
    const sent = request({ socketPath: host.socket, path: `/overlane/endpoints/${ref}/capture${query}` });
    const [response] = (await once(sent.end(), 'response')) as [IncomingMessage];
    streams.push(response);
    return response;
  }

  /** Reads what there is until its end. */
  async function rest(stream: IncomingMessage, first: Uint8Array = new Uint8Array()): Promise<CaptureBlocks> {
    const blocks = new CaptureBlocks();
    blocks.push(first);
    stream.setTimeout(10_000, () => stream.destroy(new Error('nothing came for ten seconds')));
    for await (const chunk of stream) blocks.push(chunk as Buffer);
    return blocks;
  }

  withTshark(`a ping is there, request and reply, with its times and directions ${NEEDS_TSHARK}`, async () => {
    const capture = await overlane('a', 'ping.pcapng', '--json');
    expect(host.ping(a, ipOf(b), 3)).toBe(3);
    await until(() => pingsIn(readFileSync(file('ping.pcapng'))) === 6);
    expect(await capture.stop('SIGINT')).toBe(0);
    expect(JSON.parse(capture.results)).toMatchObject({ file: file('ping.pcapng'), lost: 0 });
    const fields = [
      'icmp.type',
      'ip.src',
      'icmp.checksum.status',
      'frame.packet_flags_direction',
      'frame.interface_name',
    ];
    const options = ['-Y', 'icmp', '-T', 'fields', ...fields.flatMap((field) => ['-e', field])];
    const rows = (await tshark(file('ping.pcapng'), ...options)).trimEnd().split('\n');
    const port = a.endpoints[0]!.port;
    const pair = [`8\t${ipOf(a)}\t1\t0x00000001\t${port}`, `0\t${ipOf(b)}\t1\t0x00000002\t${port}`];
    expect(rows).toEqual([...pair, ...pair, ...pair]);
    const epochs = (await tshark(file('ping.pcapng'), '-T', 'fields', '-e', 'frame.time_epoch')).trim().split('\n');
    expect(Math.abs(Number(epochs[0]) - Date.now() / 1000)).toBeLessThan(60);
    expect([...epochs].sort()).toEqual(epochs);
  });

  withTshark(`super-frames of TCP are whole, and their checksums right ${NEEDS_TSHARK}`, async () => {
    const capture = await overlane('a', 'tcp.pcapng', '--duration', '10');
    const server = new Program([
      ...['nsenter', `--net=${b.netns}`, process.execPath, '-e'],
      `require('net').createServer(s=>s.resume().on('end',()=>process.exit())).listen(80,()=>console.log('up'))`,
    ]);
    await server.until(/up/);
    const client = `require('net').connect(80,'${ipOf(b)}').end(Buffer.alloc(300000))`;
    expect(host.exec(a, process.execPath, '-e', client)).toEqual({ status: 0, out: '' });
    await server.done();
    // When this is in the file, so is what was before.
    expect(host.ping(a, ipOf(b), 1)).toBe(1);
    await until(() => pingsIn(readFileSync(file('tcp.pcapng'))) === 2);
    expect(await capture.stop('SIGINT')).toBe(0);
    const fields = ['frame.len', 'tcp.checksum.status', 'ip.checksum.status', 'tcp.seq', 'tcp.len', 'ip.src'];
    const checked = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-Y', 'tcp'];
    const text = await tshark(
      file('tcp.pcapng'),
      ...[...checked, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
    );
    const rows = text
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(rows.filter(([, tcp, ip]) => tcp !== '1' || ip !== '1')).toEqual([]);
    expect(Math.max(...rows.map(([length]) => Number(length)))).toBeGreaterThan(1514);
    const sent = rows
      .filter((row) => row[5] === ipOf(a))
      .map((row) => ({ from: Number(row[3]), size: Number(row[4]) }));
    // The first byte is number 1; some may be there twice, none is missing.
    let next = 1;
    for (const { from, size } of sent.sort((one, other) => one.from - other.from)) {
      expect(size === 0 || from <= next).toBe(true);
      if (size > 0) next = Math.max(next, from + size);
    }
    expect(next).toBe(300_001);
  });

  withTshark(`can be piped into tshark, and two at once see the same ${NEEDS_TSHARK}`, async () => {
    const other = await overlane('place', 'other.pcapng', '--snaplen', '42');
    const words = ['capture', 'a:web', '-w', '-', '--socket', host.socket];
    const capture = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'ignore'] });
    // What Node calls a pipe is a socket, which tshark does not read.
    const script = 'tee "$0" | tshark -r - -Y icmp -T fields -e icmp.type';
    const shark = spawn('sh', ['-c', script, file('piped.pcapng')], { stdio: [capture.stdout, 'pipe', 'ignore'] });
    const ended = Promise.all([once(capture, 'exit'), once(shark, 'close')]);
    const timer = setTimeout(() => [capture, shark].map((child) => child.kill('SIGKILL')), 10_000);
    let text = '';
    shark.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const piped = () => (existsSync(file('piped.pcapng')) ? readFileSync(file('piped.pcapng')) : Buffer.alloc(0));
    await until(() => piped().length > 0);
    expect(host.ping(a, ipOf(b), 2)).toBe(2);
    await until(() => pingsIn(piped()) === 4);
    capture.kill('SIGINT');
    const [[status], [ofShark]] = await ended;
    clearTimeout(timer);
    expect([status, ofShark, text]).toEqual([0, 0, '8\n0\n8\n0\n']);
    await until(() => pingsIn(readFileSync(file('other.pcapng'))) === 4);
    expect(await other.stop('SIGINT')).toBe(0);
    const lengths = ['-Y', 'icmp', '-T', 'fields', '-e', 'frame.cap_len', '-e', 'frame.len'];
    expect(await tshark(file('other.pcapng'), ...lengths)).toBe('42\t98\n'.repeat(4));
  });

  it('begins at once, and ends with its statistics when the endpoint leaves', async () => {
    const c = await host.sandbox('c', { network: 'web' });
    const stream = await open(c.endpoints[0]!.id.slice(0, 20));
    expect(stream.headers['content-type']).toBe('application/x-pcapng');
    await once(stream, 'readable');
    const first = stream.read() as Buffer;
    expect(first.readUInt32LE(0)).toBe(0x0a0d0d0a);
    expect(host.ping(c, ipOf(b))).toBe(2);
    const read = rest(stream, first);
    await host.ask('POST', '/networks/web/disconnect', { Container: 'c' });
    const blocks = await read;
    expect([blocks.packets >= 4, blocks.lost]).toEqual([true, 0n]);
    await host.ask('DELETE', '/overlane/sandboxes/c');
  });

  it('leaves out what a reader does not read, and says how much', async () => {
    const stream = await open(a.endpoints[0]!.id);
    stream.pause();
    const pings = 300;
    const { out } = host.exec(a, 'ping', '-n', '-q', '-f', '-c', String(pings), '-s', '40000', ipOf(b));
    expect(out).toContain(`${pings} received`);
    const read = rest(stream);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Before the first of these the daemon says how many are missing.
    expect(host.ping(a, ipOf(b))).toBe(2);
    await host.stop();
    const { packets, lost } = await read;
    expect(lost).toBeGreaterThan(0n);
    // 28 fragments each way, the two pings, and maybe some ARP.
    const all = packets + Number(lost);
    expect(all).toBeGreaterThanOrEqual(2 * 28 * pings + 4);
    expect(all).toBeLessThan(2 * 28 * pings + 4 + 20);
    await host.start();
  });

  it.each([
    ['nobody', '', 404, 'endpoint nobody not found'],
    [
      'place',
      '?snaplen=0',
      400,
      "invalid value for snaplen: '0'; write a whole number of bytes from 1 to 262144, or leave it out",
    ],
    [
      'place',
      '?snaplen=1e3',
      400,
      "invalid value for snaplen: '1e3'; write a whole number of bytes from 1 to 262144, or leave it out",
    ],
    [
      'place',
      '?snaplen=262145',
      400,
      "invalid value for snaplen: '262145'; write a whole number of bytes from 1 to 262144, or leave it out",
    ],
  ])('answers %s%s with %i', async (ref, query, status, message) => {
    expect(await host.call('GET', `/overlane/endpoints/${ref}/capture${query}`)).toEqual({ status, body: { message } });
  });

  it('answers 409 where there is no port, 400 where a name is not unique, 403 to the fifth', async () => {
    const d = await host.sandbox('d', { network: 'none', name: 'place' });
    const ask = (ref: string) => host.call('GET', `/overlane/endpoints/${ref}/capture`);
    expect(await ask(d.endpoints[0]!.id)).toEqual({
      status: 409,
      body: {
        message:
          'endpoint place has no port of the dataplane now (driver null); capture in its namespace, with tcpdump',
      },
    });
    expect(await ask('place')).toEqual({
      status: 400,
      body: { message: 'several endpoints are named place; write the id of one' },
    });
    await host.ask('DELETE', '/overlane/sandboxes/d');
    for (let i = 0; i < 4; i++) await open('place');
    expect((await ask('place')).status).toBe(403);
    streams.shift()!.destroy();
    // The daemon hears of that in its own time.
    for (let round = 0; round < 500 && (await open('place')).statusCode !== 200; round++) streams.pop()!.resume();
    expect(streams.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200]);
  });
});

import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { decodeCommand, decodeTo } from '../../src/cli/decode.js';
import { type CapturedBurst, readCapture } from '../../src/dataplane/capture.js';
import { decode } from '../../src/wire/decode.js';
import { vectorsFolder } from '../peers.js';
import { ODD_FRAMES } from '../wire/odd-frames.js';
import { readFrames } from '../wire/pcap.js';

const UNDERLAY = join(vectorsFolder, 'underlay.pcap');

function burst(frames: readonly Uint8Array[], start = 0n): CapturedBurst {
  const lengths = Uint32Array.from(frames, ({ length }) => length);
  let end = 0;
  const offsets = lengths.map((length) => {
    end += length;
    return end - length;
  });
  const timestamps = BigInt64Array.from(frames, (_, i) => start + BigInt(i) * 1_500_000n);
  return { data: Buffer.concat(frames), offsets, lengths, wireLengths: lengths, timestamps, count: frames.length };
}

/** Collects what is written; `highWaterMark` 1 asks the writer to wait after every piece. */
class Sink extends Writable {
  text = '';
  writes = 0;

  constructor() {
    super({ highWaterMark: 1, decodeStrings: false });
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += chunk;
    this.writes++;
    setImmediate(done);
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

const FRAMES = ODD_FRAMES.map(({ bytes }) => bytes);

describe('overlane decode', () => {
  it('prints one line a packet, the inner frame after the VNI', async () => {
    const sink = new Sink();
    expect(await decodeTo(sink, readCapture(UNDERLAY), { json: false })).toBe(360);
    expect(sink.lines).toHaveLength(360);
    expect(sink.lines.filter((line) => line.includes('│ VNI 4097  10.99.0.'))).toHaveLength(275);
    expect(sink.lines[0]).toMatch(
      /^ {5}1 +0\.000000 +192\.168\.77\.2 → 192\.168\.77\.1 +TCP +66 {2}54206 → 2377 \[ACK\]/,
    );
    expect(sink.lines[19]).toMatch(
      /^ {4}20 +1\.043313 +192\.168\.77\.1 → 192\.168\.77\.2 +VXLAN +148 {2}49236 → 4789 │ VNI 4097 {2}10\.99\.0\.2 → 10\.99\.0\.4 {2}ICMP {2}echo request id 20 seq 0$/,
    );
    const column = sink.lines.map((line) => line.indexOf('→'));
    expect(new Set(column).size).toBe(1);
  });

  it('prints JSON Lines that carry the whole of decode()', async () => {
    const sink = new Sink();
    await decodeTo(sink, readCapture(UNDERLAY), { json: true });
    const frames = readFrames(UNDERLAY);
    expect(sink.lines).toHaveLength(frames.length);
    for (const [i, line] of sink.lines.entries()) {
      const { number, timestamp, length, wireLength, ...decoded } = JSON.parse(line);
      expect({ number, length, wireLength }).toEqual({
        number: i + 1,
        length: frames[i]!.bytes.length,
        wireLength: frames[i]!.wireLength,
      });
      expect(timestamp).toMatch(/^\d{19}$/);
      expect(decoded).toEqual(decode(frames[i]!.bytes));
    }
  });

  it('has a line for every kind of frame', async () => {
    const sink = new Sink();
    await decodeTo(sink, [burst(FRAMES)], { json: false });
    expect(sink.lines).toHaveLength(FRAMES.length);
    for (const expected of [
      'who has 2.3.4.5? tell 1.2.3.4',
      'VLAN 100 VLAN 200 20 → 80 [SYN]',
      'neighbor solicitation fe80::1',
      'SPI 0x00001001 seq 7',
      '[malformed: udp_length]',
      '802.3',
      'type 0x8864',
      'fragment at 800 of protocol',
    ]) {
      expect(sink.text).toContain(expected);
    }
  });

  it('stops after --count, reading no further', async () => {
    const sink = new Sink();
    let bursts = 0;
    const endless = function* (): Generator<CapturedBurst> {
      for (;;) {
        bursts++;
        yield burst(FRAMES.slice(0, 10));
      }
    };
    expect(await decodeTo(sink, endless(), { json: false, count: 25 })).toBe(25);
    expect(sink.lines).toHaveLength(25);
    expect(bursts).toBe(3);
  });

  it('waits for a slow reader: never more than one burst is buffered', async () => {
    const sink = new Sink();
    const waiting: number[] = [];
    const watched = function* (): Generator<CapturedBurst> {
      for (let i = 0; i < 20; i++) {
        waiting.push(sink.writableLength);
        yield burst(FRAMES.slice(0, 10));
      }
    };
    await decodeTo(sink, watched(), { json: true });
    expect(sink.writes).toBe(20);
    expect(Math.max(...waiting)).toBe(0);
  });

  it('prints what came before an error, then throws it', async () => {
    const sink = new Sink();
    const broken = function* (): Generator<CapturedBurst> {
      yield burst(FRAMES.slice(0, 3));
      throw new Error('cut off');
    };
    await expect(decodeTo(sink, broken(), { json: false })).rejects.toThrow('cut off');
    expect(sink.lines).toHaveLength(3);
  });

  it('ends quietly when its reader has gone', async () => {
    const gone = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    gone.on('error', () => {});
    let bursts = 0;
    const counted = function* (): Generator<CapturedBurst> {
      for (; bursts < 100; ) {
        bursts++;
        yield burst(FRAMES.slice(0, 3));
      }
    };
    await decodeTo(gone, counted(), { json: false });
    expect(bursts).toBe(1);
  });

  it('takes other VXLAN ports', async () => {
    const sink = new Sink();
    await decodeTo(sink, [burst(readFrames(UNDERLAY).map(({ bytes }) => bytes))], { json: false, vxlanPorts: [7946] });
    expect(sink.text).not.toContain('VNI 4097');
  });

  it.each([
    [['--count', '0'], /packets/],
    [['--count', '1e3'], /packets/],
    [['--vxlan-port', '65536'], /UDP port/],
    [['--vxlan-port', 'x'], /UDP port/],
    [['--rotate-every', '0'], /seconds/],
    [['--bogus'], /unknown option/],
  ])('refuses %j', async (args, message) => {
    const command = decodeCommand()
      .exitOverride()
      .configureOutput({ outputError: () => {} });
    await expect(command.parseAsync([...args, UNDERLAY], { from: 'user' })).rejects.toThrow(message);
  });

  it('needs a capture, and one that exists', async () => {
    const command = () =>
      decodeCommand()
        .exitOverride()
        .configureOutput({ outputError: () => {} });
    await expect(command().parseAsync([], { from: 'user' })).rejects.toThrow(/capture/);
    await expect(command().parseAsync(['/nonexistent.pcap'], { from: 'user' })).rejects.toMatchObject({
      code: 'ERR_OVERLANE_MISSING',
    });
  });
});

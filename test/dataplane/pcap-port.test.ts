/** pcap ports: captures in, captures out, at their own times. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CaptureWriter, readCapture } from '../../src/index.js';
import { vectorsFolder } from '../peers.js';
import { BROADCAST, from } from './frames.js';
import { drained, drops, failure, hex, hexFrames, lab, memoryPorts } from './lab.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-pcap-'));
afterAll(() => rmSync(folder, { recursive: true }));

const c1 = join(vectorsFolder, 'c1-eth0.pcap');
const c2 = join(vectorsFolder, 'c2-eth0.pcap');

/** A frame as a line of bearable length. */
const short = (frame: string) => (frame.length < 200 ? frame : createHash('sha256').update(frame).digest('hex'));

function all(file: string): { frame: string; time: bigint; wire: number }[] {
  const rows: { frame: string; time: bigint; wire: number }[] = [];
  for (const burst of readCapture(file)) {
    hexFrames(burst).forEach((frame, i) => {
      rows.push({ frame: short(frame), time: burst.timestamps[i]!, wire: burst.wireLengths[i]! });
    });
  }
  return rows;
}

/** A capture of numbered broadcasts at these times, nanoseconds. */
function capture(name: string, source: number, times: bigint[]): string {
  const file = join(folder, name);
  const writer = new CaptureWriter(file);
  const list = times.map((_, i) => from(source, BROADCAST, i));
  const lengths = Uint32Array.from(list, (frame) => frame.length);
  const offsets = lengths.map((length, i) => length * i);
  const data = Buffer.concat(list);
  writer.write({ data, offsets, lengths, count: list.length, timestamps: BigInt64Array.from(times) });
  writer.close();
  return file;
}

describe('a pcap port', () => {
  it('copies a capture, frames and times, through a bridge', async () => {
    const dataplane = lab();
    const write = join(folder, 'copy.pcapng');
    const input = dataplane.addPort({ type: 'pcap', read: c1 });
    const output = dataplane.addPort({ type: 'pcap', write });
    dataplane.addBridge({ learning: false }).attach(input).attach(output);
    const before = all(c1);
    expect(dataplane.run()).toBe(before.length);
    expect(dataplane.run()).toBe(0);
    // The clock goes by bursts, and a burst spans 2^24 ns at most.
    const latest = before
      .map(({ time }) => time)
      .sort((x, y) => Number(x - y))
      .at(-1)!;
    expect(dataplane.now()).toBeLessThanOrEqual(latest);
    expect(dataplane.now()).toBeGreaterThanOrEqual(latest - 2n ** 24n);
    dataplane.flush();
    expect(all(write)).toEqual(before);
    await dataplane.close();
    expect(all(write)).toEqual(before);
  });

  it('merges several captures by time', () => {
    const one = capture('one.pcapng', 1, [0n, 10n, 20n, 20n, 400_000_000_000n]);
    const two = capture('two.pcapng', 2, [5n, 10n, 15n, 300_000_000_000n]);
    const dataplane = lab();
    const [sink] = memoryPorts(dataplane, 'sink');
    const bridge = dataplane.addBridge().attach(sink!);
    for (const read of [one, two]) bridge.attach(dataplane.addPort({ type: 'pcap', read }), { isolated: true });
    expect(dataplane.run()).toBe(9);
    const burst = sink!.drain();
    const times = [...burst.timestamps!];
    expect(times).toEqual([...times].sort((a, b) => Number(a - b)));
    expect(hexFrames(burst).sort()).toEqual([...all(one), ...all(two)].map(({ frame }) => frame).sort());
    // Between the last two frames the clock went on, and station 2 was forgotten after 300 s; station 1 was heard of just now.
    expect(bridge.fdb().map(({ mac }) => mac)).toEqual(['02:00:00:00:00:01', '02:00:00:00:00:02']);
  });

  it('receives up to the time that run was given, and no further', () => {
    const read = capture('timed.pcapng', 1, [100n, 200n, 300n]);
    const dataplane = lab();
    const [sink] = memoryPorts(dataplane, 'sink');
    dataplane
      .addBridge()
      .attach(sink!)
      .attach(dataplane.addPort({ type: 'pcap', read }));
    expect([99n, 200n, 299n, 1000n].map((now) => dataplane.run({ now }))).toEqual([0, 2, 0, 1]);
    expect([...(sink!.drain().timestamps ?? [])]).toEqual([100n, 200n, 300n]);
  });

  it('stops after a number of packets', () => {
    const dataplane = lab();
    const [sink] = memoryPorts(dataplane, 'sink');
    // Both ends of every conversation are on the one port, so nothing may be learned.
    dataplane
      .addBridge({ learning: false })
      .attach(sink!)
      .attach(dataplane.addPort({ type: 'pcap', read: c2 }));
    expect(dataplane.run({ packets: 100 })).toBe(100);
    expect(drained(sink!).map(short)).toEqual(
      all(c2)
        .slice(0, 100)
        .map(({ frame }) => frame),
    );
    expect(dataplane.run()).toBe(175);
  });

  it('drops what is sent to a port that only reads', () => {
    const dataplane = lab();
    const [a] = memoryPorts(dataplane, 'a');
    dataplane
      .addBridge()
      .attach(a!)
      .attach(dataplane.addPort({ type: 'pcap', name: 'r', read: capture('none.pcapng', 1, []) }));
    a!.inject([from(1, 2)]);
    dataplane.run();
    expect(drops(dataplane)).toEqual({ drop_receive_only: 1 });
  });

  it('gives the frames before a break, then says where the capture is broken, once', () => {
    const read = join(folder, 'cut.pcap');
    copyFileSync(c2, read);
    truncateSync(read, 5000);
    const dataplane = lab();
    const [sink] = memoryPorts(dataplane, 'sink');
    const input = dataplane.addPort({ type: 'pcap', name: 'in', read });
    dataplane.addBridge({ learning: false }).attach(sink!).attach(input);
    const { code, message } = failure(() => dataplane.run());
    expect(code).toBe('ERR_OVERLANE_CAPTURE');
    expect(message).toContain(`port 'in': ${read} is cut off at byte`);
    const got = drained(sink!);
    expect(got.length).toBeGreaterThan(3);
    expect(got.map(short)).toEqual(
      all(c2)
        .slice(0, got.length)
        .map(({ frame }) => frame),
    );
    expect(dataplane.run()).toBe(0);
    expect(input.error).toContain(read);
  });

  it('refuses a capture that is not Ethernet', () => {
    const read = join(folder, 'raw.pcap');
    const bytes = readFileSync(c2);
    bytes.writeUInt32LE(101, 20);
    writeFileSync(read, bytes);
    const dataplane = lab();
    const write = join(folder, 'never.pcapng');
    const { code, message } = failure(() => dataplane.addPort({ type: 'pcap', read, write }));
    expect(code).toBe('ERR_OVERLANE_CAPTURE');
    expect(message).toMatch(/link type 101/);
    expect(existsSync(write)).toBe(false);
    expect(dataplane.ports.size).toBe(0);
  });

  it.skipIf(!existsSync('/dev/full'))('refuses a file that takes no bytes', () => {
    const dataplane = lab();
    const { code, message } = failure(() => dataplane.addPort({ type: 'pcap', name: 'full', write: '/dev/full' }));
    expect([code, message]).toEqual([
      'ERR_OVERLANE_SYSTEM',
      expect.stringMatching(/port 'full': cannot write \/dev\/full: No space/),
    ]);
    expect(dataplane.ports.size).toBe(0);
  });

  it('closing a port finishes its file', () => {
    const dataplane = lab();
    const [a] = memoryPorts(dataplane, 'a');
    const write = join(folder, 'closed.pcapng');
    const out = dataplane.addPort({ type: 'pcap', write });
    const bridge = dataplane.addBridge().attach(a!).attach(out);
    a!.inject([from(1, 2, 3)]);
    dataplane.run();
    bridge.detach(out);
    out.close();
    expect(all(write).map(({ frame }) => frame)).toEqual([hex(from(1, 2, 3))]);
    // What it did stays in the total, so that the sum still holds.
    expect(Object.keys(dataplane.counters().ports)).toEqual(['a']);
    expect(dataplane.counters().transmitted).toBe(1n);
    expect(failure(() => out.error).code).toBe('ERR_OVERLANE_CLOSED');
    expect(dataplane.addPort({ type: 'pcap', write, name: 'again' }).name).toBe('again');
  });
});

import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Burst, burstOf, frames } from '../../src/dataplane/burst.js';
import { CaptureReader, CaptureWriter, readCapture } from '../../src/dataplane/capture.js';
import { OverlaneError } from '../../src/errors.js';
import { captureFiles, hasTool, NEEDS_CAPTURES, NEEDS_TSHARK, vectorsFolder } from '../peers.js';
import { bigEndian, ourRows, tsharkRows } from './capture-files.js';

const run = promisify(execFile);
const hasTshark = hasTool('tshark') && hasTool('mergecap') && hasTool('editcap') && hasTool('capinfos');
const captures = [...captureFiles('docker-swarm'), ...captureFiles('tcpdump')];
const underlay = join(vectorsFolder, 'underlay.pcap');
const root = process.getuid?.() === 0;

let folder: string;
const scratch = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'overlane-capture-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function errorOf(act: () => unknown): OverlaneError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(OverlaneError);
    return error as OverlaneError;
  }
  throw new Error('nothing was thrown');
}

const drain = (path: string, options = {}) => [...readCapture(path, options)];
const openFiles = () => readdirSync('/proc/self/fd').length;

/** A pcap file with an empty body; `linkType` 1 is Ethernet. */
function pcapHeader(linkType = 1): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(linkType, 20);
  return header;
}

describe('bursts', () => {
  it('hold copies of frames, and give views of them back', () => {
    const list = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)];
    const burst = burstOf(list);
    list[0]![0] = 9;
    expect(burst).toEqual({
      data: Uint8Array.of(1, 2, 3, 4),
      offsets: Uint32Array.of(0, 3, 3),
      lengths: Uint32Array.of(3, 0, 1),
      count: 3,
    });
    const views = [...frames(burst)];
    expect(views).toEqual([Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)]);
    expect(views[2]!.buffer).toBe(burst.data.buffer);
  });
});

describe('readCapture', () => {
  it('gives the frames in bursts of the wanted size', () => {
    expect(drain(underlay).map((burst) => burst.count)).toEqual([256, 104]);
    expect(drain(underlay, { burst: 100 }).map((burst) => burst.count)).toEqual([100, 100, 100, 60]);
  });

  it('limits the bytes of a burst', () => {
    const path = scratch('large.pcapng');
    const writer = new CaptureWriter(path);
    for (let i = 0; i < 50; i++) writer.write([new Uint8Array(262144).fill(i)]);
    writer.close();
    const bursts = drain(path);
    expect(bursts.map((burst) => burst.count)).toEqual([16, 16, 16, 2]);
    expect(bursts.flatMap((burst) => [...frames(burst)].map((frame) => frame[262143]))).toEqual([...Array(50).keys()]);
  });

  it('closes the file at the end, after an error and when it is left early', () => {
    const before = openFiles();
    drain(underlay);
    for (const burst of readCapture(underlay)) {
      expect(burst.count).toBe(256);
      break;
    }
    const cut = scratch('close.pcap');
    writeFileSync(cut, readFileSync(underlay).subarray(0, 1000));
    errorOf(() => drain(cut));
    writeFileSync(cut, pcapHeader(113));
    errorOf(() => drain(cut));
    expect(openFiles()).toBe(before);
  });

  it('gives the frames before the damage, then says where it is', () => {
    const path = scratch('cut.pcap');
    const whole = readFileSync(underlay);
    writeFileSync(path, whole.subarray(0, whole.length - 1));
    const counts: number[] = [];
    const error = errorOf(() => {
      for (const burst of readCapture(path)) counts.push(burst.count);
    });
    expect(counts).toEqual([256, 103]);
    expect(error.code).toBe('ERR_OVERLANE_CAPTURE');
    expect(error.message).toMatch(
      new RegExp(`^${path} is cut off at byte ${whole.length - 1}, inside a packet record .* after 359 packets`),
    );
  });

  it('stops when the signal says so', () => {
    const controller = new AbortController();
    const bursts = readCapture(underlay, { burst: 1, signal: controller.signal });
    expect(bursts.next().value?.count).toBe(1);
    controller.abort(new Error('enough'));
    expect(() => bursts.next()).toThrow('enough');
    expect(() => drain(underlay, { signal: AbortSignal.abort() })).toThrow(DOMException);
  });

  it('refuses wrong arguments at once', () => {
    const mistakes: [() => unknown, RegExp][] = [
      [() => readCapture('x', { brust: 1 } as object), /unknown option 'brust' of readCapture; did you mean 'burst'/],
      [() => readCapture('x', { burst: 0 }), /'burst' of readCapture must be a whole number from 1 to 65536 frames/],
      [() => readCapture('x', { signal: {} as AbortSignal }), /'signal' of readCapture must be an AbortSignal/],
      [() => readCapture(''), /must be the name of a file/],
      [() => readCapture('a\0b'), /must be the name of a file/],
      [() => readCapture(7 as unknown as string), /must be the name of a file, not 7/],
    ];
    for (const [act, message] of mistakes) {
      const error = errorOf(act);
      expect(error.code).toBe('ERR_OVERLANE_OPTION');
      expect(error.message).toMatch(message);
    }
  });

  it('says what is wrong with a file that it cannot read', () => {
    const text = scratch('text');
    writeFileSync(text, 'hello');
    writeFileSync(scratch('empty'), '');
    const mistakes: [string, string, RegExp][] = [
      [scratch('missing.pcap'), 'ERR_OVERLANE_MISSING', /missing\.pcap: no such file/],
      [folder, 'ERR_OVERLANE_CAPTURE', /is a directory/],
      [text, 'ERR_OVERLANE_CAPTURE', /is not a capture: it starts with 68 65 6c 6c/],
      [scratch('empty'), 'ERR_OVERLANE_CAPTURE', /is empty/],
    ];
    for (const [path, code, message] of mistakes) {
      const error = errorOf(() => drain(path));
      expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    }
  });

  it('says when it may not read a file', () => {
    const path = scratch('secret.pcap');
    writeFileSync(path, pcapHeader());
    chmodSync(path, 0);
    // Root may read anything, so it is somebody else for a moment.
    if (root) process.seteuid?.(65534);
    try {
      expect(errorOf(() => drain(path)).code).toBe('ERR_OVERLANE_PERMISSION');
    } finally {
      if (root) process.seteuid?.(0);
    }
  });

  it('names the link type of a capture that is not Ethernet', () => {
    const path = scratch('cooked.pcap');
    const names: [number, string][] = [
      [113, "link type 113, Linux cooked): capture on one interface instead of 'any'"],
      [276, "link type 276, Linux cooked v2): capture on one interface instead of 'any'"],
      [101, 'link type 101, raw IP): capture on an Ethernet interface'],
      [0, 'link type 0, BSD loopback): capture on an Ethernet interface'],
      [147, 'link type 147): capture on an Ethernet interface'],
    ];
    for (const [linkType, words] of names) {
      writeFileSync(path, pcapHeader(linkType));
      const error = errorOf(() => new CaptureReader(path));
      expect(error.code).toBe('ERR_OVERLANE_CAPTURE');
      expect(error.message).toBe(`${path} is not an Ethernet capture (${words}`);
    }
    writeFileSync(path, pcapHeader(1));
    expect(drain(path)).toEqual([]);
  });

  it('reads a pipe', async () => {
    const path = scratch('fifo');
    await run('mkfifo', [path]);
    // Node must not block on both ends: another process feeds the pipe.
    const feeding = run('sh', ['-c', 'cat "$0" > "$1"', underlay, path]);
    expect(ourRows(path)).toEqual(ourRows(underlay));
    await feeding;
  });
});

describe('CaptureWriter', () => {
  it('writes what readCapture reads, and the same bytes each time', () => {
    const paths = [scratch('a.pcapng'), scratch('b.pcapng')];
    for (const path of paths) {
      using writer = new CaptureWriter(path);
      for (const burst of readCapture(underlay, { burst: path === paths[0] ? 7 : 256 })) writer.write(burst);
    }
    expect(ourRows(paths[0]!)).toEqual(ourRows(underlay));
    expect(readFileSync(paths[0]!).equals(readFileSync(paths[1]!))).toBe(true);
  });

  it('takes bursts without times and lists of frames', () => {
    const path = scratch('plain.pcapng');
    const writer = new CaptureWriter(path);
    writer.write(burstOf([Uint8Array.of(1, 2)]));
    writer.write([Uint8Array.of(3)]);
    writer.write([]);
    writer.close();
    const [burst] = drain(path);
    expect(burst).toEqual({
      data: Uint8Array.of(1, 2, 3),
      offsets: Uint32Array.of(0, 2),
      lengths: Uint32Array.of(2, 1),
      wireLengths: Uint32Array.of(2, 1),
      timestamps: BigInt64Array.of(0n, 0n),
      count: 2,
    });
  });

  it('refuses a burst that does not hold together, and writes nothing of it', () => {
    const path = scratch('refused.pcapng');
    const writer = new CaptureWriter(path);
    const good = burstOf([new Uint8Array(10), new Uint8Array(10)]);
    const bad: [Burst, RegExp][] = [
      [
        { ...good, lengths: Uint32Array.of(10, 11) },
        /frame 1 of the burst \(offset 10, length 11\) reaches beyond its 20/,
      ],
      [{ ...good, offsets: Uint32Array.of(0, 0xffff_ffff) }, /frame 1 of the burst \(offset 4294967295/],
      [{ ...good, count: 3 }, /'count' of the burst/],
      [{ ...good, wireLengths: Uint32Array.of(1) }, /'wireLengths' of the burst/],
      [{ ...good, timestamps: BigInt64Array.of(1n) }, /'timestamps' of the burst/],
      [burstOf([new Uint8Array(1), new Uint8Array(262145)]), /frame 1 of the burst has 262145 bytes/],
    ];
    for (const [burst, message] of bad) {
      const error = errorOf(() => writer.write(burst));
      expect([error.code, error.message]).toEqual(['ERR_OVERLANE_OPTION', expect.stringMatching(message)]);
    }
    writer.close();
    expect(drain(path)).toEqual([]);
  });

  it('says why it cannot write', () => {
    expect(errorOf(() => new CaptureWriter(scratch('none/x.pcapng'))).code).toBe('ERR_OVERLANE_MISSING');
    expect(errorOf(() => new CaptureWriter(folder)).message).toMatch(/is a directory/);
    const full = errorOf(() => new CaptureWriter('/dev/full'));
    expect([full.code, full.message]).toEqual([
      'ERR_OVERLANE_SYSTEM',
      expect.stringMatching(/No space left on device/),
    ]);
  });

  it('is closed once, and says so afterwards', () => {
    const writer = new CaptureWriter(scratch('closed.pcapng'));
    writer.close();
    writer.close();
    expect(errorOf(() => writer.write([])).code).toBe('ERR_OVERLANE_CLOSED');
    const reader = new CaptureReader(underlay);
    reader.close();
    reader.close();
    expect(errorOf(() => reader.read()).code).toBe('ERR_OVERLANE_CLOSED');
  });
});

describe('captures of other programs', () => {
  const skip = !hasTshark || captures.length === 0;

  it.skipIf(skip)(`are read as tshark reads them, all of them ${NEEDS_CAPTURES} ${NEEDS_TSHARK}`, async () => {
    const merged = scratch('merged.pcapng');
    await run('mergecap', ['-a', '-w', merged, ...captures]);
    const ours = captures.flatMap((path) => ourRows(path).map((row) => ({ file: basename(path), ...row })));
    const theirs = await tsharkRows(merged);
    expect(ours.length).toBe(theirs.length);
    // One packet has a fraction of 3841916976 microseconds: we carry it over, tshark overflows.
    const carried = ours.findIndex((row) => row.file === 'rx_serviceid_oobr.pcap') + 1;
    expect(ours[carried]!.time).toBe(3_841_916_976_000n);
    theirs[carried]!.time = ours[carried]!.time;
    expect(ours).toEqual(theirs.map((row, i) => ({ file: ours[i]!.file, ...row })));
    const { stdout } = await run('capinfos', ['-T', '-r', '-c', '-M', ...captures]);
    const counts = new Map(
      stdout
        .trim()
        .split('\n')
        .map((line) => [line.split('\t')[0]!, Number(line.split('\t')[1])]),
    );
    for (const path of captures) expect([path, ourRows(path).length]).toEqual([path, counts.get(path)]);
  });

  it.skipIf(captures.length === 0)(`are read alike in the other byte order ${NEEDS_CAPTURES}`, () => {
    const path = scratch('big');
    for (const capture of captures) {
      const file = readFileSync(capture);
      if (file.readUInt32BE(0) === 0xa1b2c3d4) continue;
      writeFileSync(path, bigEndian(file));
      expect([capture, ourRows(path)]).toEqual([capture, ourRows(capture)]);
    }
  });

  it.skipIf(!hasTshark)(`are read alike in every format that editcap writes ${NEEDS_TSHARK}`, async () => {
    for (const format of ['pcap', 'nsecpcap', 'pcapng', 'modpcap']) {
      const path = scratch(`converted.${format}`);
      await run('editcap', ['-F', format, underlay, path]);
      expect([format, ourRows(path)]).toEqual([format, ourRows(underlay)]);
    }
  });

  it.skipIf(!hasTshark)(`tshark reads what is written, without a warning ${NEEDS_TSHARK}`, async () => {
    const path = scratch('written.pcapng');
    const writer = new CaptureWriter(path);
    const burst = burstOf(Array.from({ length: 300 }, (_, i) => new Uint8Array(60 + i).fill(i)));
    burst.wireLengths = burst.lengths.map((length, i) => length + (i % 3));
    burst.timestamps = BigInt64Array.from({ length: 300 }, (_, i) => 1_700_000_000_123_456_789n + BigInt(i));
    writer.write(burst);
    writer.close();
    const rows = ourRows(path);
    expect(rows.map((row) => row.time)).toEqual([...burst.timestamps]);
    expect(rows.map((row) => row.wireLength)).toEqual([...burst.wireLengths]);
    expect(await tsharkRows(path)).toEqual(rows);
    const { stderr } = await run('tshark', ['-r', path, '-T', 'fields', '-e', 'frame.number']);
    expect(stderr.replace(/^Running as user "root".*\n/, '')).toBe('');
  });
});

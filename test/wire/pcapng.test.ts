/** What the encoder of captures writes, as our reader, tshark and capinfos read it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CaptureBlocks } from '../../src/cli/capture-blocks.js';
import { CaptureReader, frames, type PortBurst } from '../../src/index.js';
import { pcapngHeader, pcapngPackets, pcapngStatistics } from '../../src/wire/pcapng.js';
import { hasTool, NEEDS_TSHARK, tshark } from '../peers.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-pcapng-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TIME = 1_700_000_000_123_456_789n;

/** Packets of 14 to 21 bytes, every second one cut; before every third, three are missing. */
function burst(count: number): PortBurst {
  const lengths = Uint32Array.from({ length: count }, (_, i) => 14 + (i % 8));
  const offsets = lengths.map((_, i) => lengths.subarray(0, i).reduce((sum, length) => sum + length, 5));
  return {
    data: Uint8Array.from({ length: 5 + 21 * count }, (_, i) => i * 7),
    offsets,
    lengths,
    wireLengths: lengths.map((length, i) => length + 100 * (i % 2)),
    timestamps: BigInt64Array.from({ length: count }, (_, i) => TIME + BigInt(i)),
    directions: Uint8Array.from({ length: count }, (_, i) => 1 + (i % 2)),
    lostBefore: Uint32Array.from({ length: count }, (_, i) => (i % 3 === 2 ? 3 : 0)),
    count,
  };
}

function whole(packets: PortBurst, lost: number): Buffer {
  const start = { name: 'ep-1234', description: 'endpoint of sandbox été', snaplen: 262_144, application: 'test 1' };
  const statistics = { start: TIME, end: TIME + 5_000_000_000n, received: 50n, dropped: 13n };
  return Buffer.concat([pcapngHeader(start), pcapngPackets(packets, lost), pcapngStatistics(statistics)]);
}

it('our reader finds every packet again, and the command its losses', () => {
  const packets = burst(9);
  const file = join(folder, 'ours.pcapng');
  writeFileSync(file, whole(packets, 4));
  using reader = new CaptureReader(file);
  const read = reader.read()!;
  expect(Array.from(frames(read), (frame) => Buffer.from(frame).toString('hex'))).toEqual(
    Array.from(frames(packets), (frame) => Buffer.from(frame).toString('hex')),
  );
  expect([read.wireLengths, read.timestamps]).toEqual([packets.wireLengths, packets.timestamps]);
  expect(reader.read()).toBeNull();
  const blocks = new CaptureBlocks();
  expect(blocks.push(Buffer.concat([pcapngHeader({ name: '', snaplen: 1, application: '' })])).length).toBeGreaterThan(
    0,
  );
  blocks.push(pcapngPackets(packets, 4));
  expect([blocks.packets, blocks.lost]).toEqual([9, 13n]);
  expect(pcapngPackets(burst(0)).length).toBe(0);
});

it.skipIf(!hasTool('tshark') || !hasTool('capinfos'))(
  `tshark and capinfos read packets, times, directions, losses and the interface ${NEEDS_TSHARK}`,
  async () => {
    const packets = burst(9);
    const file = join(folder, 'theirs.pcapng');
    writeFileSync(file, whole(packets, 4));
    const fields = [
      'frame.time_epoch',
      'frame.cap_len',
      'frame.len',
      'frame.packet_flags_direction',
      'frame.drop_count',
    ];
    const rows = await tshark(file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field]));
    const expected = Array.from({ length: 9 }, (_, i) => {
      const lost = packets.lostBefore[i]! + (i === 0 ? 4 : 0);
      return [
        `1700000000.${123_456_789 + i}`,
        packets.lengths[i],
        packets.wireLengths[i],
        `0x0000000${packets.directions[i]}`,
        lost === 0 ? '' : lost,
      ].join('\t');
    });
    expect(rows.trimEnd().split('\n')).toEqual(expected);
    const about = execFileSync('capinfos', ['-M', file], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    expect(about).toMatch(/Capture application: +test 1/);
    expect(about).toMatch(/Name = ep-1234/);
    expect(about).toMatch(/Description = endpoint of sandbox été/);
    expect(about).toMatch(/Time precision = nanoseconds \(9\)/);
    expect(about).toMatch(/Number of stat entries = 1/);
    expect(about).toMatch(/Number of packets = 9/);
  },
);

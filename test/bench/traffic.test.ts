import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { interleave } from '../../bench/harness/senders.js';
import {
  macText,
  stationFrames,
  stationMac,
  toPcap,
  VXLAN_OVERHEAD,
  vxlanFrames,
} from '../../bench/harness/traffic.js';
import { burstOf, frames } from '../../src/dataplane/burst.js';

const hasTshark = spawnSync('tshark', ['--version']).status === 0;
const far = [
  { mac: [2, 0, 0, 0, 1, 0], ip: [192, 168, 77, 2] },
  { mac: [2, 0, 0, 0, 1, 1], ip: [192, 168, 77, 3] },
];
const here = { mac: [2, 0, 0, 0, 0, 1], ip: [192, 168, 77, 1] };

describe('interleave', () => {
  it('takes one packet of each burst in turn, as it was', () => {
    const burst = (...frames: number[][]) => burstOf(frames.map((frame) => Uint8Array.from(frame)));
    const mixed = interleave([burst([1], [2, 2]), burst([3, 3, 3], [4])]);
    expect(mixed.count).toBe(4);
    expect(Array.from(frames(mixed), (frame) => [...frame])).toEqual([[1], [3, 3, 3], [2, 2], [4]]);
  });
});

describe('traffic', () => {
  it('gives every station its own address, up to half a million a side', () => {
    const seen = new Set<string>();
    for (const side of ['a', 'b'] as const) {
      for (let i = 0; i < 2 ** 19; i += 61) seen.add(macText(stationMac(side, i)));
    }
    expect(seen.size).toBe(2 * Math.ceil(2 ** 19 / 61));
    expect(macText(stationMac('a', 65535))).toBe('02:42:0a:01:00:00');
  });

  it('makes pairs talk: what a sends to, b sends from', () => {
    const [a, b] = [stationFrames('a', 3, 64), stationFrames('b', 3, 64)];
    for (let i = 0; i < 3; i++) {
      const mac = (frames: typeof a, at: number) =>
        macText(frames.data.subarray(frames.offsets[i]! + at, frames.offsets[i]! + at + 6));
      expect(mac(a, 0)).toBe(mac(b, 6));
      expect(mac(b, 0)).toBe(mac(a, 6));
    }
    expect([...a.lengths]).toEqual([64, 64, 64]);
  });

  it('refuses frames too small for their headers', () => {
    expect(() => stationFrames('a', 1, 41)).toThrow(RangeError);
  });

  it('carries the same frames inside VXLAN, from the VTEPs in turn', () => {
    const plain = stationFrames('b', 3, 64);
    const tunnelled = vxlanFrames('b', 3, 64, 4096, far, here);
    for (let i = 0; i < 3; i++) {
      const at = tunnelled.offsets[i]!;
      const inner = tunnelled.data.subarray(at + VXLAN_OVERHEAD, at + tunnelled.lengths[i]!);
      expect(inner).toEqual(plain.data.subarray(plain.offsets[i], plain.offsets[i]! + 64));
      expect([...tunnelled.data.subarray(at + 26, at + 30)]).toEqual(far[i % 2]!.ip);
    }
  });

  it.skipIf(!hasTshark)(
    'is what tshark takes for VXLAN with right checksums (needs tshark: apt-get install tshark)',
    () => {
      const directory = mkdtempSync(join(tmpdir(), 'overlane-test-'));
      try {
        const file = join(directory, 'x.pcap');
        writeFileSync(file, toPcap(vxlanFrames('b', 5, 64, 4096, far, here)));
        const fields = ['vxlan.vni', 'ip.checksum.status', 'eth.src', 'udp.length', '_ws.malformed'].flatMap((name) => [
          '-e',
          name,
        ]);
        const tshark = spawnSync('tshark', ['-r', file, '-o', 'ip.check_checksum:TRUE', '-T', 'fields', ...fields], {
          encoding: 'utf8',
        });
        const lines = tshark.stdout.trim().split('\n');
        expect(lines).toHaveLength(5);
        expect(lines[1]!.split('\t')).toEqual(['4096', '1,1', '02:00:00:00:01:01,02:42:0a:10:00:02', '80,30', '']);
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );
});

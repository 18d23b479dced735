/** Every field that `decode` gives agrees with tshark's; `compare.ts` has the reasons for which the two may differ. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { captureFiles, hasTool, NEEDS_CAPTURES, NEEDS_TSHARK, tshark, vectorFiles } from '../peers.js';
import { compareFrame } from './compare.js';
import { ESP_VECTORS } from './esp-vectors.js';
import { ODD_FRAMES } from './odd-frames.js';
import { type CapturedFrame, readFrames, writeFrames } from './pcap.js';
import { parsePdml } from './pdml.js';
import { damagedFrames } from './random.js';

const hasTshark = hasTool('tshark');
const folder = mkdtempSync(join(tmpdir(), 'overlane-tshark-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Totals {
  packets: number;
  fields: number;
  problems: string[];
  excuses: Map<string, number>;
}

/** Compares all frames of a capture that are Ethernet. */
async function compareCapture(path: string, totals: Totals): Promise<void> {
  const frames = readFrames(path);
  const packets = parsePdml(await tshark(path, '-T', 'pdml'));
  if (frames.length !== packets.length) {
    totals.problems.push(`${basename(path)}: ${frames.length} frames, tshark has ${packets.length}`);
  }
  for (const [i, frame] of frames.entries()) {
    const packet = packets[i];
    if (frame.linkType !== 1 || packet === undefined) continue;
    const { fields, problems, excuses } = compareFrame(frame, packet);
    totals.packets++;
    totals.fields += fields;
    totals.problems.push(...problems.map((problem) => `${basename(path)}, packet ${i + 1}: ${problem}`));
    for (const excuse of excuses) totals.excuses.set(excuse, (totals.excuses.get(excuse) ?? 0) + 1);
  }
}

async function compareAll(paths: readonly string[]): Promise<Totals> {
  const totals: Totals = { packets: 0, fields: 0, problems: [], excuses: new Map() };
  const queue = [...paths];
  const work = async (): Promise<void> => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) await compareCapture(path, totals);
  };
  await Promise.all([work(), work()]);
  return totals;
}

/** Says what was compared, then expects no differences and no more excuses than stated. */
function conclude(what: string, totals: Totals): void {
  const excused = [...totals.excuses].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `  ${count} × ${reason}`);
  console.log([`${what}: ${totals.packets} packets, ${totals.fields} fields agree`, ...excused].join('\n'));
  expect(totals.problems).toEqual([]);
}

function save(name: string, frames: readonly Pick<CapturedFrame, 'bytes'>[]): string {
  const path = join(folder, name);
  writeFrames(path, frames);
  return path;
}

describe('decode agrees with tshark', () => {
  it.skipIf(!hasTshark)(`on a Docker Swarm overlay ${NEEDS_TSHARK}`, { timeout: 120_000 }, async () => {
    const totals = await compareAll(vectorFiles());
    conclude('docker-swarm', totals);
    expect(totals.excuses.size).toBe(0);
    expect(totals.packets).toBe(714);
    expect(totals.fields).toBeGreaterThanOrEqual(25_000);
  });

  const captures = captureFiles('tcpdump');
  it.skipIf(!hasTshark || captures.length === 0)(
    `on the tcpdump project's captures ${NEEDS_TSHARK} ${NEEDS_CAPTURES}`,
    { timeout: 300_000 },
    async () => {
      const totals = await compareAll(captures);
      conclude('tcpdump', totals);
      expect(totals.packets).toBeGreaterThanOrEqual(2_000);
      expect(totals.fields).toBeGreaterThanOrEqual(30_000);
    },
  );

  it.skipIf(!hasTshark)(`on frames that are seldom seen ${NEEDS_TSHARK}`, { timeout: 120_000 }, async () => {
    const totals = await compareAll([save('odd.pcap', ODD_FRAMES)]);
    conclude('odd frames', totals);
    expect(totals.packets).toBe(ODD_FRAMES.length);
    expect(totals.fields).toBeGreaterThanOrEqual(1_000);
  });

  it.skipIf(!hasTshark)(`on ESP without keys, in IP and in UDP ${NEEDS_TSHARK}`, async () => {
    const frames = ESP_VECTORS.map(({ frame }) => ({ bytes: Buffer.from(frame, 'hex') }));
    const totals = await compareAll([save('esp.pcap', frames)]);
    conclude('ESP', totals);
    expect(totals.excuses.size).toBe(0);
    expect(totals.packets).toBe(ESP_VECTORS.length);
    expect(totals.fields).toBeGreaterThanOrEqual(150);
  });

  it.skipIf(!hasTshark)(`on damaged and cut frames ${NEEDS_TSHARK}`, { timeout: 120_000 }, async () => {
    const real = vectorFiles().flatMap((path) => readFrames(path).slice(0, 20));
    const bases = [...ODD_FRAMES, ...real].map(({ bytes }) => bytes.subarray(0, 400));
    const totals = await compareAll([save('damaged.pcap', damagedFrames(bases, 10_000, 1))]);
    conclude('damaged frames', totals);
    expect(totals.packets).toBe(10_000);
    expect(totals.fields).toBeGreaterThanOrEqual(100_000);
  });
});

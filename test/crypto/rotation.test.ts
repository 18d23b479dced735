/** Keys turn under load: by hand at both ends, and by the ratchet; no packet is lost, doubled, or in the clear. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { KeyringOptions, KeyTurn } from '../../src/index.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { hasIperf3, NEEDS_IPERF3 } from '../live/traffic.js';
import { hasTool } from '../peers.js';
import { Capture, expectSealed, type LiveNode, liveNodes, nothingRefused, type Setting } from './live-nodes.js';
import { numbered, tcp } from './load.js';
import { espOf, ivOf, secretOf, spiOf, TAG } from './nodes.js';

/** 60 by hand: OVERLANE_ROTATION_SECONDS=60. */
const SECONDS = Number(process.env['OVERLANE_ROTATION_SECONDS'] ?? 10);
const SHORT = Math.max(4, SECONDS / 2);

const hasTools = hasIperf3 && hasTool('tcpdump') && hasTool('ethtool');
const NEEDS_TOOLS = `${NEEDS_IPERF3} (needs tcpdump and ethtool: apt-get install tcpdump ethtool)`;

/** Both ends turn a second, one a little after the other: `seconds` − 1 times. */
async function turnBoth(nodes: readonly LiveNode[], setting: Setting, seconds: number): Promise<number> {
  const started = performance.now();
  let turns = 0;
  for (; turns < seconds - 1; turns++) {
    const key = { id: TAG + 1 + turns, secret: secretOf(setting, 2 + turns) };
    for (const { ring } of nodes) ring.install(key);
    await sleep(50);
    for (const { ring } of turns % 2 === 0 ? nodes : nodes.toReversed()) {
      ring.rotate();
      await sleep(50);
    }
    // What was sealed with it has arrived long ago.
    await sleep(200);
    for (const { ring } of nodes) ring.retire(TAG + turns);
    await sleep(Math.max(0, started + (turns + 1) * 1000 - performance.now()));
  }
  return turns;
}

/** Load both ways while keys turn; returns the captured ESP packets. */
async function underLoad(
  setting: Setting,
  seconds: number,
  turning: (nodes: readonly [LiveNode, LiveNode]) => Promise<number>,
): Promise<{ packets: Uint8Array[]; turns: number }> {
  const nodes = await liveNodes(setting);
  const [one, two] = nodes;
  const capture = await Capture.start(one.host);
  const [turns, there, back, bytes] = await Promise.all([
    turning(nodes),
    numbered(one.container, two.container, two.ip, { seconds }),
    numbered(two.container, one.container, one.ip, { seconds }),
    tcp(one.container, two.container, two.ip, seconds),
  ]);
  const packets = expectSealed(await capture.stop(), setting).map((frame) => espOf(frame, setting));
  console.log(`${setting.profile}: ${turns} turns in ${seconds} s, ${packets.length} packets`, there, back, bytes);
  for (const { sent, ...arrived } of [there, back]) {
    expect(sent).toBeGreaterThan(seconds * 1000);
    expect(arrived).toMatchObject({ received: sent, duplicates: 0, bad: 0, reordered: 0 });
  }
  expect(bytes).toBeGreaterThan(seconds * 2 ** 20);
  await nothingRefused(one, two);
  const used = new Set(packets.map((esp) => `${spiOf(esp)} ${ivOf(esp)}`));
  expect(used.size).toBe(packets.length);
  return { packets, turns };
}

describe.skipIf(!hasRoot || !hasTools)(`keys that turn under load ${NEEDS_ROOT} ${NEEDS_TOOLS}`, () => {
  it.each<[string, Setting, number]>([
    ['strong, 2 workers', { profile: 'strong', carrier: 'udp', version: 4, keyBits: 128, workers: 2 }, SECONDS],
    ['docker', { profile: 'docker', carrier: 'udp', version: 4, keyBits: 128, workers: 2 }, SHORT],
  ])(
    'by install(), rotate() and retire() at both ends, every second: %s',
    async (_, setting, seconds) => {
      const { packets, turns } = await underLoad(setting, seconds, (nodes) => turnBoth(nodes, setting, seconds));
      expect(turns).toBeGreaterThanOrEqual(seconds - 1);
      // Every key was used, in both directions.
      expect(new Set(packets.map(spiOf)).size).toBeGreaterThanOrEqual(2 * turns);
    },
    SECONDS * 1000 + 40_000,
  );

  it(
    'by the ratchet, every two seconds, with clocks that agree to within an epoch',
    async () => {
      const setting: Setting = { profile: 'strong', carrier: 'udp', version: 4, keyBits: 128 };
      const secret = secretOf(setting);
      const ring: Partial<KeyringOptions> = {
        keys: [{ id: TAG, secret, since: Date.now() - 10_000 }],
        rotation: { every: 2 },
      };
      const { packets, turns } = await underLoad({ ...setting, ring }, SHORT + 2, async (nodes) => {
        const seen: KeyTurn[][] = nodes.map(({ ring: own }) => {
          const all: KeyTurn[] = [];
          own.on('rotate', (turn) => all.push(turn));
          return all;
        });
        await sleep((SHORT + 2) * 1000);
        const epochs = seen.map((all) => all.map(({ epoch }) => epoch));
        for (const list of epochs) expect(list).toEqual(list.map((_, i) => list[0]! + i));
        return Math.min(...epochs.map(({ length }) => length));
      });
      expect(turns).toBeGreaterThanOrEqual(Math.floor((SHORT + 2) / 2) - 1);
      expect(new Set(packets.map(spiOf)).size).toBeGreaterThanOrEqual(2 * turns);
    },
    SECONDS * 1000 + 40_000,
  );
});

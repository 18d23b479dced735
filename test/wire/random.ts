/** Reproducible disorder: the same seed gives the same frames on every machine. */
import type { CapturedFrame } from './pcap.js';

/** Whole numbers from 0 to below `n` (mulberry32). */
export function randomNumbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** Where type, length, version and protocol fields usually lie. */
const TELLING = [12, 13, 14, 16, 17, 18, 19, 20, 21, 23, 34, 38, 39, 42, 46, 54, 55, 58, 59, 62, 63, 64];
const TELLING_VALUES = [0, 1, 4, 6, 8, 17, 44, 60, 0x81, 0xff];

/** `count` frames made from `bases`: up to three bytes changed, a quarter of them cut, half of those by the capture only. */
export function damagedFrames(bases: readonly Uint8Array[], count: number, seed: number): CapturedFrame[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => {
    let bytes = Uint8Array.from(bases[random(bases.length)]!);
    for (let changes = random(4); changes > 0; changes--) {
      const at = random(2) ? TELLING[random(TELLING.length)]! : random(Math.min(bytes.length, 120));
      const value = [TELLING_VALUES[random(TELLING_VALUES.length)]!, random(256), bytes[at]! ^ (1 << random(8))][
        random(3)
      ]!;
      if (at < bytes.length) bytes[at] = value;
    }
    let wireLength = bytes.length;
    if (random(4) === 0) {
      bytes = bytes.slice(0, 14 + random(bytes.length - 14));
      if (random(2)) wireLength = bytes.length;
    }
    return { bytes, wireLength, linkType: 1 };
  });
}

/** ESP packets that are changed, cut, repeated or reordered on the way: refused under the right name, and accounted for. */
import { describe, expect, it } from 'vitest';
import { from } from '../dataplane/frames.js';
import type { Host } from '../dataplane/hosts.js';
import { SITES } from '../dataplane/hosts.js';
import { drained, drops, expectBalance, hex } from '../dataplane/lab.js';
import { espFrame } from '../wire/esp-frames.js';
import { deliver, espOf, espStart, nameOf, pair, WAYS, type Way, wireFrames } from './nodes.js';

const STRONG: Way = { profile: 'strong', keyBits: 128, version: 4 };
const DOCKER: Way = { ...STRONG, profile: 'docker' };
const named = WAYS.map((way) => [nameOf(way), way] as const);

/** Of a receiver, in packets. */
const WINDOW = 2048;

/** `count` frames of one flow, sealed by the first node. */
function sealed({ dataplane, c, w }: Host, count: number): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let i = 0; i < count; i += 256) {
    c.inject(Array.from({ length: Math.min(256, count - i) }, (_, k) => from(1, 2, (i + k) & 255)));
    dataplane.run();
    all.push(...wireFrames({ w } as Host));
  }
  return all;
}

function counted({ dataplane }: Host, call: () => void): Record<string, number> {
  const before = drops(dataplane);
  call();
  expectBalance(dataplane);
  const after = drops(dataplane);
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

/** The frame with one bit of it changed, bits counted from `start` on. */
function flipped(frame: Uint8Array, bit: number, start = 0): Uint8Array {
  const copy = frame.slice();
  copy[start + (bit >> 3)]! ^= 0x80 >> (bit & 7);
  return copy;
}

/** The frame of an ESP packet of other bytes, with lengths and checksums that fit. */
function rewrapped(packet: Uint8Array, { profile, version }: Way): Uint8Array {
  const ends = { source: SITES[version][0], destination: SITES[version][1] };
  const frame = espFrame(ends, packet, profile === 'strong' ? 50_000 : undefined);
  frame.set([6, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0]);
  return frame;
}

describe('a bit that is changed', () => {
  it.each(named)('anywhere in the ESP packet, is found: %s', (_, way) => {
    const [a, b] = pair(way);
    const [first, second] = sealed(a, 2) as [Uint8Array, Uint8Array];
    const bits = espOf(second, way).length * 8;
    const tries = Array.from({ length: bits }, (_, bit) => flipped(second, bit, espStart(way)));
    // To a receiver that knows the SA, and to one that does not.
    for (const [knows, receiver] of [[true, b] as const, [false, pair(way)[1]] as const]) {
      if (knows) expect(deliver(receiver, [first])).toBe(1);
      let spi = 0;
      const names = counted(receiver, () => {
        for (const [bit, frame] of tries.entries()) {
          const one = counted(receiver, () => expect(deliver(receiver, [frame]), `bit ${bit}`).toBe(0));
          expect(Object.values(one)).toEqual([1]);
          if (bit < 32) expect(one).toEqual({ drop_esp_spi: 1 });
          spi += one['drop_esp_spi'] ?? 0;
        }
      });
      // An SA is believed in when a packet of it has opened, so that these are of no known SPI for `strong`.
      const all = way.profile === 'strong' && !knows;
      expect(spi).toBe(all ? bits : 32);
      expect(names).toEqual(all ? { drop_esp_spi: bits } : { drop_esp_spi: 32, drop_esp_icv: bits - 32 });
      // And the packet itself is as good as it was.
      expect(deliver(receiver, [second])).toBe(1);
    }
  });

  it.each(named)('in what carries it, lets nothing else arrive than was sent: %s', (_, way) => {
    const [a, b] = pair(way);
    const all = sealed(a, espStart(way) * 8 + 1);
    deliver(b, all.slice(-1));
    const harmless = new Set<number>();
    for (let bit = 0; bit < espStart(way) * 8; bit++) {
      b.w.inject([flipped(all[bit]!, bit)]);
      b.dataplane.run();
      const got = drained(b.c);
      if (got.length === 0) continue;
      expect(got).toEqual([hex(from(1, 2, bit & 255))]);
      harmless.add(bit >> 3);
    }
    expectBalance(b.dataplane);
    // MACs; IPv6's traffic class, flow label and hop limit, which no checksum is over; UDP's source port, length and
    // checksum: that of ESP says more.
    const [ip, after] = [14, espStart(way) - 8];
    const known = Array.from({ length: 12 }, (_, i) => i);
    if (way.version === 6) known.push(ip, ip + 1, ip + 2, ip + 3, ip + 7);
    if (way.profile === 'strong') known.push(after, after + 1, after + 4, after + 5, after + 6, after + 7);
    expect([...harmless].filter((byte) => !known.includes(byte))).toEqual([]);
    expect(harmless.size).toBeGreaterThan(5);
  });
});

describe('a packet that is cut', () => {
  it.each(named)('is refused at every length: %s', (_, way) => {
    const [a, b] = pair(way);
    const [first, second] = sealed(a, 2) as [Uint8Array, Uint8Array];
    expect(deliver(b, [first])).toBe(1);
    const packet = espOf(second, way);
    for (let length = 0; length < packet.length; length++) {
      const names = counted(b, () => expect(deliver(b, [rewrapped(packet.slice(0, length), way)])).toBe(0));
      expect(Object.keys(names), `${length} bytes`).toHaveLength(1);
      // Lengths that a packet of the cipher can have fail in authentication.
      const icv = way.profile === 'strong' ? 16 : 8;
      const least = 8 + 8 + 8 + 8 + 14 + 2 + icv;
      const possible = length >= least && (length - icv) % 4 === 0;
      expect(names, `${length} bytes`).toEqual(possible ? { drop_esp_icv: 1 } : { drop_esp_truncated: 1 });
    }
    for (let length = 14; length < second.length; length++) {
      const names = counted(b, () => expect(deliver(b, [second.slice(0, length)])).toBe(0));
      expect(Object.values(names), `frame of ${length} bytes`).toEqual([1]);
    }
    // Bytes behind it: the IP header says where it ends.
    expect(deliver(b, [rewrapped(packet.slice(), way)])).toBe(1);
  });

  it.each(named)('or grown is refused: %s', (_, way) => {
    const [a, b] = pair(way);
    const [first, second] = sealed(a, 2) as [Uint8Array, Uint8Array];
    expect(deliver(b, [first])).toBe(1);
    for (const more of [1, 2, 3, 4, 8, 16]) {
      const packet = new Uint8Array([...espOf(second, way), ...new Uint8Array(more)]);
      const names = counted(b, () => expect(deliver(b, [rewrapped(packet, way)])).toBe(0));
      expect(names).toEqual(more % 4 === 0 ? { drop_esp_icv: 1 } : { drop_esp_truncated: 1 });
    }
  });
});

describe('a packet that comes again', () => {
  it.each(named.filter(([, { profile }]) => profile === 'strong'))('is refused: %s', (_, way) => {
    const [a, b] = pair(way);
    const frames = sealed(a, 300);
    expect(deliver(b, frames)).toBe(300);
    expect(counted(b, () => expect(deliver(b, frames)).toBe(0))).toEqual({ drop_esp_replay: 300 });
    // Twice in one burst, and after it.
    const [next] = sealed(a, 1);
    expect(counted(b, () => expect(deliver(b, [next!, next!, next!])).toBe(1))).toEqual({ drop_esp_replay: 2 });
  });

  it('is taken again by docker, as Docker takes it: until its key is retired', () => {
    const [a, b] = pair(DOCKER);
    const frames = sealed(a, 3);
    expect([deliver(b, frames), deliver(b, frames)]).toEqual([3, 3]);
    b.bridge.keyring!.install({ id: 9000, secret: new Uint8Array(16).fill(9) }).rotate();
    expect(deliver(b, frames)).toBe(3);
    b.bridge.keyring!.retire(1234);
    expect(counted(b, () => expect(deliver(b, frames)).toBe(0))).toEqual({ drop_esp_spi: 3 });
  });

  it('is refused from the other direction, and from another address', () => {
    for (const way of [STRONG, DOCKER]) {
      const [a, b] = pair(way);
      const [frame] = sealed(a, 1);
      // Back to its sender, as if from the other node.
      const back = frame!.slice();
      back.set([6, 0, 0, 0, 0, 0]);
      back.set(frame!.subarray(26, 30), 30);
      back.set(frame!.subarray(30, 34), 26);
      expect(counted(a, () => expect(deliver(a, [back])).toBe(0))).toEqual({ drop_esp_spi: 1 });
      b.bridge.addVtep(SITES[4][2]);
      const moved = frame!.slice();
      moved.set([192, 168, 77, 3], 26);
      // The checksum: 1 became 3.
      const sum = (moved[24]! << 8) | moved[25]!;
      moved.set([(sum - 2) >> 8, (sum - 2) & 255], 24);
      expect(counted(b, () => expect(deliver(b, [moved])).toBe(0))).toEqual({ drop_esp_spi: 1 });
    }
  });
});

describe('packets out of order', () => {
  it('arrive, once each, as far back as the window goes; what is older does not', () => {
    const [a, b] = pair(STRONG);
    const frames = sealed(a, WINDOW + 1000);
    const last = frames.length - 1;
    // The first makes the SA known, the last moves the window on.
    expect(deliver(b, [frames[0]!, frames[last]!])).toBe(2);
    const inside = frames.slice(last - WINDOW + 1, last);
    const outside = frames.slice(1, last - WINDOW + 1);
    expect(inside).toHaveLength(WINDOW - 1);
    const names = counted(b, () => expect(deliver(b, outside)).toBe(0));
    // Their numbers are taken for those of the next 2^32.
    expect(names).toEqual({ drop_esp_icv: outside.length });
    expect(deliver(b, inside.toReversed())).toBe(inside.length);
    expect(counted(b, () => expect(deliver(b, inside)).toBe(0))).toEqual({ drop_esp_replay: inside.length });
  });

  it('of docker arrive in any order', () => {
    const [a, b] = pair(DOCKER);
    const frames = sealed(a, WINDOW + 1000);
    expect(deliver(b, frames.toReversed())).toBe(frames.length);
  });
});

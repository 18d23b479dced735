/** A million MACs from one port: memory, the others' entries and their traffic. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { Dataplane, formatMac } from '../../src/index.js';

const CHUNK = 8192;
const MACS = 1_000_000;
const BYTES = 64;

// What the collector has not come to yet is this test's, not the dataplane's: memory is measured without it.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Frames to `to`, each from another MAC; `first` numbers them. */
function floodBurst(first: number, to: number[]) {
  const data = new Uint8Array(CHUNK * BYTES);
  const view = new DataView(data.buffer);
  const offsets = new Uint32Array(CHUNK);
  for (let i = 0; i < CHUNK; ++i) {
    const at = i * BYTES;
    offsets[i] = at;
    data.set(to, at);
    view.setUint16(at + 6, 0x0666);
    view.setUint32(at + 8, first + i);
    view.setUint16(at + 12, 0x88b5);
  }
  return { data, offsets, lengths: new Uint32Array(CHUNK).fill(BYTES), count: CHUNK };
}

const station = (last: number) => [0x02, 0x42, 0x0a, 0, 0, last];
const frame = (to: number[], from: number[], tag: number) =>
  Uint8Array.from([...to, ...from, 0x88, 0xb5, tag >> 8, tag & 255, ...new Uint8Array(46)]);

it.each([
  // The smaller first: what reading a million rows leaves behind would hide its growth.
  ['a table that does not hold them', 2 ** 16],
  ['a table that does', 2 ** 20],
])(
  'in %s',
  async (_, fdbEntries) => {
    await using lab = new Dataplane({ mode: 'manual', clock: 'virtual', fdbEntries });
    const [attacker, b, c] = ['attacker', 'b', 'c'].map((name) => lab.addPort({ type: 'memory', name }));
    const bridge = lab.addBridge({ name: 'br', fdbLimit: fdbEntries });
    for (const port of [attacker!, b!, c!]) bridge.attach(port);
    b!.inject([frame(station(3), station(2), 0)]);
    c!.inject([frame(station(2), station(3), 0)]);
    lab.run({ now: 0n });
    for (const port of [attacker!, b!, c!]) port.drain();

    collect();
    const before = process.memoryUsage().rss;
    let delivered = 0;
    let chunks = 0;
    for (let first = 0; first < MACS; first += CHUNK, ++chunks) {
      attacker!.inject(floodBurst(first, station(9)));
      b!.inject([frame(station(3), station(2), chunks)]);
      lab.run({ now: BigInt(chunks) });
      delivered += [
        ...(function* () {
          const { data, offsets, count } = c!.drain();
          for (let i = 0; i < count; ++i) if (data[offsets[i]! + 6] === 0x02) yield i;
        })(),
      ].length;
      b!.drain();
      attacker!.drain();
      collect();
    }
    const grown = process.memoryUsage().rss - before;

    expect(delivered).toBe(chunks);
    const { total, balanced } = lab.counters();
    expect(balanced).toBe(true);
    expect(total['drop_port_full']).toBe(0n);
    const rows = bridge.fdb();
    expect(rows.length).toBeLessThanOrEqual(fdbEntries);
    expect(rows.length).toBeGreaterThan(Math.min(MACS, fdbEntries) * 0.99);
    const places = new Map(rows.filter(({ port }) => port !== 'attacker').map(({ mac, port }) => [mac, port]));
    expect(places).toEqual(
      new Map([
        [formatMac(Uint8Array.from(station(2))), 'b'],
        [formatMac(Uint8Array.from(station(3))), 'c'],
      ]),
    );
    // 32 bytes an entry, and the frames of a chunk a few times over.
    expect(grown).toBeLessThan(32 * fdbEntries + 64 * 2 ** 20);
  },
  60_000,
);

/** The same run gives the same bytes, and the real overlay comes apart and goes together again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  buildTopology,
  type CapturedBurst,
  type DataplaneOptions,
  frames,
  readCapture,
  readTopology,
} from '../../src/index.js';
import { vectorsFolder } from '../peers.js';
import { BROADCAST, from } from './frames.js';
import { hex, lab, memoryPorts, watch } from './lab.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-determinism-'));
afterAll(() => rmSync(folder, { recursive: true }));

const VTEP1 = { mac: '4e:e7:8f:cd:cb:0c', local: '192.168.77.1' };
const VTEP2 = { mac: '36:cf:b0:1e:b2:6d', local: '192.168.77.2' };
const C1 = '02:42:0a:63:00:02';
const C2 = '02:42:0a:63:00:04';

interface Row {
  frame: string;
  time: bigint;
}

function rows(burst: CapturedBurst): Row[] {
  return Array.from(frames(burst), (frame, i) => ({ frame: hex(frame), time: burst.timestamps[i]! }));
}

function capture(name: string): Row[] {
  return [...readCapture(join(vectorsFolder, name))].flatMap(rows);
}

/** Of frames and times, without a diff of a megabyte when they differ. */
function expectSame(got: string[], wanted: string[]): void {
  expect(got.length).toBe(wanted.length);
  expect(got.findIndex((frame, i) => frame !== wanted[i])).toBe(-1);
}

/** One host of the swarm: its VTEP on a memory wire, its container on a memory port. */
function host(
  own: typeof VTEP1,
  other: typeof VTEP1,
  mac: string,
  peer: string,
  options: Partial<DataplaneOptions> = {},
) {
  const dataplane = lab(options);
  const [wire, container] = memoryPorts(dataplane, 'wire', 'container');
  const underlay = dataplane.addUnderlay({
    type: 'frame',
    port: wire!,
    ...own,
    neighbors: [{ ip: other.local, mac: other.mac }],
  });
  const bridge = dataplane.addBridge({ vni: 4097, underlay }).attach(container!, { mac });
  bridge.addPeer({ mac: peer, vtep: other.local });
  return { dataplane, wire: wire!, container: container! };
}

describe('the Docker Swarm capture', () => {
  it('decapsulated by the topology in docs/ is what c2 saw, byte for byte and in order', async () => {
    const topology = readTopology(new URL('../../docs/topologies/docker-swarm.yaml', import.meta.url).pathname);
    for (const port of Object.values(topology.options.ports ?? {})) {
      if (port.type === 'pcap' && port.write !== undefined) port.write = join(folder, port.write);
    }
    const dataplane = watch(buildTopology(topology));
    expect(dataplane.run()).toBe(360);
    expect(dataplane.counters().drops).toEqual({ drop_underlay_other: 85n });
    expect(dataplane.counters().total['flooded']).toBe(0n);
    await dataplane.close();
    const seen = ['c1.pcapng', 'c2.pcapng'].flatMap((name) => [...readCapture(join(folder, name))].flatMap(rows));
    // Each port has its frames in order; the two directions go together by the times of the wire.
    seen.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    const wanted = capture('c2-eth0.pcap').map(({ frame }) => frame);
    expect(wanted).toHaveLength(275);
    expectSame(
      seen.map(({ frame }) => frame),
      wanted,
    );
  });

  it('encapsulated again by one dataplane and decapsulated by another, is the same', () => {
    const one = host(VTEP1, VTEP2, C1, C2);
    const two = host(VTEP2, VTEP1, C2, C1);
    const all = capture('c2-eth0.pcap').map(({ frame }) => frame);
    const macs = (frame: string) => frame.slice(12, 24);
    for (const [near, far, mac] of [
      [one, two, C1],
      [two, one, C2],
    ] as const) {
      const sent = all.filter((frame) => macs(frame) === mac.replaceAll(':', ''));
      expect(sent.length).toBeGreaterThan(30);
      near.container.inject(sent.map((frame) => Buffer.from(frame, 'hex')));
      near.dataplane.run();
      far.wire.inject(near.wire.drain());
      far.dataplane.run();
      expectSame(Array.from(frames(far.container.drain()), hex), sent);
    }
  });
});

describe('determinism', () => {
  function swarm(options: Partial<DataplaneOptions>): { wire: string[]; counters: unknown } {
    const { dataplane, wire, container } = host(VTEP2, VTEP1, C2, C1, options);
    const all = capture('c2-eth0.pcap').filter(({ frame }) => frame.slice(12, 24) === C2.replaceAll(':', ''));
    container.inject(all.map(({ frame }) => Buffer.from(frame, 'hex')));
    dataplane.run({ now: 5n });
    const burst = wire.drain();
    return { wire: Array.from(frames(burst), hex), counters: dataplane.counters() };
  }

  it('the same run gives the same bytes and counters', () => {
    expect(swarm({ seed: 7 })).toEqual(swarm({ seed: 7 }));
  });

  it('neither burst size nor FDB change what comes out', () => {
    const reference = swarm({ burst: 64 }).wire;
    for (const burst of [1, 2, 7, 256]) expectSame(swarm({ burst }).wire, reference);
    expectSame(swarm({ fdb: 'map' }).wire, reference);
  });

  it('the same inputs write the same file', async () => {
    const files = await Promise.all(
      [1, 2].map(async (n) => {
        const dataplane = lab();
        const write = join(folder, `same-${n}.pcapng`);
        const bridge = dataplane.addBridge({ learning: false }).attach(dataplane.addPort({ type: 'pcap', write }));
        for (const name of ['c1-eth0.pcap', 'underlay.pcap', 'c2-eth0.pcap']) {
          bridge.attach(dataplane.addPort({ type: 'pcap', read: join(vectorsFolder, name) }), { isolated: true });
        }
        dataplane.run();
        await dataplane.close();
        return readFileSync(write);
      }),
    );
    expect(files[0]!.length).toBeGreaterThan(500_000);
    expect(files[0]!.equals(files[1]!)).toBe(true);
  });

  it('a run in pieces of whole bursts is the same as one run', () => {
    const out = [{}, { packets: 16 }, { packets: 48 }].map((options) => {
      const dataplane = lab({ burst: 16 });
      const [a, b, c] = memoryPorts(dataplane, 'a', 'b', 'c');
      dataplane.addBridge({ fdbLimit: 20 }).attach(a!).attach(b!).attach(c!);
      a!.inject(
        Array.from({ length: 100 }, (_, i) => from(1 + (i % 30), i % 3 === 0 ? BROADCAST : 1 + ((i * 7) % 30), i)),
      );
      while (dataplane.run(options) > 0);
      return [b!, c!].map((port) => Array.from(frames(port.drain()), hex));
    });
    expect(out[0]?.[0]?.length).toBeGreaterThan(30);
    expectSame(out[1]!.flat(), out[0]!.flat());
    expectSame(out[2]!.flat(), out[0]!.flat());
  });
});

/** Wrong options of Dataplane and run, and what a closed dataplane says. */
import { describe, expect, it } from 'vitest';
import { Dataplane, type ErrorCode } from '../../src/index.js';
import { from, station } from './frames.js';
import { failure, lab } from './lab.js';
import { any, site } from './refusal.js';

describe('new Dataplane', () => {
  it.each<[string, unknown, ErrorCode, RegExp]>([
    ['no options', null, 'ERR_OVERLANE_OPTION', /Dataplane takes an object of options, not null/],
    [
      'another mode',
      { mode: 'auto' },
      'ERR_OVERLANE_OPTION',
      /'mode' of Dataplane must be 'live' or 'manual', not "auto"/,
    ],
    [
      'an unknown option',
      { mode: 'manual', brust: 3 },
      'ERR_OVERLANE_OPTION',
      /unknown option 'brust' of Dataplane; did you mean 'burst'\?/,
    ],
    [
      'a far-off option',
      { mode: 'manual', zzzzzz: 3 },
      'ERR_OVERLANE_OPTION',
      /unknown option 'zzzzzz' of Dataplane; known: mode, clock, workers, spin, fdb/,
    ],
    [
      'an unknown FDB',
      { mode: 'manual', fdb: 'tree' },
      'ERR_OVERLANE_OPTION',
      /'fdb' of Dataplane must be 'bucket' or 'map', not "tree"/,
    ],
    [
      'burst 0',
      { mode: 'manual', burst: 0 },
      'ERR_OVERLANE_OPTION',
      /'burst' of Dataplane must be a whole number from 1 to 256 packets, not 0/,
    ],
    ['burst 257', { mode: 'manual', burst: 257 }, 'ERR_OVERLANE_OPTION', /'burst'/],
    ['burst 1.5', { mode: 'manual', burst: 1.5 }, 'ERR_OVERLANE_OPTION', /'burst'.*not 1.5/],
    ['burst NaN', { mode: 'manual', burst: Number.NaN }, 'ERR_OVERLANE_OPTION', /'burst'.*not NaN/],
    [
      'no FDB entries',
      { mode: 'manual', fdbEntries: 0 },
      'ERR_OVERLANE_OPTION',
      /'fdbEntries'.*from 1 to 16777216 entries/,
    ],
    ['no neighbor entries', { mode: 'manual', neighborEntries: -1 }, 'ERR_OVERLANE_OPTION', /'neighborEntries'/],
    [
      'few small packets',
      { mode: 'manual', packets: { small: 127 } },
      'ERR_OVERLANE_OPTION',
      /'packets.small' of Dataplane must be at least twice the burst \(128\), not 127/,
    ],
    [
      'few large packets',
      { mode: 'manual', packets: { large: 63 } },
      'ERR_OVERLANE_OPTION',
      /'packets.large' of Dataplane must be at least the burst \(64\)/,
    ],
    [
      'unknown pool',
      { mode: 'manual', packets: { smal: 200 } },
      'ERR_OVERLANE_OPTION',
      /unknown option 'packets.smal' of Dataplane; did you mean 'small'\?/,
    ],
    [
      'a negative seed',
      { mode: 'manual', seed: -1 },
      'ERR_OVERLANE_OPTION',
      /'seed' of Dataplane must be a whole number from 0/,
    ],
    [
      'a wide seed',
      { mode: 'manual', seed: 2n ** 64n },
      'ERR_OVERLANE_OPTION',
      /'seed' of Dataplane must be from 0 to 2\^64 - 1/,
    ],
  ])('refuses %s', (_, options, code, words) => {
    const error = failure(() => new Dataplane(any(options)));
    expect(error.message).toMatch(words);
    expect(error.code).toBe(code);
  });

  it('takes undefined for what is not given, and the limits', async () => {
    await new Dataplane({ mode: 'manual', burst: any(undefined), seed: 2n ** 64n - 1n, packets: {} }).close();
    await new Dataplane({
      mode: 'manual',
      burst: 256,
      fdb: 'map',
      fdbEntries: 1,
      neighborEntries: 1,
      packets: { small: 512, large: 256 },
    }).close();
  });
});

describe('a closed dataplane', () => {
  it('refuses everything with ERR_OVERLANE_CLOSED, and closes again without complaint', async () => {
    const { dataplane, a, w, underlay } = site();
    const bridge = dataplane.addBridge();
    await dataplane.close();
    await dataplane.close();
    a.close();
    bridge.close();
    underlay.close();
    const calls: (() => unknown)[] = [
      () => dataplane.addPort({ type: 'memory' }),
      () => dataplane.addUnderlay({ type: 'frame', port: w, mac: station(1), local: '10.0.0.1' }),
      () => dataplane.addBridge(),
      () => dataplane.run(),
      () => dataplane.now(),
      () => dataplane.counters(),
      () => dataplane.flush(),
      () => a.inject([]),
      () => a.drain(),
      () => a.error,
      () => bridge.attach(a),
      () => bridge.detach(a),
      () => bridge.fdb(),
      () => bridge.neighbors(),
      () => bridge.addNeighbor({ ip: '10.0.0.1', mac: station(1) }),
      () => underlay.addNeighbor({ ip: '10.0.0.1', mac: station(1) }),
    ];
    for (const call of calls) expect(failure(call).code, String(call)).toBe('ERR_OVERLANE_CLOSED');
  });

  it('await using closes', async () => {
    let kept: Dataplane | undefined;
    {
      await using dataplane = new Dataplane({ mode: 'manual' });
      kept = dataplane;
      dataplane.addPort({ type: 'memory' });
    }
    expect(failure(() => kept?.run()).code).toBe('ERR_OVERLANE_CLOSED');
  });
});

describe('run', () => {
  it.each<[string, unknown, RegExp]>([
    ['a number for now', { now: 5 }, /'now' of run must be nanoseconds as a bigint, such as 0n, not 5/],
    ['a negative time', { now: -1n }, /'now' of run must be from 0n/],
    ['a time past the end of time', { now: 2n ** 63n }, /'now' of run must be from 0n/],
    [
      'a time before the last',
      { now: 99n },
      /'now' of run is 99, but the clock is at 100 already; time does not go back/,
    ],
    ['no packets', { packets: 0 }, /'packets' of run/],
    ['an unknown option', { until: 5 }, /unknown option 'until' of run/],
  ])('refuses %s', (_, options, words) => {
    const { dataplane } = site();
    dataplane.run({ now: 100n });
    const { code, message } = failure(() => dataplane.run(any(options)));
    expect(message).toMatch(words);
    expect(code).toBe('ERR_OVERLANE_OPTION');
    expect(dataplane.now()).toBe(100n);
  });

  it('an endless input needs a number of packets', () => {
    const dataplane = lab();
    const source = dataplane.addPort({ type: 'memory', name: 'source', loop: true });
    const sink = dataplane.addPort({ type: 'memory', name: 'sink', discard: true });
    dataplane.addBridge().attach(source).attach(sink);
    source.inject([from(1, 2)]);
    expect(failure(() => dataplane.run()).message).toContain(
      "port 'source' loops, so its input never ends; give run a number of packets",
    );
    expect(dataplane.run({ packets: 1000 })).toBe(1000);
    expect(sink.drain().count).toBe(0);
    expect(dataplane.counters().ports['sink']?.tx_packets).toBe(1000n);
  });
});

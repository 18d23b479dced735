/** A live dataplane's own options, start and memory ports: nothing here needs privileges. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Dataplane, type DataplaneOptions } from '../../src/index.js';
import { from, station } from './frames.js';
import { drained, expectBalance, failure, lab, memoryPorts, watch } from './lab.js';
import { any } from './refusal.js';

const live = (options: DataplaneOptions = {}) => watch(new Dataplane({ packets: { small: 512 }, ...options }));

async function rejection(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  return promise.then(
    () => expect.fail('it should have been refused'),
    (error: { code: string; message: string }) => error,
  );
}

/** Until `look` gives something true; then that. */
async function eventually<T>(look: () => T): Promise<T> {
  for (let round = 0; round < 500; round++) {
    const found = look();
    if (found) return found;
    await sleep(10);
  }
  throw new Error('it did not happen within five seconds');
}

describe('new Dataplane', () => {
  it('is live unless it is told to be manual', () => {
    expect([live().mode, live({ mode: 'live', clock: 'real' }).mode, lab().mode]).toEqual(['live', 'live', 'manual']);
    expect([live().workers, live({ workers: [{}, { cpu: 0 }] }).workers, lab().workers]).toEqual([1, 2, 0]);
  });

  it.each<[string, unknown, RegExp]>([
    ['the virtual clock', { clock: 'virtual' }, /clock 'virtual' is for manual mode, and this dataplane is live/],
    ['the real clock in manual mode', { mode: 'manual', clock: 'real' }, /clock 'real' is for a live dataplane/],
    [
      'workers in manual mode',
      { mode: 'manual', workers: [{}] },
      /'workers' is for a live dataplane, and mode is 'manual'/,
    ],
    ['spin in manual mode', { mode: 'manual', spin: 1 }, /'spin' is for a live dataplane/],
    ['no workers', { workers: [] }, /'workers' of Dataplane must be a list of 1 to 64 workers/],
    [
      '65 workers',
      { workers: Array.from({ length: 65 }, () => ({})) },
      /'workers' of Dataplane must be a list of 1 to 64/,
    ],
    ['a number of workers', { workers: 2 }, /'workers' of Dataplane must be a list of 1 to 64 workers.*not 2/],
    [
      'half a processor',
      { workers: [{ cpu: 0.5 }] },
      /'workers\[0\]\.cpu' of Dataplane must be a whole number.*not 0.5/,
    ],
    ['a negative processor', { workers: [{ cpu: -1 }] }, /'workers\[0\]\.cpu'/],
    [
      'a misspelt worker',
      { workers: [{ cup: 1 }] },
      /unknown option 'workers\[0\]\.cup' of Dataplane; did you mean 'cpu'/,
    ],
    ['a negative spin', { spin: -1 }, /'spin' of Dataplane must be a whole number from 0 to 1000000 microseconds/],
  ])('refuses %s', (_, options, words) => {
    const { code, message } = failure(() => new Dataplane(any(options)));
    expect(message).toMatch(words);
    expect(code).toBe('ERR_OVERLANE_OPTION');
  });
});

describe('start', () => {
  it('once, and only live', async () => {
    const dataplane = live();
    await dataplane.start();
    expect(await rejection(dataplane.start())).toMatchObject({
      code: 'ERR_OVERLANE_BUSY',
      message: 'the dataplane is started already; close() stops it',
    });
    expect(await rejection(lab().start())).toMatchObject({
      code: 'ERR_OVERLANE_OPTION',
      message: "start() is for a live dataplane; in mode 'manual' call run()",
    });
    await dataplane.close();
    await dataplane.close();
    expect((await rejection(dataplane.start())).code).toBe('ERR_OVERLANE_CLOSED');
  });

  it('run() is for manual mode', () => {
    expect(failure(() => live().run())).toEqual({
      code: 'ERR_OVERLANE_OPTION',
      message: "run() is for mode 'manual'; a live dataplane is started with start()",
    });
  });

  it('carries packets between memory ports, and takes changes meanwhile', async () => {
    const dataplane = live();
    const [a, b] = memoryPorts(dataplane, 'a', 'b');
    const bridge = dataplane.addBridge({ name: 'br' }).attach(a!).attach(b!);
    await dataplane.start();
    const before = BigInt(Date.now()) * 1_000_000n;
    a!.inject([from(1, 2)]);
    expect(await eventually(() => drained(b!)[0])).toBe(Buffer.from(from(1, 2)).toString('hex'));
    expect(bridge.fdb()).toMatchObject([{ mac: station(1), port: 'a' }]);
    expect(dataplane.now()).toBeGreaterThanOrEqual(before - 1_000_000_000n);
    const [c] = memoryPorts(dataplane, 'c');
    bridge.attach(c!);
    a!.inject([from(1, 2)]);
    await eventually(() => dataplane.counters().transmitted === 3n);
    bridge.detach(c!);
    c!.close();
    expect(dataplane.counters()).toMatchObject({ received: 2n, cloned: 1n, transmitted: 3n, balanced: true });
    expectBalance(dataplane);
  });
});

import { describe, expect, it } from 'vitest';
import { type Cell, plan, runAll } from '../../bench/harness/schedule.js';
import { Absent, cellName } from '../../bench/harness/trial.js';

const never = new AbortController().signal;

function cell(rival: string, run: Cell['run']): Cell {
  return { trial: 't', case: { rival }, run };
}

describe('plan', () => {
  it('measures every cell once a round, before any cell comes again', () => {
    for (const [cells, rounds] of [
      [1, 1],
      [3, 5],
      [7, 2],
      [5, 3],
    ] as const) {
      const steps = plan(cells, rounds);
      expect(steps).toHaveLength(cells * rounds);
      for (let round = 0; round < rounds; round++) {
        const part = steps.slice(round * cells, (round + 1) * cells);
        expect(part.every((step) => step.round === round)).toBe(true);
        expect(part.map((step) => step.cell).sort((a, b) => a - b)).toEqual(Array.from({ length: cells }, (_, i) => i));
      }
    }
  });

  it('starts every round somewhere else', () => {
    const first = plan(6, 3).filter((_, i) => i % 6 === 0);
    expect(first.map((step) => step.cell)).toEqual([0, 2, 4]);
  });

  it('is empty for no cells', () => {
    expect(plan(0, 5)).toEqual([]);
  });
});

describe('runAll', () => {
  it('interleaves: one at a time, in the order of the plan', async () => {
    const log: string[] = [];
    let running = 0;
    const make = (name: string) =>
      cell(name, async () => {
        expect(running++).toBe(0);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running--;
        log.push(name);
        return { packets: 1, ns: log.length };
      });
    const results = await runAll([make('x'), make('y')], 2, never);
    expect(log).toEqual(['x', 'y', 'y', 'x']);
    expect(results.map((result) => result.samples.map((sample) => sample.ns))).toEqual([
      [1, 4],
      [2, 3],
    ]);
  });

  it('reports a failing cell, leaves it out of later rounds, and goes on with the others', async () => {
    let tries = 0;
    const bad = cell('bad', async () => {
      if (++tries === 2) throw new Error('frames were dropped');
      return { packets: 1, ns: 7 };
    });
    const good = cell('good', async () => ({ packets: 1, ns: 1 }));
    const [failed, fine] = await runAll([bad, good], 4, never);
    expect(failed).toMatchObject({ failure: 'frames were dropped', samples: [{ ns: 7 }] });
    expect(tries).toBe(2);
    expect(fine!.samples).toHaveLength(4);
    expect(fine!.failure).toBeUndefined();
  });

  it('tells absent from failed', async () => {
    const gone = cell('gone', async () => {
      throw new Absent('not installed (apt-get install it)');
    });
    const [result] = await runAll([gone], 3, never);
    expect(result).toMatchObject({ absent: 'not installed (apt-get install it)', samples: [] });
    expect(result!.failure).toBeUndefined();
  });

  it('ends when aborted, with the rounds that were finished and no failure', async () => {
    const stop = new AbortController();
    let runs = 0;
    const one = cell('one', async (signal) => {
      if (++runs === 3) {
        stop.abort();
        signal.throwIfAborted();
      }
      return { packets: 1, ns: 1 };
    });
    const [result] = await runAll([one], 10, stop.signal);
    expect(runs).toBe(3);
    expect(result!.samples).toHaveLength(2);
    expect(result!.failure).toBeUndefined();
  });

  it('says what starts', async () => {
    const seen: string[] = [];
    await runAll([cell('x', async () => ({ packets: 1, ns: 1 }))], 2, never, (p) =>
      seen.push(`${p.round}:${p.done}/${p.of} ${p.name}`),
    );
    expect(seen).toEqual(['0:0/2 t x', '1:1/2 t x']);
  });
});

it('names a cell by trial, place and rival', () => {
  expect(cellName('bridge', { macs: 1048576, size: 64 })).toBe('bridge [1M MACs, 64 B] overlane');
  expect(cellName('bridge', { macs: 1024, size: 64, rival: 'OVS' })).toBe('bridge [1K MACs, 64 B] OVS');
  expect(cellName('decode', {})).toBe('decode overlane');
});

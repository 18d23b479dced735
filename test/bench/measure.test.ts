import { describe, expect, it } from 'vitest';
import { measure } from '../../bench/harness/measure.js';

/** Spins, as a native loop does. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('measure', () => {
  it('warms up, then times batches for at least the time asked for', () => {
    let batches = 0;
    const sample = measure(
      {
        batch: () => {
          batches++;
          spin(2);
          return 1000;
        },
      },
      0.05,
    );
    expect(sample.ns).toBeGreaterThanOrEqual(50e6);
    expect(sample.packets).toBeLessThan(batches * 1000);
    // 2 ms for 1000 packets, with room for a busy machine.
    expect(sample.ns / sample.packets).toBeGreaterThanOrEqual(2000);
    expect(sample.cpuShare).toBeGreaterThan(0);
    expect(sample.cpuShare).toBeLessThanOrEqual(1);
  });

  it('checks after the work and closes in any case', () => {
    const log: string[] = [];
    const failing = {
      batch: () => 1,
      check: () => {
        log.push('check');
        throw new Error('7 were dropped');
      },
      close: () => log.push('close'),
    };
    expect(() => measure(failing, 0.001)).toThrow('7 were dropped');
    expect(log).toEqual(['check', 'close']);
  });

  it('does not run for ever on a source that ran dry', () => {
    expect(() => measure({ batch: () => 0 }, 10)).toThrow('ran dry');
  });

  it('lets a workload measure itself, warm-up first', () => {
    const asked: number[] = [];
    const own = (seconds: number) => {
      asked.push(seconds);
      spin(5);
      return { packets: 1, ns: seconds };
    };
    expect(measure({ measure: own }, 2)).toEqual({ packets: 1, ns: 2, cpuShare: expect.any(Number) });
    expect(asked).toHaveLength(2);
    expect(asked[0]).toBeLessThan(2);
  });
});

import { describe, expect, it } from 'vitest';
import { median, nsPerPacket, quantile, summarise } from '../../bench/harness/stats.js';

describe('quantile', () => {
  it('interpolates between the closest ranks, whatever the order', () => {
    expect(median([5])).toBe(5);
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([10, 20, 30, 40, 50], 0.25)).toBe(20);
    expect(quantile([0, 10], 0.75)).toBe(7.5);
    expect(quantile([3, 1, 2], 0)).toBe(1);
    expect(quantile([3, 1, 2], 1)).toBe(3);
  });

  it('leaves its input as it was, and refuses to summarise nothing', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
    expect(() => median([])).toThrow(RangeError);
    expect(() => summarise([])).toThrow(RangeError);
  });
});

describe('summarise', () => {
  it('takes the median of the rounds, not of the packets', () => {
    const summary = summarise([
      { packets: 1, ns: 30, cpuShare: 1 },
      { packets: 1_000_000, ns: 10_000_000, cpuShare: 0.5 },
      { packets: 10, ns: 200 },
    ]);
    expect(summary).toMatchObject({ rounds: 3, median: 20, min: 10, max: 30, q1: 15, q3: 25, mpps: 50, cpuShare: 0.5 });
  });

  it('knows no CPU share where nobody measured one', () => {
    expect(summarise([{ packets: 1, ns: 1 }]).cpuShare).toBeNull();
  });

  it.each([
    { packets: 0, ns: 10 },
    { packets: 10, ns: 0 },
    { packets: Number.NaN, ns: 10 },
  ])('refuses a sample that measured nothing: %o', (sample) => {
    expect(() => nsPerPacket(sample)).toThrow(RangeError);
  });
});

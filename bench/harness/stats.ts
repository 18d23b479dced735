/** Summaries of a cell's rounds. */
import type { Sample } from './trial.js';

export interface Summary {
  rounds: number;
  /** All ns a packet. */
  median: number;
  min: number;
  max: number;
  /** First and third quartile, linear interpolation. */
  q1: number;
  q3: number;
  /** Packets a second at the median, in millions. */
  mpps: number;
  /** Lowest CPU share of the rounds (see `Sample`); null when nobody measured it. */
  cpuShare: number | null;
}

/** Quantile with linear interpolation between closest ranks; `q` from 0 to 1. Throws a RangeError on no values. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('quantile of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** ns a packet of one sample. Throws a RangeError on a sample that carried nothing or took no time. */
export function nsPerPacket(sample: Sample): number {
  if (!(sample.packets > 0) || !(sample.ns > 0)) {
    throw new RangeError(`a sample of ${sample.packets} packets in ${sample.ns} ns measures nothing`);
  }
  return sample.ns / sample.packets;
}

/** Summary of one or more rounds. */
export function summarise(samples: readonly Sample[]): Summary {
  const ns = samples.map(nsPerPacket);
  const mid = median(ns);
  const shares = samples.flatMap((s) => (s.cpuShare === undefined ? [] : [s.cpuShare]));
  return {
    rounds: ns.length,
    median: mid,
    min: Math.min(...ns),
    max: Math.max(...ns),
    q1: quantile(ns, 0.25),
    q3: quantile(ns, 0.75),
    mpps: 1e3 / mid,
    cpuShare: shares.length === 0 ? null : Math.min(...shares),
  };
}

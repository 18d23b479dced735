/** What a trial is: the one interface that every file in `bench/trials/` implements. */
import type * as Overlane from 'overlane';

/** One cell of a trial: a point of the parameter space, and who is measured there. */
export interface Case {
  /** MAC addresses in play; absent where the trial has none. */
  macs?: number;
  /** Bytes of a frame as it lies in memory, without the FCS; absent where the trial has none. */
  size?: number;
  /** Crypto engine; absent where nothing is encrypted. */
  engine?: string;
  /** Who does the work; default `overlane`. Cases that differ in nothing else are compared with each other. */
  rival?: string;
  /** Budget of DESIGN.md, ns a packet. */
  budget?: number;
  /** Least ratio (rival's ns / overlane's ns) that is wanted in the same run. */
  wanted?: number;
  /** What it adds to a simpler case is reported beside what that has to cost. */
  overhead?: Overhead;
  /** Part of the small set that `--quick` runs. */
  quick?: boolean;
}

/** (this case - `base`) / `floor` - 1, of two rivals with the same number of MACs and the same size, in the same run. */
export interface Overhead {
  base: string;
  floor: string;
  /** The most that is wanted: 0.25 is a quarter more than `floor`. Absent: it is shown, and not judged. */
  most?: number;
}

/** The product under test: the public API, and the root of the built package for the rare trial that looks inside. */
export interface Product {
  api: typeof Overlane;
  root: string;
}

/** What one measurement yields. */
export interface Sample {
  packets: number;
  /** Wall time, ns. */
  ns: number;
  /** CPU time / wall time of the measured process, at most 1: below about 0.97 somebody else had the core. */
  cpuShare?: number;
}

/** A prepared case: set-up is over, what follows is measured. */
export interface Workload {
  /** Carries one batch (aim at 5-50 ms) and returns its packets; the harness times it. */
  batch?(): number;
  /** Instead of `batch`: measures itself for about `seconds`. */
  measure?(seconds: number): Sample;
  /** Called after the measurement; throws when the work was not done as claimed (drops, floods, wrong counts). */
  check?(): void;
  close?(): void;
}

export interface Trial {
  /** Unique, short; the file's name without `.ts`. */
  name: string;
  /** One line: what is measured. */
  about: string;
  cases: Case[];
  /** May throw `Absent` when something optional is missing. */
  prepare(c: Case, product: Product): Workload | Promise<Workload>;
}

/** Thrown where a rival is not there: reported as absent with the reason, which says what to do; not a failure. */
export class Absent extends Error {
  override readonly name = 'Absent';
}

export const DEFAULT_RIVAL = 'overlane';

/** 1024 → `1K`, 1048576 → `1M`. */
export function short(n: number): string {
  if (n >= 1 << 20 && n % (1 << 20) === 0) return `${n >> 20}M`;
  return n >= 1024 && n % 1024 === 0 ? `${n >> 10}K` : `${n}`;
}

/** Where a case lies, without its rival: `1K MACs, 64 B`. */
export function place(c: Case): string {
  const parts: string[] = [];
  if (c.macs !== undefined) parts.push(`${short(c.macs)} MACs`);
  if (c.size !== undefined) parts.push(`${c.size} B`);
  if (c.engine !== undefined) parts.push(c.engine);
  return parts.join(', ');
}

/** Unique name of a cell, and what `--only` matches: `bridge [1K MACs, 64 B] overlane`. */
export function cellName(trial: string, c: Case): string {
  const where = place(c);
  return `${trial}${where === '' ? '' : ` [${where}]`} ${c.rival ?? DEFAULT_RIVAL}`;
}

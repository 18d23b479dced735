/** From results to what is reported: summaries, budgets, ratios. This is also the shape of the JSON. */
import type { Machine } from '../harness/machine.js';
import type { CellResult } from '../harness/schedule.js';
import { median, nsPerPacket, type Summary, summarise } from '../harness/stats.js';
import { cellName, DEFAULT_RIVAL, place } from '../harness/trial.js';

/** Below this share of its core a measurement was disturbed. */
export const QUIET = 0.97;

export interface Row {
  name: string;
  trial: string;
  rival: string;
  macs: number | null;
  /** Bytes. */
  size: number | null;
  /** Crypto engine. */
  engine: string | null;
  /** All times in ns a packet. */
  summary: Summary | null;
  /** ns a packet, one a round, in order. */
  rounds: number[];
  budget: number | null;
  budgetMet: boolean | null;
  absent: string | null;
  failure: string | null;
}

/** overlane against one rival of the same trial, same place and same run. */
export interface Ratio {
  trial: string;
  where: string;
  rival: string;
  /** Packet rate of overlane / packet rate of the rival, at the medians. */
  ratio: number;
  /** The same for every round in which both were measured: lowest and highest. */
  min: number;
  max: number;
  wanted: number | null;
  met: boolean | null;
}

/** What a case adds to a simpler one, against the least that this has to cost. All times in ns a packet, at the medians. */
export interface OverheadRow {
  trial: string;
  where: string;
  /** Names of the rivals that are subtracted and divided by. */
  base: string;
  floor: string;
  added: number;
  least: number;
  /** added / least - 1. */
  share: number;
  /** The same for every round in which all were measured: lowest and highest. */
  min: number;
  max: number;
  /** Nothing of it was disturbed; a difference of figures that were is not judged. */
  quiet: boolean;
  most: number | null;
  met: boolean | null;
}

export interface Outcome {
  /** Raised when a field changes its meaning. */
  format: 1;
  overlane: string;
  /** ISO 8601. */
  date: string;
  machine: Machine;
  pinning: string;
  memory: string | null;
  rounds: number;
  seconds: number;
  interrupted: boolean;
  rows: Row[];
  ratios: Ratio[];
  overheads: OverheadRow[];
}

/** 0.25 → `25 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

export function toRow(result: CellResult): Row {
  const { trial, case: c } = result.cell;
  const summary = result.samples.length > 0 ? summarise(result.samples) : null;
  const budget = c.budget ?? null;
  return {
    name: cellName(trial, c),
    trial,
    rival: c.rival ?? DEFAULT_RIVAL,
    macs: c.macs ?? null,
    size: c.size ?? null,
    engine: c.engine ?? null,
    summary,
    rounds: result.samples.map(nsPerPacket),
    budget,
    budgetMet: budget === null || summary === null ? null : summary.median <= budget,
    absent: result.absent ?? null,
    failure: result.failure ?? null,
  };
}

/** Every rival's ratio to overlane, where both have figures; `judge` false: none is called met or missed. */
export function toRatios(results: readonly CellResult[], judge = true): Ratio[] {
  const same = (a: CellResult, b: CellResult) =>
    a.cell.trial === b.cell.trial && place(a.cell.case) === place(b.cell.case);
  const ours = results.filter((r) => (r.cell.case.rival ?? DEFAULT_RIVAL) === DEFAULT_RIVAL && r.samples.length > 0);
  return ours.flatMap((own) =>
    results
      .filter((other) => other !== own && same(own, other) && other.samples.length > 0)
      .map((other): Ratio => {
        const mine = own.samples.map(nsPerPacket);
        const theirs = other.samples.map(nsPerPacket);
        const ratio = median(theirs) / median(mine);
        const each = theirs.slice(0, mine.length).map((ns, i) => ns / mine[i]!);
        const wanted = judge ? (other.cell.case.wanted ?? null) : null;
        return {
          trial: own.cell.trial,
          where: place(own.cell.case),
          rival: other.cell.case.rival ?? DEFAULT_RIVAL,
          ratio,
          min: Math.min(...each),
          max: Math.max(...each),
          wanted,
          met: wanted === null ? null : ratio >= wanted,
        };
      }),
  );
}

/** The overhead of every case that names one, where all that it needs has figures. */
export function toOverheads(results: readonly CellResult[]): OverheadRow[] {
  const measured = results.filter(({ samples }) => samples.length > 0);
  return measured.flatMap((own) => {
    const { trial, case: c } = own.cell;
    const rival = (name: string) =>
      measured.find(
        ({ cell }) =>
          cell.trial === trial &&
          cell.case.rival === name &&
          cell.case.macs === c.macs &&
          cell.case.size === c.size &&
          (cell.case.engine ?? c.engine) === c.engine,
      );
    const [base, floor] = c.overhead === undefined ? [] : [rival(c.overhead.base), rival(c.overhead.floor)];
    return base === undefined || floor === undefined ? [] : [toOverhead(own, base, floor)];
  });
}

/** Of this case, `base` and `floor`: ns a packet, one a round. */
type Times = [number[], number[], number[]];

function toOverhead(own: CellResult, base: CellResult, floor: CellResult): OverheadRow {
  const { trial, case: c } = own.cell;
  const [mine, without, alone] = [own, base, floor].map(({ samples }) => samples.map(nsPerPacket)) as Times;
  const [added, least] = [median(mine) - median(without), median(alone)];
  const share = added / least - 1;
  const complete = mine.slice(0, Math.min(without.length, alone.length));
  const each = complete.map((ns, i) => (ns - without[i]!) / alone[i]! - 1);
  const most = c.overhead!.most ?? null;
  const quiet = [own, base, floor].every(({ samples }) => samples.every(({ cpuShare = 1 }) => cpuShare >= QUIET));
  return {
    trial,
    where: place(c),
    ...{ base: c.overhead!.base, floor: c.overhead!.floor },
    ...{ added, least, share },
    ...{ min: Math.min(...each), max: Math.max(...each) },
    quiet,
    ...{ most, met: most === null || !quiet ? null : share <= most },
  };
}

/** What `--check` counts as missed: budgets, wanted ratios and overheads, one sentence each. */
export function misses(outcome: Outcome): string[] {
  const budgets = outcome.rows
    .filter((row) => row.budgetMet === false)
    .map((row) => `${row.name}: ${row.summary!.median.toFixed(1)} ns, budget ${row.budget} ns`);
  const ratios = outcome.ratios
    .filter((ratio) => ratio.met === false)
    .map((r) => `${r.trial} [${r.where}] against ${r.rival}: ${r.ratio.toFixed(2)} x, wanted ${r.wanted} x`);
  const overheads = outcome.overheads
    .filter(({ met }) => met === false)
    .map((o) => `${o.trial} [${o.where}] adds ${percent(o.share)} more than ${o.floor}, wanted ${percent(o.most!)}`);
  return [...budgets, ...ratios, ...overheads];
}

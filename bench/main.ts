/** The benchmark: finds trials and peers, runs them interleaved, reports. `overlane bench` calls `runBench`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTrials, trialCells, type Variant } from './harness/cells.js';
import { describeMachine } from './harness/machine.js';
import { detectPinning } from './harness/pinning.js';
import { packageRoot } from './harness/product.js';
import { type Cell, type Progress, runAll } from './harness/schedule.js';
import { cellName } from './harness/trial.js';
import { findPeers, peerCell } from './peers/cells.js';
import { acquireMemory, type Memory } from './peers/hugepages.js';
import { misses, type Outcome, toRatios, toRow } from './report/outcome.js';
import { pictures } from './report/svg.js';

export { productProblem } from './harness/product.js';
export { formatReport } from './report/table.js';
export { misses };

export interface BenchOptions {
  rounds: number;
  /** Measuring time of one round of one cell, seconds. */
  seconds: number;
  /** Cells whose name contains this (any case) take part. */
  only?: string;
  /** The small set of cases, and no peers. */
  quick: boolean;
  peers: boolean;
  variants: readonly Variant[];
}

/** The cells that the options ask for, in the order of the report. `memory` is called when the first peer runs. */
async function chooseCells(
  options: BenchOptions,
  pinning: ReturnType<typeof detectPinning>,
  memory: () => Memory,
): Promise<Cell[]> {
  const trials = await findTrials();
  const own = trials.flatMap((trial) => trialCells(trial, options.variants, pinning, options.seconds));
  const peers = options.peers && !options.quick ? await findPeers() : [];
  const cells = [...own, ...peers.map((peer) => peerCell(peer, pinning, options.seconds, memory))];
  const pattern = options.only?.toLowerCase() ?? '';
  return cells.filter(
    (cell) =>
      (!options.quick || cell.case.quick === true) && cellName(cell.trial, cell.case).toLowerCase().includes(pattern),
  );
}

/** Names of the cells that the options ask for. */
export async function listCells(options: BenchOptions): Promise<string[]> {
  const cells = await chooseCells(options, detectPinning(), acquireMemory);
  return cells.map((cell) => cellName(cell.trial, cell.case));
}

/** Measures. Aborting `signal` ends it early: what was running is stopped and cleaned up, the figures so far are returned. */
export async function runBench(
  options: BenchOptions,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<Outcome> {
  const pinning = detectPinning();
  let memory: Memory | undefined;
  const cells = await chooseCells(options, pinning, () => {
    memory ??= acquireMemory();
    return memory;
  });
  const date = new Date().toISOString();
  try {
    const results = await runAll(cells, options.rounds, signal, onProgress);
    const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
    return {
      format: 1,
      overlane: version,
      date,
      machine: describeMachine(),
      pinning: pinning.about,
      memory: memory?.about ?? null,
      rounds: options.rounds,
      seconds: options.seconds,
      interrupted: signal.aborted,
      rows: results.map(toRow),
      ratios: toRatios(results, memory?.huge !== false),
    };
  } finally {
    memory?.release();
  }
}

/** Writes `bench.json` and the pictures; returns the files. */
export function writeResults(outcome: Outcome, directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  const files = new Map([['bench.json', `${JSON.stringify(outcome, null, 2)}\n`], ...pictures(outcome)]);
  return [...files].map(([name, text]) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  });
}

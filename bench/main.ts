/** The benchmark: finds trials and peers, runs them interleaved, reports. `overlane bench` calls `runBench`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTrials, trialCells, type Variant } from './harness/cells.js';
import { describeMachine } from './harness/machine.js';
import { detectPinning } from './harness/pinning.js';
import { packageRoot } from './harness/product.js';
import { type Cell, type Progress, runAll } from './harness/schedule.js';
import { cellName } from './harness/trial.js';
import { chooseLive, runLive } from './live/main.js';
import { type LiveOutcome, liveMisses, liveName } from './live/outcome.js';
import { livePictures } from './live/svg.js';
import { formatLive } from './live/table.js';
import { findPeers, peerCell } from './peers/cells.js';
import { acquireMemory, type Memory } from './peers/hugepages.js';
import { misses as missesOf, type Outcome, toOverheads, toRatios, toRow } from './report/outcome.js';
import { pictures } from './report/svg.js';
import { formatReport as formatOutcome, type Terminal } from './report/table.js';

export { productProblem } from './harness/product.js';
export { congestionProblem, liveProblem } from './live/main.js';

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
  /** Real traffic through network namespaces in place of the trials. */
  live: boolean;
  /** With `live`: TCP's congestion control; default that of the system. */
  congestion?: string;
}

function isLive(outcome: Outcome | LiveOutcome): outcome is LiveOutcome {
  return 'kind' in outcome;
}

export function formatReport(outcome: Outcome | LiveOutcome, terminal: Terminal): string {
  return isLive(outcome) ? formatLive(outcome, terminal) : formatOutcome(outcome, terminal);
}

/** What `--check` counts as missed, one sentence each. */
export function misses(outcome: Outcome | LiveOutcome): string[] {
  return isLive(outcome) ? liveMisses(outcome) : missesOf(outcome);
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
  if (options.live) return chooseLive(options).map(({ gauge, setup }) => liveName(gauge, setup));
  const cells = await chooseCells(options, detectPinning(), acquireMemory);
  return cells.map((cell) => cellName(cell.trial, cell.case));
}

/** Measures. Aborting `signal` ends it early: what was running is stopped and cleaned up, the figures so far are returned. */
export async function runBench(
  options: BenchOptions,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<Outcome | LiveOutcome> {
  if (options.live) return await runLive(options, signal, onProgress);
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
      overheads: toOverheads(results),
    };
  } finally {
    memory?.release();
  }
}

/** Writes `bench.json` or `live.json`, and the pictures; returns the files. */
export function writeResults(outcome: Outcome | LiveOutcome, directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  const [name, drawn] = isLive(outcome) ? ['live.json', livePictures(outcome)] : ['bench.json', pictures(outcome)];
  const files = new Map([[name, `${JSON.stringify(outcome, null, 2)}\n`], ...drawn]);
  return [...files].map(([name, text]) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  });
}

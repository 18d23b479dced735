/**
 * Interleaves the rounds: every cell is measured once before any cell is measured again, one at a time, so that slow
 * drift (temperature, a noisy neighbour) spreads over all rivals instead of hitting one of them.
 */
import { Absent, type Case, cellName, type Sample } from './trial.js';

/** Something that can be measured once: a trial's case in a child process, or a peer program. */
export interface Cell {
  trial: string;
  case: Case;
  /** One round, in a fresh process. Throws `Absent` when the rival is not installed. */
  run(signal: AbortSignal): Promise<Sample>;
}

export interface CellResult {
  cell: Cell;
  samples: Sample[];
  /** Why the cell has no (further) samples; it is not tried again in later rounds. */
  failure?: string;
  absent?: string;
}

export interface Step {
  /** 0-based. */
  round: number;
  /** Index of the cell. */
  cell: number;
}

/** The order of work: round by round; every round starts one stride further on, so that no cell always follows the same one-off. */
export function plan(cells: number, rounds: number): Step[] {
  const steps: Step[] = [];
  const stride = Math.max(1, Math.ceil(cells / Math.max(1, rounds)));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < cells; i++) steps.push({ round, cell: (i + round * stride) % cells });
  }
  return steps;
}

export interface Progress {
  done: number;
  of: number;
  round: number;
  /** Name of the cell that starts now. */
  name: string;
}

/**
 * Runs the plan. A cell that throws is reported in its result and left out of later rounds; the others go on.
 * Aborting `signal` ends the run after the current cell has cleaned up; the results so far are returned.
 */
export async function runAll(
  cells: readonly Cell[],
  rounds: number,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void = () => {},
): Promise<CellResult[]> {
  const results: CellResult[] = cells.map((cell) => ({ cell, samples: [] }));
  const steps = plan(cells.length, rounds);
  for (const [done, { round, cell }] of steps.entries()) {
    if (signal.aborted) break;
    const result = results[cell]!;
    if (result.failure !== undefined || result.absent !== undefined) continue;
    onProgress({ done, of: steps.length, round, name: cellName(result.cell.trial, result.cell.case) });
    try {
      result.samples.push(await result.cell.run(signal));
    } catch (error) {
      if (signal.aborted) break;
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof Absent) result.absent = reason;
      else result.failure = reason;
    }
  }
  return results;
}

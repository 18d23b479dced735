/** Turns trials into cells of the schedule. */
import { discover, type Found } from './discover.js';
import type { Pinning } from './pinning.js';
import { packageRoot } from './product.js';
import type { Cell } from './schedule.js';
import { runInChild } from './spawn.js';
import { type Case, DEFAULT_RIVAL, type Trial } from './trial.js';

/** Another built checkout of overlane, measured beside this one. */
export interface Variant {
  name: string;
  /** Its root directory. */
  root: string;
}

function isTrial(value: unknown): value is Trial {
  const trial = value as Partial<Trial> | undefined;
  return typeof trial?.prepare === 'function' && Array.isArray(trial.cases);
}

export function findTrials(): Promise<Found<Trial>[]> {
  return discover('trials', isTrial);
}

/** A cell for every case of `found`, and one more for every variant where overlane is the rival. */
export function trialCells(
  { file, value: trial }: Found<Trial>,
  variants: readonly Variant[],
  pinning: Pinning,
  seconds: number,
): Cell[] {
  const cell = (c: Case, root: string): Cell => ({
    trial: trial.name,
    case: c,
    run: (signal) => runInChild({ file, case: c, seconds, root }, { pinning, signal }),
  });
  return trial.cases.flatMap((c) => {
    const own = cell(c, packageRoot);
    if ((c.rival ?? DEFAULT_RIVAL) !== DEFAULT_RIVAL) return [own];
    const { budget: _, overhead: __, ...rest } = c;
    return [own, ...variants.map(({ name, root }) => cell({ ...rest, rival: name }, root))];
  });
}

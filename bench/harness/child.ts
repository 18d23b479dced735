/** The fresh process of one measurement: one request on the command line, one reply over IPC, then it ends. */
import { pathToFileURL } from 'node:url';
import { measure } from './measure.js';
import { loadProduct } from './product.js';
import type { Case, Sample, Trial } from './trial.js';

export interface Request {
  /** Compiled trial file. */
  file: string;
  case: Case;
  seconds: number;
  /** Root of the built package to measure. */
  root: string;
}

export type Reply = { sample: Sample } | { absent: string } | { failure: string };

async function serve(request: Request): Promise<Reply> {
  try {
    const { default: trial } = (await import(pathToFileURL(request.file).href)) as { default: Trial };
    const workload = await trial.prepare(request.case, await loadProduct(request.root));
    return { sample: measure(workload, request.seconds) };
  } catch (error) {
    // By name: a trial may be loaded from elsewhere and bring its own class.
    if (error instanceof Error && error.name === 'Absent') return { absent: error.message };
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

const reply = await serve(JSON.parse(process.argv[2] ?? '') as Request);
process.send?.(reply, () => process.exit(0));

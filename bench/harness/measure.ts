/** Times a prepared workload; runs in the child process. */
import type { Sample, Workload } from './trial.js';

/** Share of the measuring time that is spent warming up before. */
const WARM_UP = 0.3;

/** CPU time / wall time of this process while `work` runs, at most 1. */
function sharing(work: () => Sample): Sample {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const sample = work();
  const ns = Number(process.hrtime.bigint() - start);
  const { user, system } = process.cpuUsage(cpu);
  return { ...sample, cpuShare: Math.min(1, ((user + system) * 1e3) / ns) };
}

function repeat(batch: () => number, seconds: number): Sample {
  const limit = BigInt(Math.round(seconds * 1e9));
  const start = process.hrtime.bigint();
  let packets = 0;
  let elapsed = 0n;
  do {
    const carried = batch();
    if (!(carried > 0)) throw new Error('a batch carried no packets: the traffic source ran dry');
    packets += carried;
    elapsed = process.hrtime.bigint() - start;
  } while (elapsed < limit);
  return { packets, ns: Number(elapsed) };
}

/** Warm-up, measurement of about `seconds`, check. The workload is closed in any case. */
export function measure(workload: Workload, seconds: number): Sample {
  try {
    const { batch, measure: own } = workload;
    let sample: Sample;
    if (own !== undefined) {
      own.call(workload, seconds * WARM_UP);
      sample = sharing(() => own.call(workload, seconds));
    } else if (batch !== undefined) {
      const bound = batch.bind(workload);
      repeat(bound, seconds * WARM_UP);
      sample = sharing(() => repeat(bound, seconds));
    } else {
      throw new Error('a workload needs batch() or measure()');
    }
    workload.check?.();
    return sample;
  } finally {
    workload.close?.();
  }
}

/** Who used the processors between two moments: the whole machine, its hypervisor, and processes that are not ours. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: what the kernel shows to user space on every architecture that Node.js runs on. */
const TICKS_A_SECOND = 100;
/** kthreadd, the parent of all kernel threads: they work for whoever sends packets. */
const KTHREADD = 2;

/** All processors together, in ticks since boot (proc_stat(5)). */
export interface MachineTicks {
  /** All but idle and waiting for I/O; time stolen by the hypervisor is not in it. */
  busy: number;
  stolen: number;
  total: number;
}

/** Throws when the text is not that of /proc/stat. */
export function parseStat(text: string): MachineTicks {
  const match = /^cpu +([\d ]+)$/m.exec(text);
  if (match === null) throw new Error('/proc/stat has no line "cpu"');
  // user nice system idle iowait irq softirq steal; guest time is part of user time.
  const fields = match[1]!.trim().split(' ').map(Number).slice(0, 8);
  const [idle = 0, iowait = 0] = fields.slice(3, 5);
  const stolen = fields[7] ?? 0;
  const total = fields.reduce((sum, each) => sum + each, 0);
  return { busy: total - idle - iowait - stolen, stolen, total };
}

export interface ProcessTicks {
  pid: number;
  parent: number;
  /** Its own and that of the children it has waited for, so that the sum over all keeps the time of those that ended. */
  ticks: number;
}

/** A line of /proc/PID/stat; the name in it may hold anything, also a `)`. */
export function parseProcess(text: string): ProcessTicks {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
  return { pid: Number.parseInt(text, 10), parent: Number(fields[1]), ticks };
}

/** Ticks of all processes but `own` with its descendants, and the kernel's threads. */
export function foreignTicks(processes: readonly ProcessTicks[], own: number): number {
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const isForeign = (pid: number): boolean => {
    for (let at: number | undefined = pid, depth = 0; at !== undefined && depth < 64; at = parents.get(at), depth++) {
      if (at === own || at === KTHREADD) return false;
    }
    return true;
  };
  return processes.filter(({ pid }) => isForeign(pid)).reduce((sum, { ticks }) => sum + ticks, 0);
}

function readProcesses(): ProcessTicks[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return [parseProcess(readFileSync(`/proc/${name}/stat`, 'utf8'))];
    } catch {
      return []; // It has ended.
    }
  });
}

export interface Usage {
  /** Core-seconds of the whole machine, whoever used them. */
  busy: number;
  /** Share of the machine that neither the hypervisor nor foreign processes took, 0 to 1. */
  quiet: number;
}

export class CpuWatch {
  readonly #machine = parseStat(readFileSync('/proc/stat', 'utf8'));
  readonly #foreign = foreignTicks(readProcesses(), process.pid);

  /** Since this watch was made. */
  usage(): Usage {
    const { busy, stolen, total } = parseStat(readFileSync('/proc/stat', 'utf8'));
    const passed = total - this.#machine.total;
    const foreign = Math.max(0, foreignTicks(readProcesses(), process.pid) - this.#foreign);
    const lost = foreign + stolen - this.#machine.stolen;
    return {
      busy: (busy - this.#machine.busy) / TICKS_A_SECOND,
      quiet: passed > 0 ? Math.max(0, 1 - lost / passed) : 1,
    };
  }
}

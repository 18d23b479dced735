/** Which core is measured on, and how a process gets there. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Pinning {
  /** Core that does the measured work, alone while it is measured; null: not pinned. */
  cpu: number | null;
  /** Another core, for a peer's control thread; null when there is none. */
  mainCpu: number | null;
  /** One sentence for the report. */
  about: string;
}

/** `0-2,5` → [0, 1, 2, 5]; an empty list for anything else. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((part) => {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
      if (match === null) return [];
      const low = Number(match[1]);
      const high = Number(match[2] ?? low);
      return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => low + i);
    });
}

function readList(path: string, find: RegExp): number[] {
  try {
    return parseCpuList(find.exec(readFileSync(path, 'utf8'))?.[1] ?? '');
  } catch {
    return [];
  }
}

/** Picks an isolated core (isolcpus) when this process may use one, else the last one it may use: the first gets most interrupts. */
export function choosePinning(allowed: readonly number[], isolated: readonly number[], hasTaskset: boolean): Pinning {
  if (!hasTaskset) {
    return { cpu: null, mainCpu: null, about: 'not pinned: taskset is missing (apt-get install util-linux)' };
  }
  if (allowed.length < 2)
    return { cpu: null, mainCpu: null, about: 'not pinned: one core only, shared with the system' };
  const quiet = allowed.filter((cpu) => isolated.includes(cpu));
  const cpu = (quiet.length > 0 ? quiet : allowed).at(-1)!;
  const mainCpu = allowed.find((other) => other !== cpu)!;
  return { cpu, mainCpu, about: `pinned to core ${cpu}${quiet.length > 0 ? ' (isolated)' : ''} with taskset` };
}

export function detectPinning(): Pinning {
  const allowed = readList('/proc/self/status', /^Cpus_allowed_list:\s*(\S+)/m);
  const isolated = readList('/sys/devices/system/cpu/isolated', /^(\S+)/);
  let hasTaskset = true;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
  } catch {
    hasTaskset = false;
  }
  return choosePinning(allowed, isolated, hasTaskset);
}

/** Command line that runs `command` on the measured core. */
export function pinned(pinning: Pinning, command: string, args: readonly string[]): [string, string[]] {
  return pinning.cpu === null
    ? [command, [...args]]
    : ['taskset', ['--cpu-list', String(pinning.cpu), command, ...args]];
}

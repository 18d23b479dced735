/** Huge pages for DPDK: asked for before the first peer, given back after the last. Nothing is mounted: peers use --in-memory. */
import { readFileSync, writeFileSync } from 'node:fs';

const NUMBER = '/proc/sys/vm/nr_hugepages';
const SIZE = /^Hugepagesize:\s+(\d+) kB/m;
/** 1 GiB: what testpmd or OVS take, with room for fragmentation. */
const WANTED_BYTES = 2 ** 30;
/** Below this the peers do not start. */
const LEAST_BYTES = 600 * 2 ** 20;

export interface Memory {
  /** False: ordinary pages, with which a peer is too slow to be compared with in earnest. */
  huge: boolean;
  /** EAL arguments. */
  args: readonly string[];
  /** One sentence for the report. */
  about: string;
  /** Restores the number of huge pages that was there before. */
  release(): void;
}

export interface HugepageFiles {
  number?: string;
  meminfo?: string;
}

const noHuge = (reason: string, release: () => void = () => {}): Memory => ({
  huge: false,
  args: ['--no-huge', '-m', '1024', '--no-shconf'],
  about: `peers have no huge pages, so no ratio is judged: ${reason}`,
  release,
});

/** Never fails: without huge pages the peers are tried with ordinary ones. The files are parameters for the tests. */
export function acquireMemory({ number = NUMBER, meminfo = '/proc/meminfo' }: HugepageFiles = {}): Memory {
  try {
    const kib = Number(SIZE.exec(readFileSync(meminfo, 'utf8'))?.[1] ?? 0);
    if (kib === 0) return noHuge('the kernel has none');
    const wanted = Math.ceil(WANTED_BYTES / 1024 / kib);
    const before = Number(readFileSync(number, 'utf8'));
    const free = Number(/^HugePages_Free:\s+(\d+)/m.exec(readFileSync(meminfo, 'utf8'))?.[1] ?? 0);
    const keep: Memory = {
      huge: true,
      args: ['--in-memory'],
      about: `peers use ${kib} KiB huge pages`,
      release: () => {},
    };
    if (free >= wanted) return keep;
    // Pages in use elsewhere stay in use: ask for ours on top.
    writeFileSync(number, String(before - free + wanted));
    const release = () => writeFileSync(number, String(before));
    const got = Number(readFileSync(number, 'utf8')) - (before - free);
    if (got * kib * 1024 >= LEAST_BYTES) return { ...keep, release };
    release();
    return noHuge(`only ${got} of ${wanted} could be had; free memory is fragmented or short`);
  } catch (error) {
    const denied = ['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '');
    return noHuge(denied ? `${number} is not writable (run as root)` : (error as Error).message);
  }
}

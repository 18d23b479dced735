/** Turns peers into cells of the schedule: a fresh directory and a time limit for every round. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { discover } from '../harness/discover.js';
import type { Pinning } from '../harness/pinning.js';
import type { Cell } from '../harness/schedule.js';
import { Absent } from '../harness/trial.js';
import type { Memory } from './hugepages.js';
import type { Peer } from './peer.js';

/** Milliseconds for start and end of a peer's programs, on top of the measuring time. */
const TIME_LIMIT = 45_000;

function isPeer(value: unknown): value is Peer {
  const peer = value as Partial<Peer> | undefined;
  return typeof peer?.run === 'function' && typeof peer.missing === 'function';
}

export async function findPeers(): Promise<Peer[]> {
  return (await discover('peers', isPeer)).map((found) => found.value);
}

/** `memory` is called when the first peer that is installed is about to run. */
export function peerCell(peer: Peer, pinning: Pinning, seconds: number, memory: () => Memory): Cell {
  const run: Cell['run'] = async (signal) => {
    const missing = peer.missing();
    if (missing !== null) throw new Absent(missing);
    if (pinning.cpu === null) throw new Absent(`needs a core of its own; ${pinning.about}`);
    const directory = mkdtempSync(join(tmpdir(), 'overlane-bench-'));
    const prefix = basename(directory);
    const limit = AbortSignal.timeout(TIME_LIMIT + seconds * 1000);
    try {
      return await peer.run({
        seconds,
        pinning,
        memory: memory(),
        prefix,
        directory,
        signal: AbortSignal.any([signal, limit]),
      });
    } finally {
      for (const path of [directory, join('/var/run/dpdk', prefix)]) rmSync(path, { recursive: true, force: true });
    }
  };
  return { trial: peer.trial, case: peer.case, run };
}

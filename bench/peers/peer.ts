/** What a peer is: a program that does comparable work, run when installed, named as absent when not. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Pinning } from '../harness/pinning.js';
import type { Case, Sample } from '../harness/trial.js';
import type { Memory } from './hugepages.js';

export interface PeerContext {
  seconds: number;
  pinning: Pinning;
  /** Huge pages when they could be had. */
  memory: Memory;
  /** EAL file prefix of this round; what it names is removed afterwards. */
  prefix: string;
  /** Fresh directory of this round, removed afterwards. */
  directory: string;
  /** Aborted on Ctrl-C and on timeout. */
  signal: AbortSignal;
}

export interface Peer {
  /** Trial whose cells it is compared with, and the case it corresponds to (`rival` is the peer's name). */
  trial: string;
  case: Case & { rival: string };
  /** Why it cannot run here, with the command that helps; null: it can. */
  missing(): string | null;
  /** One round in fresh processes, all of which have ended when the promise settles. */
  run(context: PeerContext): Promise<Sample>;
}

/** Administration programs live outside of many users' PATH. */
const FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Full name of a program, or null. */
export function findProgram(name: string): string | null {
  const folders = name.startsWith('/') ? [''] : [...(process.env['PATH'] ?? '').split(delimiter), ...FOLDERS];
  for (const folder of folders) {
    const file = folder === '' ? name : join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** `dpdk-testpmd is not installed (apt-get install …)`, or null when all of `names` are. */
export function missingPrograms(names: readonly string[], packages: string): string | null {
  const absent = names.filter((name) => findProgram(name) === null);
  if (absent.length === 0) return null;
  return `${absent.join(', ')} not installed (apt-get install ${packages})`;
}

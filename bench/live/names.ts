/** Names of what a run leaves outside its process, so that the next run can sweep up after one that was killed. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../peers/peer.js';
import { runTool } from '../peers/process.js';

const PREFIX = 'ovl-bench-';
const NAMESPACES = '/run/netns';
/** Where wireguard-go has its control sockets, `<device>.sock`; all namespaces share it. */
const WIREGUARD = '/run/wireguard';

/** `ovl-bench-<pid>-`: what every namespace and directory of a run begins with. */
export function prefixOf(pid: number): string {
  return `${PREFIX}${pid}-`;
}

/** A device name that no other run has, in at most 15 characters. `side` is one letter. */
export function deviceOf(pid: number, side: 'a' | 'b'): string {
  return `ovl${pid}${side}`;
}

export function wireguardSocket(device: string): string {
  return join(WIREGUARD, `${device}.sock`);
}

/** The pid in the name of a namespace, directory or control socket of a run; null for any other name. */
export function ownerOf(name: string): number | null {
  const match = /^ovl-bench-([1-9]\d*)-/.exec(name) ?? /^ovl([1-9]\d*)[ab]\.sock$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** A zombie is gone: nothing will clean up after it any more. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Those of `names` whose run is gone. */
export function leftovers(names: readonly string[], alive: (pid: number) => boolean = isAlive): string[] {
  return names.filter((name) => {
    const pid = ownerOf(name);
    return pid !== null && !alive(pid);
  });
}

export function listNamespaces(): string[] {
  return list(NAMESPACES);
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Removes what runs that are gone have left; their processes went with them (PR_SET_PDEATHSIG). Gives the names. */
export async function sweep(signal: AbortSignal): Promise<string[]> {
  const spaces = leftovers(listNamespaces());
  for (const name of spaces) await runTool(findProgram('ip')!, ['netns', 'delete', name], signal);
  const files = [tmpdir(), WIREGUARD].flatMap((folder) => leftovers(list(folder)).map((name) => join(folder, name)));
  for (const file of files) rmSync(file, { recursive: true, force: true });
  return [...spaces, ...files];
}

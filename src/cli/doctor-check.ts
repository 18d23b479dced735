/** What a check of the doctor is made of, and how checks look for programs and privileges. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** `ok` it is there, `limited` only in part, `absent` not at all. None of them is a failure of the doctor. */
export type State = 'ok' | 'limited' | 'absent';

export interface Finding {
  state: State;
  /** Version, number or reason, in a few words. */
  detail: string;
  /** How to get it, where that depends on what was found. */
  get?: string;
}

export interface Check {
  what: string;
  /** Who needs it. */
  for: string;
  look: () => Finding | Promise<Finding>;
  /** Shown unless the state is ok. */
  get: string;
}

export interface Row extends Required<Finding> {
  what: string;
  for: string;
}

export const ok = (detail: string): Finding => ({ state: 'ok', detail });
export const limited = (detail: string): Finding => ({ state: 'limited', detail });
export const absent = (detail = ''): Finding => ({ state: 'absent', detail });

export function tool(name: string, use: string, packages: string, args?: string[], version?: RegExp): Check {
  return {
    what: name,
    for: use,
    look: () => lookProgram(name, args, version),
    get: `apt-get install ${packages}`,
  };
}

/** The program's full name, looked for in PATH and where administration programs live. */
export function findProgram(name: string): string | undefined {
  if (path.isAbsolute(name)) return existsSync(name) ? name : undefined;
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders
    .filter(path.isAbsolute)
    .map((folder) => path.join(folder, name))
    .find((file) => isUsable(file, constants.X_OK));
}

export function isUsable(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}

/** Runs the program only where a version is wanted: dpdk-testpmd would start up. */
export function lookProgram(name: string, args?: string[], version?: RegExp): Finding {
  const file = findProgram(name);
  if (file === undefined) return absent();
  if (args === undefined || version === undefined) return ok(file);
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 10_000 });
  const found = version.exec(`${stdout}${stderr}`)?.[0];
  return status === 0 && found !== undefined ? ok(found) : absent();
}

/** Bit numbers: capabilities(7), linux/capability.h. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21, CAP_BPF: 39 } as const;

export type Capability = keyof typeof CAPABILITIES;

/** Those of `wanted` that this process does not have in effect. */
export function missingCapabilities(wanted: readonly Capability[]): Capability[] {
  const text = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const effective = BigInt(`0x${text}`);
  const has = (name: Capability) => ((effective >> BigInt(CAPABILITIES[name])) & 1n) === 1n;
  return wanted.filter((name) => !has(name) && !(name === 'CAP_BPF' && has('CAP_SYS_ADMIN')));
}

/** How to give a program some capabilities, in every way that is usual. */
export function howToGrant(names: readonly Capability[]): string {
  const short = names.map((name) => name.slice('CAP_'.length));
  const file = names.map((name) => name.toLowerCase()).join(',');
  return (
    `run as root; or setcap ${file}+ep on the node program; or systemd AmbientCapabilities=${names.join(' ')}; ` +
    `or docker run ${short.map((name) => `--cap-add ${name}`).join(' ')}`
  );
}

/** What tests share about programs and captures that may be missing. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The repository's own captures of a Docker Swarm overlay. */
export const vectorsFolder = fileURLToPath(new URL('vectors/docker-swarm/', import.meta.url));

/** True when a program of this name is on the PATH. */
export function hasTool(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** For the names of tests that are skipped without tshark. */
export const NEEDS_TSHARK = '(needs tshark: apt-get install tshark)';

/** For the names of tests that are skipped without the captures. */
export const NEEDS_CAPTURES = '(needs the tcpdump captures: set OVERLANE_CAPTURES to the folder that has tcpdump/)';

/** The folder with `tcpdump/` and `docker-swarm/`: $OVERLANE_CAPTURES, else beside the repository. */
export function capturesFolder(): string {
  return process.env['OVERLANE_CAPTURES'] || fileURLToPath(new URL('../../shared/captures', import.meta.url));
}

function capturesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => /\.pcap(ng)?$/.test(file))
    .sort()
    .map((file) => join(folder, file));
}

/** Paths of the captures in a folder below `capturesFolder()`, sorted; empty when it is missing. */
export function captureFiles(name: 'tcpdump' | 'docker-swarm'): string[] {
  return capturesIn(join(capturesFolder(), name));
}

/** Paths of the repository's own captures. */
export function vectorFiles(): string[] {
  return capturesIn(vectorsFolder);
}

/**
 * Runs tshark without name resolution, reassembly and heuristics that would show other bytes than those of the packet, and
 * gives its standard output. VXLAN is read on 4789 and 8472.
 */
export async function tshark(capture: string, ...options: string[]): Promise<string> {
  const preferences = [
    'ip.defragment:FALSE',
    'ipv6.defragment:FALSE',
    'ip.check_checksum:TRUE',
    'tcp.desegment_tcp_streams:FALSE',
    'tcp.try_heuristic_first:FALSE',
    'udp.try_heuristic_first:FALSE',
    'eth.check_fcs:FALSE',
  ];
  const decodeAs = [4789, 8472].map((port) => `udp.port==${port},vxlan`);
  const args = ['-n', '-r', capture, ...preferences.flatMap((p) => ['-o', p]), ...decodeAs.flatMap((d) => ['-d', d])];
  try {
    const { stdout } = await run('tshark', [...args, ...options], { maxBuffer: 1 << 30 });
    return stdout;
  } catch (error) {
    // A capture cut in the middle: what came before is on stdout, and the status is 2.
    const { stdout, code } = error as { stdout?: string; code?: unknown };
    if (code === 2 && stdout) return stdout;
    throw error;
  }
}

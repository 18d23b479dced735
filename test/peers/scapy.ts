/** scapy's ESP, an implementation that is not ours: `scapy_esp.py` says what it does with which arguments. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('scapy_esp.py', import.meta.url));

export const hasScapy = await run(PYTHON, ['-c', 'import scapy.layers.ipsec, cryptography']).then(
  () => true,
  () => false,
);

/** For the names of tests that are skipped without it. */
export const NEEDS_SCAPY = '(needs scapy: apt-get install python3-scapy)';

/** Runs the script; an object for each line that it prints. */
export async function scapy(...args: string[]): Promise<Record<string, unknown>[]> {
  const { stdout } = await run(PYTHON, [SCRIPT, ...args], { maxBuffer: 1 << 28 });
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

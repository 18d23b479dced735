import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'dist', 'cli', 'main.js');
const isBuilt = existsSync(join(root, 'dist', 'bench', 'live', 'main.js'));

function bench(...args: string[]) {
  return spawnSync(process.execPath, [cli, 'bench', ...args], { encoding: 'utf8' });
}

describe.skipIf(!isBuilt)('overlane bench --live (needs dist: npm run build)', () => {
  it('lists without measuring, and without root', () => {
    const names = JSON.parse(bench('--live', '--list', '--json').stdout) as string[];
    expect(names).toContain('tcp [1 stream] kernel vxlan');
    expect(names).toContain('ping overlane udp');
    expect(bench('--live', '--list', '--quick').stdout).not.toMatch(/wireguard|nebula/);
    expect(bench('--list').stdout).not.toContain('kernel vxlan');
  });

  it('takes a congestion control only where there is TCP', () => {
    const run = bench('--congestion', 'reno', '--list');
    expect(run.stderr).toMatch(/only --live measures/);
    expect(run.status).toBe(2);
    expect(bench('--live', '--congestion', 'reno', '--list').status).toBe(0);
  });

  it.each([
    [['--variant', `mine=${root}`], /--variant has no meaning with --live/],
    [['--congestion', 'nosuch'], /--congestion: this kernel has no 'nosuch'; available are .*\breno\b/],
    [['--only', 'no such thing'], /nothing is called like 'no such thing'/],
  ])('refuses %o', (args, message) => {
    const run = bench('--live', ...args);
    expect(run.stderr).toMatch(message);
    expect(run.status).toBe(2);
    expect(run.stdout).toBe('');
  });
});

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { Outcome } from '../../bench/report/outcome.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'dist', 'cli', 'main.js');
const isBuilt = existsSync(join(root, 'dist', 'bench', 'main.js'));
const directory = mkdtempSync(join(tmpdir(), 'overlane-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

function bench(...args: string[]) {
  return spawnSync(process.execPath, [cli, 'bench', ...args], { encoding: 'utf8', cwd: directory });
}

describe.skipIf(!isBuilt)('overlane bench (needs dist: npm run build)', () => {
  it('measures the small set, and writes JSON and pictures', { timeout: 60_000 }, () => {
    const run = bench('--quick', '--rounds', '1', '--seconds', '0.02', '--json', '--out', 'results');
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
    const outcome = JSON.parse(run.stdout) as Outcome;
    expect(outcome.rows.map((row) => row.trial).sort()).toEqual([
      'bridge',
      'columns',
      'decap',
      'decode',
      'encap',
      'fdb',
    ]);
    for (const row of outcome.rows) {
      expect(row).toMatchObject({ rival: 'overlane', failure: null, absent: null });
      expect(row.summary!.median).toBeGreaterThan(0.5);
    }
    expect(outcome.machine.node).toBe(process.version);
    expect(readdirSync(join(directory, 'results')).sort()).toEqual(['bench.json', 'ns-by-macs.svg', 'ns-by-size.svg']);
    expect(JSON.parse(readFileSync(join(directory, 'results', 'bench.json'), 'utf8'))).toEqual(outcome);
  });

  it('lists without measuring, and only what is asked for', () => {
    const all = bench('--list').stdout.trim().split('\n');
    expect(all).toContain('bridge [1M MACs, 64 B] overlane');
    expect(all).toContain('bridge [1K MACs, 64 B] OVS-DPDK learning bridge');
    const some = bench('--list', '--json', '--no-peers', '--only', 'BRIDGE [1K');
    expect(JSON.parse(some.stdout)).toEqual(all.filter((name) => /^bridge \[1K.*overlane$/.test(name)));
    expect(readdirSync(directory)).not.toContain('bench');
  });

  it.each([
    ['seal', []],
    ['open', ['docker profile, looped']],
  ])('measures %s, in which every packet is encrypted', { timeout: 60_000 }, (trial, more) => {
    const where = '[1K MACs, 1420 B';
    const rivals = (engine: string) => ['overlane', ...more, `raw ${engine}`].map((rival) => `${engine}] ${rival}`);
    const all = [...rivals('ipsec-mb'), ...rivals('openssl')].map((name) => `${trial} ${where}, ${name}`);
    const listed = bench('--list', '--only', `${trial} ${where}`).stdout.trim().split('\n');
    expect(listed).toEqual([...all, `${trial} ${where}] cleartext`]);
    const args = ['--only', `${trial} ${where}`, '--rounds', '1', '--seconds', '0.05', '--json', '--out', trial];
    const { rows, overheads } = JSON.parse(bench(...args).stdout) as Outcome;
    // ipsec-mb needs a processor with AVX, and may be absent; OpenSSL is Node's own.
    for (const row of rows) expect(row).toMatchObject({ trial, failure: null });
    const ns = (rival: string, engine: string | null) =>
      rows.find((row) => row.rival === rival && row.engine === engine)!.summary!.median;
    expect(ns('overlane', 'openssl')).toBeGreaterThan(ns('cleartext', null));
    expect(ns('raw openssl', 'openssl')).toBeGreaterThan(1);
    expect(overheads.at(-1)).toMatchObject({ where: '1K MACs, 1420 B, openssl', floor: 'raw openssl', most: 0.25 });
  });

  it('measures another checkout beside this one', { timeout: 60_000 }, () => {
    const args = ['--no-peers', '--only', 'bridge [1K MACs, 64', '--rounds', '1', '--seconds', '0.02'];
    const run = bench(...args, '--variant', `mine=${root}`, '--json', '--out', 'variant');
    const outcome = JSON.parse(run.stdout) as Outcome;
    expect(outcome.rows.map((row) => row.rival)).toEqual(['overlane', 'mine']);
    expect(outcome.ratios).toMatchObject([{ rival: 'mine', where: '1K MACs, 64 B', met: null }]);
  });

  it.each([
    [['--rounds', '0'], /whole number from 1 to 1000/],
    [['--seconds', 'long'], /seconds from 0.01 to 3600/],
    [['--only', 'no such thing'], /nothing is called like 'no such thing'.*--list/],
    [['--variant', 'x'], /NAME=DIR/],
    [['--variant', 'x=/no/such/place'], /build that checkout first/],
    [['--nonsense'], /unknown option/],
  ])('refuses %o', (args, message) => {
    const run = bench(...args);
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(message);
    expect(run.stdout).toBe('');
  });

  it('stops on SIGINT with the figures so far', { timeout: 30_000 }, async () => {
    const args = ['bench', '--quick', '--seconds', '30', '--json', '--out', 'interrupted'];
    const child = spawn(process.execPath, [cli, ...args], { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    setTimeout(() => child.kill('SIGINT'), 2000);
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(status).toBe(1);
    expect(JSON.parse(text)).toMatchObject({ interrupted: true });
  });
});

/** The programs of docs/examples, run as they stand. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT, Netns, ping } from './live/netns.js';

const FOLDER = fileURLToPath(new URL('../docs/examples', import.meta.url));

const children = new Set<ReturnType<typeof spawn>>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

it('an example is short, and has a test here', () => {
  expect(readdirSync(FOLDER)).toEqual(['two-containers.mjs']);
  const lines = readFileSync(`${FOLDER}/two-containers.mjs`, 'utf8').split('\n');
  expect(lines.length).toBeLessThan(40);
});

describe.skipIf(!hasRoot)(`examples ${NEEDS_ROOT}`, () => {
  it('two-containers: they reach each other without privileges, until Ctrl-C', async () => {
    const [c1, c2] = [new Netns('c1'), new Netns('c2')];
    const child = spawn(process.execPath, [`${FOLDER}/two-containers.mjs`, c1.name, c2.name]);
    children.add(child);
    const said = { out: '', err: '' };
    child.stderr.on('data', (data) => (said.err += String(data)));
    child.stdout.on('data', (data) => (said.out += String(data)));
    const closed = once(child, 'close', { signal: AbortSignal.timeout(20_000) });
    while (!said.out.includes('ready')) {
      if (child.exitCode !== null) throw new Error(`it ended: ${said.err}`);
      await once(child.stdout, 'data', { signal: AbortSignal.timeout(10_000) });
    }
    expect(said.out).toMatch(/^\S+-c1: eth0 02:42:0a:63:00:01 10\.99\.0\.1$/m);
    expect(await ping(c1, '10.99.0.2')).toBe(3);
    expect(await ping(c2, '10.99.0.1', { size: 8000 })).toBe(3);
    expect(readFileSync(`/proc/${child.pid}/status`, 'utf8')).toMatch(/^CapEff:\s0+$/m);
    child.kill('SIGINT');
    expect(await closed).toEqual([0, null]);
    expect(said.err).toBe('');
    expect(said.out).toMatch(/^carried \d+ packets$/m);
    expect([c1.links(), c2.links()]).toEqual([[], []]);
  });
});

/** The programs of docs/examples, run as they stand. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT, Netns, ping } from './live/netns.js';

const FOLDER = fileURLToPath(new URL('../docs/examples', import.meta.url));

const children = new Set<ReturnType<typeof spawn>>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

it('an example is short, and has a test here', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(['container-network.mjs', 'two-containers.mjs']);
  for (const file of readdirSync(FOLDER)) {
    expect(readFileSync(`${FOLDER}/${file}`, 'utf8').split('\n').length, file).toBeLessThan(40);
  }
});

describe.skipIf(!hasRoot)(`examples ${NEEDS_ROOT}`, () => {
  it('container-network: two sandboxes reach each other, and nothing is left', async () => {
    const host = new Netns('host');
    const folder = mkdtempSync(join(tmpdir(), 'ovl-example-'));
    try {
      const words = [`--net=${host.path}`, process.execPath, `${FOLDER}/container-network.mjs`, folder];
      const { stdout, stderr, status } = spawnSync('nsenter', words, { encoding: 'utf8', timeout: 20_000 });
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
      expect(stdout).toMatch(/^2 received$/m);
      expect(stdout).toMatch(/^network web: create$/m);
      expect(stdout).toMatch(/^sandbox a: create$[\s\S]*^sandbox b: destroy$/m);
      expect(readdirSync(join(folder, 'run', 'netns'))).toEqual([]);
      expect(host.links()).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

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

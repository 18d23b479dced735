import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Pinning } from '../../bench/harness/pinning.js';
import { runInChild } from '../../bench/harness/spawn.js';
import { Absent } from '../../bench/harness/trial.js';

const child = fileURLToPath(new URL('./fixtures/child.mjs', import.meta.url));
const pinning: Pinning = { cpu: null, mainCpu: null, about: '' };
const never = new AbortController().signal;

function run(act: string, options: { timeout?: number; signal?: AbortSignal } = {}) {
  const request = { file: act, case: { macs: 4, rival: 'r' }, seconds: 0.5, root: '/r' };
  return runInChild(request, { pinning, child, signal: never, ...options });
}

describe('a trial in its child process', () => {
  it('gives its sample', async () => {
    expect(await run('good')).toEqual({ packets: 100, ns: 1000, cpuShare: 1 });
  });

  it('gets the whole request', async () => {
    const error = await run('echo').catch((reason: Error) => reason);
    expect(JSON.parse((error as Error).message)).toEqual({ c: { macs: 4, rival: 'r' }, seconds: 0.5, root: '/r' });
  });

  it('may be absent, fail, crash or end without a word', async () => {
    await expect(run('absent')).rejects.toThrow(Absent);
    await expect(run('failing')).rejects.toThrow('frames were dropped');
    await expect(run('crashing')).rejects.toThrow(/SIGSEGV.*Segmentation of something/);
    await expect(run('silent')).rejects.toThrow('exit status 3');
  });

  it('is killed when it takes too long', async () => {
    await expect(run('hanging', { timeout: 200 })).rejects.toThrow('no result within 0.2 s');
  });

  it('is killed when the run is interrupted', async () => {
    const stop = new AbortController();
    const result = run('hanging', { signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    await expect(result).rejects.toThrow('interrupted');
    await expect(run('hanging', { signal: stop.signal })).rejects.toThrow('interrupted');
  });
});

/** The tests of the native core, which need no Node: built and run under AddressSanitizer and UndefinedBehaviorSanitizer. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const folder = fileURLToPath(new URL('../../native', import.meta.url));

it('the native core passes its tests under the sanitizers', { timeout: 600_000 }, () => {
  const make = spawnSync('make', ['-C', folder, '-j', String(availableParallelism()), 'test'], { encoding: 'utf8' });
  const failures = make.stdout.split('\n').filter((line) => line.startsWith('FAIL'));
  expect(failures, make.stderr.slice(-4000)).toEqual([]);
  expect(make.stdout, make.stderr.slice(-4000)).toMatch(/^[1-9]\d+ passed, 0 failed$/m);
  expect(make.status).toBe(0);
});

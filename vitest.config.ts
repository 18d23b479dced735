import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // An addon that crashes takes one process with it, not the run.
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // .ci/run reads the results.
    reporters: process.env['OVERLANE_CI'] ? ['default', 'json', 'junit'] : ['default'],
    outputFile: { json: 'build/tests.json', junit: 'build/tests.xml' },
  },
});

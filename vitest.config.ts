import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const ALL = 'test/**/*.test.ts';

/** What measures no time, and needs no namespace, socket or worker thread: only computing, so every CPU may do it. */
const COMPUTING = [
  'test/wire/*.test.ts',
  'test/port/*.test.ts',
  'test/cli/decode*.test.ts',
  'test/cli/demo.test.ts',
  'test/crypto/{messages,tampering}.test.ts',
  'test/cnm/{ipam-model,store}.test.ts',
  'test/dataplane/{bridge,bridge-*,check,columns,containers,counters,dataplane-options,determinism,drops}.test.ts',
  'test/dataplane/{encryption,flood,pcap-port,port-options,proxy,router,router-tshark,topology}.test.ts',
  'test/dataplane/{underlay-*,vlan,vxlan}.test.ts',
];

export default defineConfig({
  test: {
    // An addon that crashes takes one process with it, not the run.
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // One group after the other. Vitest leaves one CPU idle, which with two is half of them.
    projects: [
      {
        extends: true,
        test: {
          name: 'computing',
          include: COMPUTING,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: 'rest', include: [ALL], exclude: COMPUTING, sequence: { groupOrder: 2 } } },
    ],
    // .ci/run reads the results.
    reporters: process.env['OVERLANE_CI'] ? ['default', 'json', 'junit'] : ['default'],
    outputFile: { json: 'build/tests.json', junit: 'build/tests.xml' },
  },
});

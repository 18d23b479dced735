/** testpmd `io`: packets go from port to port untouched. */
import type { Peer } from './peer.js';
import { runTestpmd, testpmdMissing } from './testpmd.js';

const peer: Peer = {
  trial: 'bridge',
  case: { macs: 1024, size: 64, rival: 'testpmd io (copy)' },
  missing: testpmdMissing,
  run: (context) => runTestpmd('io', 64, context),
};
export default peer;

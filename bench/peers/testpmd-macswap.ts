/** testpmd `macswap`: touches both MAC addresses of every packet, looks nothing up. */
import type { Peer } from './peer.js';
import { runTestpmd, testpmdMissing } from './testpmd.js';

const peer: Peer = {
  trial: 'bridge',
  // At least half of its packet rate is wanted.
  case: { macs: 1024, size: 64, rival: 'testpmd macswap (copy)', wanted: 0.5 },
  missing: testpmdMissing,
  run: (context) => runTestpmd('macswap', 64, context),
};
export default peer;

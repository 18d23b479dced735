import { stationFrames } from '../harness/traffic.js';
import type { Trial } from '../harness/trial.js';

const BURST = 256;
const CALLS = 2000;

/** `parseBurst` into reused columns: one call a burst of 256 frames, 500 other bursts' worth of calls a batch. */
const trial: Trial = {
  name: 'columns',
  about: 'parse to JavaScript-visible typed-array columns, bursts of 256',
  cases: [{ size: 64, budget: 14, quick: true }, { size: 512 }, { size: 1400 }],
  prepare({ size = 64 }, { api }) {
    const burst = stationFrames('a', BURST, size);
    const columns = new api.Columns(BURST);
    return {
      batch() {
        for (let i = 0; i < CALLS; i++) api.parseBurst(burst, columns);
        return CALLS * BURST;
      },
      check() {
        if (columns.count !== BURST) throw new Error(`parsed ${columns.count} of ${BURST} frames`);
      },
    };
  },
};
export default trial;

import { loadInternal } from '../harness/product.js';
import type { Trial } from '../harness/trial.js';

/** The part of the product's `native.js` that this trial needs; the public API has no look-up without a packet. */
interface Internal {
  addon: {
    fdbKinds: string[];
    measureFdb(kind: number, entries: number, lookups: number): { ns: number };
  };
}

const OTHER = 'overlane fdb: map';

/** Look-ups alone, in a filled MAC table: the table of the dataplane, and the hash map kept as the reference. */
const trial: Trial = {
  name: 'fdb',
  about: 'FDB look-up, no packet',
  cases: [1024, 32768, 1048576].flatMap((macs) => [
    { macs, quick: macs === 1024 },
    { macs, rival: OTHER },
  ]),
  async prepare({ macs = 1024, rival }, product) {
    const { addon } = await loadInternal<Internal>(product, 'native.js');
    const kind = addon.fdbKinds.indexOf(rival === OTHER ? 'map' : 'bucket');
    // A short probe says how many look-ups fill the time.
    const probe = addon.measureFdb(kind, macs, 1_000_000).ns;
    return {
      measure(seconds) {
        const packets = Math.max(1_000_000, Math.round((seconds * 1e9) / probe));
        return { packets, ns: addon.measureFdb(kind, macs, packets).ns * packets };
      },
    };
  },
};
export default trial;

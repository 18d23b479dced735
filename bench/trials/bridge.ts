import { fdbEntriesFor, queueFor, steady } from '../harness/lab.js';
import { stationFrames } from '../harness/traffic.js';
import type { Trial } from '../harness/trial.js';

/** Learn and forward between two ports: N/2 stations on either side talk to each other in pairs. */
const trial: Trial = {
  name: 'bridge',
  about: 'learn + forward, two memory ports',
  cases: [
    { macs: 1024, size: 64, budget: 14, quick: true },
    { macs: 32768, size: 64 },
    { macs: 1048576, size: 64, budget: 30 },
    { macs: 1024, size: 512 },
    { macs: 1024, size: 1400 },
  ],
  prepare({ macs = 1024, size = 64 }, { api }) {
    const fdbEntries = fdbEntriesFor(macs);
    const lab = new api.Dataplane({ mode: 'manual', clock: 'virtual', fdbEntries });
    const bridge = lab.addBridge({ name: 'lab' });
    for (const side of ['a', 'b'] as const) {
      const frames = stationFrames(side, macs / 2, size);
      const queueBytes = queueFor(frames.data.length, frames.count);
      const port = lab.addPort({ type: 'memory', name: side, loop: true, discard: true, queueBytes });
      bridge.attach(port);
      port.inject(frames);
    }
    return steady(lab, 2 * macs);
  },
};
export default trial;

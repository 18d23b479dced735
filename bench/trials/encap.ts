import { overlayLab, queueFor, steady } from '../harness/lab.js';
import { stationFrames } from '../harness/traffic.js';
import type { Trial } from '../harness/trial.js';

/** N/2 local stations talk to N/2 remote ones behind 16 VTEPs: learn, look up, VXLAN, complete outer frame. */
const trial: Trial = {
  name: 'encap',
  about: 'bridge + VXLAN encapsulation, memory port to frame underlay',
  cases: [
    { macs: 1024, size: 64, budget: 20, quick: true },
    { macs: 32768, size: 64 },
    { macs: 1048576, size: 64 },
    { macs: 1024, size: 512 },
    { macs: 1024, size: 1400 },
  ],
  prepare({ macs = 1024, size = 64 }, product) {
    const frames = stationFrames('a', macs / 2, size);
    const queueBytes = queueFor(frames.data.length, frames.count);
    const { lab, bridge } = overlayLab(product, macs / 2, queueBytes);
    const local = lab.addPort({ type: 'memory', name: 'a', loop: true, queueBytes });
    bridge.attach(local);
    local.inject(frames);
    return steady(lab, macs, { counters: ['encapsulated'] });
  },
};
export default trial;

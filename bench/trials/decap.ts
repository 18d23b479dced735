import { LOCAL_VTEP, overlayLab, queueFor, REMOTE_VTEPS, steady, VNI } from '../harness/lab.js';
import { stationFrames, vxlanFrames } from '../harness/traffic.js';
import type { Trial } from '../harness/trial.js';

/** N/2 remote stations behind 16 VTEPs talk to N/2 local ones: outer headers checked, VNI and VTEP known, look up, deliver. */
const trial: Trial = {
  name: 'decap',
  about: 'VXLAN decapsulation + bridge, frame underlay to memory port',
  cases: [
    { macs: 1024, size: 64, budget: 20, quick: true },
    { macs: 32768, size: 64 },
    { macs: 1048576, size: 64 },
    { macs: 1024, size: 512 },
    { macs: 1024, size: 1400 },
  ],
  prepare({ macs = 1024, size = 64 }, product) {
    const frames = vxlanFrames('b', macs / 2, size, VNI, REMOTE_VTEPS, LOCAL_VTEP);
    const queueBytes = queueFor(frames.data.length, frames.count);
    const { lab, bridge, wire } = overlayLab(product, macs / 2, queueBytes);
    const local = lab.addPort({ type: 'memory', name: 'a', discard: true, queueBytes });
    bridge.attach(local);
    // The local stations are heard once, before anything arrives for them.
    local.inject(stationFrames('a', macs / 2, size));
    lab.run({ now: 0n, packets: macs / 2 });
    wire.inject(frames);
    return steady(lab, macs, { counters: ['decapsulated'] });
  },
};
export default trial;

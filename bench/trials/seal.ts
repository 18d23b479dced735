import { ESP_BATCH, encryptionOf, espCases, espWorkload } from '../harness/esp.js';
import { overlayLab, queueFor, steady } from '../harness/lab.js';
import { stationFrames } from '../harness/traffic.js';
import type { Trial } from '../harness/trial.js';

/** `encap`, on an encrypted bridge: the packets of a burst go to 16 VTEPs in turn, each with security associations of its own. */
const trial: Trial = {
  name: 'seal',
  about: 'bridge + VXLAN + ESP in UDP (strong, AES-128-GCM), memory port to frame underlay',
  cases: espCases(),
  prepare(c, product) {
    const { macs = 1024, size = 64 } = c;
    return espWorkload(c, product, true, () => {
      const frames = stationFrames('a', macs / 2, size);
      const queueBytes = queueFor(frames.data.length, frames.count);
      const encryption = encryptionOf(c);
      const { lab, bridge } = overlayLab(product, macs / 2, queueBytes, { encryption });
      const local = lab.addPort({ type: 'memory', name: 'a', loop: true, queueBytes });
      bridge.attach(local);
      local.inject(frames);
      const counters = ['encapsulated', ...(encryption === undefined ? [] : ['sealed'])];
      return steady(lab, macs, { counters, batch: ESP_BATCH });
    });
  },
};
export default trial;

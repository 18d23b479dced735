/** A process that holds keys: argv is a key file, its profile's ring and a bridge are made of it; then it does what it is told on stdin. */
import { createInterface } from 'node:readline';
import { Dataplane, Keyring } from '../../dist/index.js';

const [file, mode] = process.argv.slice(2);
const ring = Keyring.fromFile(file, mode === 'ratchet' ? { rotation: { every: 2 } } : { rotation: false });
const dataplane = new Dataplane({ mode: 'manual' });
const [c, w] = ['c', 'w'].map((name) => dataplane.addPort({ type: 'memory', name }));
const neighbors = [{ ip: '192.168.77.2', mac: '02:00:00:00:00:02' }];
const underlay = dataplane.addUnderlay({
  type: 'frame',
  port: w,
  mac: '02:00:00:00:00:01',
  local: '192.168.77.1',
  neighbors,
});
const bridge = dataplane.addBridge({ vni: 1, underlay, vteps: ['192.168.77.2'], encryption: ring }).attach(c);

/** Seals a frame; the SPI. */
function seal() {
  const frame = new Uint8Array(64);
  frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  c.inject([frame]);
  dataplane.run();
  const { data, offsets, count } = w.drain();
  return count === 0 ? 0 : new DataView(data.buffer, data.byteOffset + offsets[0] + 42).getUint32(0);
}

const verbs = {
  seal,
  retire: (id) => ring.retire(Number(id)),
  epoch: () => ring.keys[0]?.epoch,
  close: () => ring.close(),
  'close bridge': () => bridge.close(),
};

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, argument] = line.split(':');
  const result = verbs[verb](argument);
  process.stdout.write(`done ${typeof result === 'number' ? result : ''}\n`);
}

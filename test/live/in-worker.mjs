/** A live dataplane in a worker thread, with a TAP in either namespace, until it is told 'close' or 'exit'. */
import { parentPort, workerData } from 'node:worker_threads';
import { Dataplane } from '../../dist/index.js';

const dataplane = new Dataplane();
const bridge = dataplane.addBridge();
for (const [i, netns] of workerData.entries()) {
  bridge.attach(dataplane.addPort({ type: 'tap', netns, name: 'eth0', addresses: [`10.99.0.${i + 1}/24`] }));
}
await dataplane.start();
parentPort.postMessage('started');
parentPort.once('message', async (word) => {
  if (word === 'exit') process.exit();
  await dataplane.close();
  parentPort.close();
});

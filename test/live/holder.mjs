/** A daemon: persistent TAPs in the namespaces named by the arguments, on one bridge, until it is killed. */
import { Dataplane } from '../../dist/index.js';

const dataplane = new Dataplane();
const bridge = dataplane.addBridge();
for (const [i, netns] of process.argv.slice(2).entries()) {
  const addresses = [`10.99.0.${i + 1}/24`, `fd00::${i + 1}/64`];
  const tap = {
    type: 'tap',
    netns,
    interface: 'eth0',
    name: `c${i}`,
    addresses,
    persistent: true,
    alias: 'overlane test',
  };
  bridge.attach(dataplane.addPort({ ...tap, routes: [{ to: 'default', via: '10.99.0.254' }] }));
}
await dataplane.start();
process.stdout.write('started\n');

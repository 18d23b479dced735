// Two containers on one bridge, from a plain program. As root:
//
//   ip netns add c1; ip netns add c2
//   node two-containers.mjs c1 c2
//   ip netns exec c1 ping 10.99.0.2        (in another terminal; the program ends with Ctrl-C)
import { Dataplane, dropPrivileges } from 'overlane';

const [first = 'c1', second = 'c2'] = process.argv.slice(2);

const dataplane = new Dataplane();
const bridge = dataplane.addBridge({ name: 'br0' });
for (const [i, netns] of [first, second].entries()) {
  const port = dataplane.addPort({ type: 'tap', netns, interface: 'eth0', addresses: [`10.99.0.${i + 1}/24`] });
  bridge.attach(port);
  console.log(`${netns}: ${port.interface} ${port.mac} 10.99.0.${i + 1}`);
}
await dataplane.start();

// Carrying packets needs no privileges, so this process keeps none.
dropPrivileges();
console.log('ready');

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    console.log(`carried ${dataplane.counters().transmitted} packets`);
    await dataplane.close();
  });
}

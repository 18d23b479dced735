// A network and two sandboxes, as a library; they are gone at the end. As root:
//
//   node container-network.mjs FOLDER
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { Controller, MemoryStore } from 'overlane';

const [folder = '/tmp/container-network'] = process.argv.slice(2);

// MemoryStore forgets; with new SqliteStore('/var/lib/example/store.db') the next open() brings everything back.
const controller = await Controller.open({
  store: new MemoryStore(),
  folder: path.join(folder, 'lib'),
  runFolder: path.join(folder, 'run'),
});
controller.on('event', ({ type, action, name }) => console.log(`${type} ${name}: ${action}`));
controller.on('warning', (message) => console.error(message));
try {
  const web = await controller.createNetwork({ name: 'web', subnets: [{ subnet: '172.28.0.0/24' }] });
  const a = await controller.createSandbox({ name: 'a', networks: [{ network: web }] });
  const b = await controller.createSandbox({ name: 'b', networks: [{ network: web, ips: ['172.28.0.9'] }] });

  const words = [`--net=${a.netns}`, 'ping', '-c2', '-i0.2', '172.28.0.9'];
  console.log(/\d received/.exec(spawnSync('nsenter', words, { encoding: 'utf8' }).stdout)?.[0]);

  for (const sandbox of [a, b]) await sandbox.delete();
  await web.delete();
} finally {
  await controller.close();
}

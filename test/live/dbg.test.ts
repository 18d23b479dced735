import { it } from 'vitest';
import { ping } from './netns.js';
import { overlaneAndKernel } from './sites.js';
it.each([1, 2, 3, 4, 5, 6])('dbg %i', async () => {
  const [one, two] = await overlaneAndKernel({ carrier: 'udp', outer: 6, vni: 1, port: 8472, learning: false, router: true });
  const { host } = one;
  const n = await ping(one.container, two.ip);
  if (n === 3) return;
  const c = one.dataplane.counters();
  const nz = (r: object) => JSON.stringify(Object.fromEntries(Object.entries(r).filter(([, v]) => v !== 0n).map(([k, v]) => [k, Number(v)])));
  console.log(n, nz(c.drops), nz(c.ports['u0']!), nz(c.ports['eth0']!));
  console.log((await host.exec('nstat', '-az')).out.split('\n').filter((l) => /6/.test(l) && !/ 0 +0/.test(l)).join('\n'));
  console.log('H2', (await two.host.exec('nstat', '-az')).out.split('\n').filter((l) => /6/.test(l) && !/ 0 +0/.test(l)).join('\n'));
  console.log((await two.host.exec('ip', '-s', 'link')).out, (await two.host.exec('ip', '-6', 'neigh')).out);
  console.log((await host.exec('ip', '-6', 'neigh')).out);
  console.log((await two.host.exec('bridge', 'fdb')).out);
  console.log(await ping(one.container, two.ip));
  throw new Error('caught');
});

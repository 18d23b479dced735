/** Persistent TAPs: they, and the connections over them, outlive the process that made them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { Dataplane, type TapPortOptions } from '../../src/index.js';
import { listAddresses, listRoutes } from '../../src/netns/addresses.js';
import { listLinks, setLink } from '../../src/netns/links.js';
import { failure } from '../dataplane/lab.js';
import { hasRoot, NEEDS_ROOT, Netns } from './netns.js';
import { Program } from './program.js';
import { eventually } from './sites.js';

const HOLDER = fileURLToPath(new URL('holder.mjs', import.meta.url));

/** Echoes what comes, or sends numbered lines and prints those that come back. */
const SERVER = `
const net = require('node:net');
net.createServer((from) => from.pipe(from)).listen(9000, () => console.log('ready'));`;
const CLIENT = `
const to = require('node:net').connect(9000, '10.99.0.2', () => {
  let next = 0;
  setInterval(() => to.write(next++ + '\\n'), 20);
});
to.on('data', (data) => process.stdout.write(data)).on('close', () => console.log('closed'));
to.on('error', (error) => console.log(error.message));`;

const open: Dataplane[] = [];

afterEach(async () => {
  for (const dataplane of open.splice(0)) await dataplane.close();
});

function live(): Dataplane {
  const dataplane = new Dataplane();
  open.push(dataplane);
  return dataplane;
}

const persistent = (netns: Netns, more: Partial<TapPortOptions> = {}): TapPortOptions => ({
  type: 'tap',
  netns: netns.path,
  name: 'eth0',
  addresses: ['10.99.0.1/24'],
  persistent: true,
  ...more,
});

describe.skipIf(!hasRoot)(`persistent taps ${NEEDS_ROOT}`, () => {
  it('a TCP connection goes on after kill -9 and a new start', async () => {
    const [one, two] = [new Netns('c1'), new Netns('c2')];
    const hold = () => new Program([process.execPath, HOLDER, one.path, two.path]);
    const first = hold();
    await first.until(/started/, 20_000);
    const server = two.start(process.execPath, '-e', SERVER);
    await server.until(/ready/, 20_000);
    const client = one.start(process.execPath, '-e', CLIENT);
    await client.until(/^20$/m, 20_000);
    await first.stop('SIGKILL');
    await sleep(100);
    const before = client.results.split('\n').length;
    const [link] = listLinks(one.path).filter(({ name }) => name === 'eth0');
    expect(link).toMatchObject({ alias: 'overlane test', up: true, mac: '02:42:0a:63:00:01' });
    expect(one.ip('link', 'show', 'eth0')).toContain('NO-CARRIER');
    expect(listRoutes(one.path)).toContainEqual({ to: '0.0.0.0/0', via: '10.99.0.254', link: 'eth0' });
    const second = hold();
    await second.until(/started/, 20_000);
    expect(one.ip('link', 'show', 'eth0')).toContain('LOWER_UP');
    expect(listLinks(one.path)).toContainEqual(link);
    await client.until(new RegExp(`^${before + 50}$`, 'm'), 20_000);
    // Each came back once, in order.
    const lines = client.results.trimEnd().split('\n');
    expect(lines).toEqual(lines.map((_, i) => String(i)));
    await second.stop('SIGKILL');
  });

  it('stay when the dataplane closes or the port is told so, and go with close()', async () => {
    const netns = new Netns('c1');
    const first = live();
    expect(first.addPort(persistent(netns, { alias: 'one' })).persistent).toBe(true);
    await first.close();
    expect(listLinks(netns.path).at(-1)).toMatchObject({ name: 'eth0', alias: 'one', up: true });
    const second = live();
    second.addPort(persistent(netns)).close({ keep: true });
    await eventually(() => netns.ip('link', 'show', 'eth0').includes('NO-CARRIER'), 'nobody has it open');
    second.addPort(persistent(netns)).close();
    await eventually(() => netns.links().length === 0, 'it is gone');
    const plain = second.addPort(persistent(netns, { persistent: false }));
    expect(failure(() => plain.close({ keep: true }))).toMatchObject({ code: 'ERR_OVERLANE_OPTION' });
    expect(failure(() => plain.close({ kept: true } as never))).toMatchObject({ code: 'ERR_OVERLANE_OPTION' });
    expect(plain.close()).toBeUndefined();
  });

  it('what was changed meanwhile is as told again, and what others added stays', async () => {
    const netns = new Netns('c1');
    const options = persistent(netns, {
      mac: '02:00:00:00:00:77',
      mtu: 1450,
      addresses: ['10.99.0.1/24', 'fd00::1/64'],
    });
    const first = live();
    first.addPort(options);
    await first.close();
    setLink(netns.path, 'eth0', { mac: '02:00:00:00:00:66', mtu: 1300, up: false });
    netns.ip('address', 'add', '10.99.0.77/24', 'dev', 'eth0');
    const port = live().addPort({ ...options, queues: 1 });
    expect(port).toMatchObject({ mac: '02:00:00:00:00:77', mtu: 1450 });
    expect(listLinks(netns.path).at(-1)).toMatchObject({ up: true, mac: '02:00:00:00:00:77', mtu: 1450 });
    const addresses = listAddresses(netns.path).map(({ address }) => address);
    expect(addresses).toEqual(expect.arrayContaining(['10.99.0.1/24', '10.99.0.77/24', 'fd00::1/64']));
  });

  it('a process that ends while there is something to tell ends well', async () => {
    const netns = new Netns('c1');
    const script = `
      import { execFileSync } from 'node:child_process';
      import { Dataplane } from '${new URL('../../dist/index.js', import.meta.url)}';
      const dataplane = new Dataplane();
      dataplane.addPort({ type: 'tap', netns: '${netns.path}', name: 'eth0' });
      await dataplane.start();
      execFileSync('ip', ['-n', '${netns.name}', 'link', 'set', 'eth0', 'mtu', '1400']);
      const late = performance.now() + 100;
      while (performance.now() < late);
      dataplane.close();`;
    await new Program([process.execPath, '--input-type=module', '-e', script]).done();
  });

  it('a name is free again at once, though the kernel takes its time', async () => {
    const netns = new Netns('c1');
    const dataplane = live();
    await dataplane.start();
    for (let round = 0; round < 5; round++) {
      const port = dataplane.addPort(persistent(netns, { persistent: round % 2 === 0 }));
      const begun = performance.now();
      port.close();
      expect(performance.now() - begun).toBeLessThan(1000);
    }
    await dataplane.close();
    expect(netns.links()).toEqual([]);
  });
});

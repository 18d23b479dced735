/** Overlay networks and their way out, when other networks come and go, and the daemon with them. */
import { execFileSync } from 'node:child_process';
import { chmodSync, renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns } from '../live/netns.js';
import { Program } from '../live/program.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

const live = describe.skipIf(!hasRoot);
const title = (text: string) => (hasRoot ? text : `${text} ${NEEDS_ROOT}`);
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

live(title('the way out of overlays'), () => {
  let host: DaemonHost;
  let outside: Netns;
  let keys: string;

  beforeAll(async () => {
    const options = ['--no-default-bridge', '--vtep', '192.0.2.1'];
    host = new DaemonHost('wayout', options);
    keys = path.join(host.folder, 'keys.json');
    execFileSync(process.execPath, [CLI, 'keys', 'new', keys]);
    chmodSync(keys, 0o600);
    options.push('--overlay-keys', keys);
    outside = new Netns('outside');
    joinByVeth([host.netns, '192.0.2.1/24'], [outside, '192.0.2.2/24']);
    await host.start();
  });
  afterAll(() => host.remove());
  afterEach(() => host.clear());

  const look = (name: string) => host.ask<SandboxView>('GET', `/overlane/sandboxes/${name}`);
  const networks = async (name: string) => (await look(name)).endpoints.map(({ networkName }) => networkName).sort();
  const defaults = (sandbox: SandboxView) => host.exec(sandbox, 'ip', 'route', 'show', 'default').out.trim();
  const disconnect = (network: string) => host.ask('POST', `/networks/${network}/disconnect`, { Container: 'a' });
  const connect = (network: string, more = {}) =>
    host.ask('POST', `/overlane/networks/${network}/connect`, { sandbox: 'a', ...more });

  it('is the first network that leads out, else the gateway network, each time', async () => {
    for (const Name of ['far', 'wide']) await host.network({ Name, Driver: 'overlay' });
    await host.network({ Name: 'near' });
    const a = await host.sandbox('a', { network: 'far' }, { network: 'wide' });
    const out = async (through: RegExp) => {
      expect(defaults(a)).toMatch(through);
      expect(defaults(a).split('\n')).toHaveLength(1);
      expect(host.ping(a, '192.0.2.2')).toBe(2);
    };
    const linkOn = async (network: string) => {
      const endpoint = (await look('a')).endpoints.find(({ networkName }) => networkName === network)!;
      return new RegExp(`^default via \\S+ dev ${endpoint.interface} `);
    };
    expect(await networks('a')).toEqual(['far', 'overlane_gwbridge', 'wide']);
    await out(await linkOn('overlane_gwbridge'));
    await connect('near');
    expect(await networks('a')).toEqual(['far', 'near', 'wide']);
    await out(await linkOn('near'));
    await host.kill();
    await host.start();
    await out(await linkOn('near'));
    await disconnect('near');
    expect(await networks('a')).toEqual(['far', 'overlane_gwbridge', 'wide']);
    await out(await linkOn('overlane_gwbridge'));
    await disconnect('far');
    await out(await linkOn('overlane_gwbridge'));
    await disconnect('wide');
    expect(await networks('a')).toEqual([]);
    expect(defaults(a)).toBe('');

    // With a published port it stays, whatever else leads out.
    const ports = [{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }];
    await connect('near');
    await connect('far', { ports });
    const serve = `require('net').createServer((s) => s.end('hello')).listen(80, '0.0.0.0', () => console.log('up'))`;
    const server = new Program(['nsenter', `--net=${a.netns}`, process.execPath, '-e', serve]);
    await server.until(/up/);
    const ask = `require('net').connect(8080, '192.0.2.1').on('error', () => {}).setTimeout(1500, function () { this.destroy(); }).pipe(process.stdout)`;
    const hear = async () => (await outside.exec(process.execPath, '-e', ask)).out;
    expect(await networks('a')).toEqual(['far', 'near', 'overlane_gwbridge']);
    expect(await hear()).toBe('hello');
    await host.kill();
    await host.start();
    expect(await hear()).toBe('hello');
    await server.stop();
    await host.clear();
    expect(host.netns.links()).toEqual(['wire']);
    expect((await host.netns.exec('nft', 'list', 'ruleset')).out).not.toMatch(/8080/);
  });

  it('keys that are gone at the start: the rest is back at once, and the encrypted network when they are', async () => {
    await host.network({ Name: 'secret', Driver: 'overlay', Options: { encrypted: '' } });
    await host.network({ Name: 'near' });
    await host.sandbox('a', { network: 'secret' });
    const b = await host.sandbox('b', { network: 'near' });
    await host.kill();
    renameSync(keys, `${keys}.away`);
    await host.start();
    expect(host.ping(b, '192.0.2.2')).toBe(2);
    await host.says(/endpoint \S+ of sandbox a could not be brought back: .*keys/);
    const refused = await host.call('POST', '/overlane/sandboxes', { name: 'c', networks: [{ network: 'secret' }] });
    expect(refused.status).toBe(404);
    renameSync(`${keys}.away`, keys);
    const late = Date.now() + 5000;
    while (!/endpoint \S+ of sandbox a is back/.test(host.log) && Date.now() < late) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await host.says(/endpoint \S+ of sandbox a is back/);
    expect(host.ping(await look('a'), '192.0.2.2')).toBe(2);
    await host.clear();
    expect(host.netns.links()).toEqual(['wire']);
  });
});

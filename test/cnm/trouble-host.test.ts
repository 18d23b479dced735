/** A daemon whose host is not as it was: taken ports, full disks, other options, no privileges, odd requests. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { Program } from '../live/program.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

const live = describe.skipIf(!hasRoot);
const title = (text: string) => (hasRoot ? text : `${text} ${NEEDS_ROOT}`);
const MAIN = fileURLToPath(new URL('../../dist/daemon/main.js', import.meta.url));

/** Waits until it holds, ten seconds at most. */
async function settled(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const late = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > late) throw new Error(`it did not come about: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const messageOf = (body: unknown) => (body as { message: string }).message;
const ipOf = ({ endpoints }: SandboxView) => endpoints[0]!.addresses[0]!.replace(/\/.*/, '');
const gatewayOf = (ip: string) => ip.replace(/\d+$/, '1');

live(title('a host that changes'), () => {
  let host: DaemonHost;
  /** Of the daemon, from its next start on. */
  const options: string[] = [];
  const programs: Program[] = [];

  beforeAll(async () => {
    host = new DaemonHost('changes', options);
    await host.start();
  });
  afterAll(() => host.remove());
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop();
    await host.clear();
  });

  const port = (hostPort: number, protocol = 'tcp') => ({ protocol, hostIp: '0.0.0.0', hostPort, containerPort: 80 });
  const rules = async () => (await host.netns.exec('nft', 'list', 'ruleset')).out;

  async function restart(how: 'kill' | 'stop' = 'kill'): Promise<void> {
    await host[how]();
    await host.start();
  }

  /** Somebody who listens in a namespace, and says so to everybody. */
  async function listener(netns: string, at: number, word: string): Promise<Program> {
    const serve = `require('net').createServer((s) => s.end('${word}')).listen(${at}, '0.0.0.0', () => console.log('up'))`;
    const program = new Program(['nsenter', `--net=${netns}`, process.execPath, '-e', serve]);
    programs.push(program);
    await program.until(/up/);
    return program;
  }

  /** What who listens at a port of the host says; empty: nobody. */
  async function hear(at: number): Promise<string> {
    const ask = `require('net').connect(${at}, '127.0.0.1').on('error', () => {}).setTimeout(1500, function () { this.destroy(); }).pipe(process.stdout)`;
    return (await host.netns.exec(process.execPath, '-e', ask)).out;
  }

  it('a published port that somebody else has is refused, and nothing is left of it', async () => {
    await host.network({ Name: 'one', IPAM: { Config: [{ Subnet: '172.29.0.0/29' }] } });
    await listener(host.netns.path, 8081, 'other');
    await host.sandbox('a', { network: 'one', ports: [port(8080)] });
    const before = [await rules(), host.netns.links()];
    // More often than there are addresses.
    for (const taken of [8080, 8081, 8080, 8081, 8080, 8081]) {
      const wanted = { network: 'one', ports: [port(8082), port(taken)] };
      const refused = await host.call('POST', '/overlane/sandboxes', { name: 'b', networks: [wanted] });
      expect([refused.status, messageOf(refused.body)]).toEqual([
        403,
        expect.stringMatching(/is taken; stop what listens/),
      ]);
    }
    expect([await rules(), host.netns.links()]).toEqual(before);
    await host.sandbox('b', { network: 'one', ports: [port(8082), port(8082, 'udp'), port(0)] });
    await host.ask('DELETE', '/overlane/sandboxes/a');
    await host.sandbox('c', { network: 'one', ports: [port(8080)] });
  });

  it('published ports are back after kill -9; one that was taken meanwhile, when it is free, and the container at once', async () => {
    await host.network({ Name: 'one' });
    const a = await host.sandbox('a', { network: 'one', ports: [port(8080), port(8090)] });
    await listener(a.netns, 80, 'container');
    expect([await hear(8080), await hear(8090)]).toEqual(['container', 'container']);
    await host.kill();
    const thief = await listener(host.netns.path, 8090, 'thief');
    await host.start();
    await host.says(/is back without one of its ports, until it is free: tcp port 8090/);
    expect(host.ping(a, gatewayOf(ipOf(a)))).toBe(2);
    expect([await hear(8080), await hear(8090)]).toEqual(['container', 'thief']);
    await thief.stop();
    await settled(
      async () => (await hear(8090)) === 'container',
      () => host.log,
    );
    await host.says(/tcp port 8090 of 0\.0\.0\.0 is published again/);
    await host.ask('DELETE', '/overlane/sandboxes/a');
    expect(await hear(8090)).toBe('');
  });

  it('a disk that is full: changes are refused, whole, and what there was survives', async () => {
    const small = path.join(host.folder, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160k', 'small', small]);
    const own = new DaemonHost('full', [
      '--no-default-bridge',
      '--store',
      path.join(small, 'store.db'),
      '--folder',
      small,
    ]);
    try {
      await own.start();
      await own.network({ Name: 'base' });
      let refused = { status: 0, body: {} as unknown };
      let count = 0;
      for (; count < 400 && refused.status === 0; count++) {
        const answer = await own.call('POST', '/overlane/sandboxes', {
          name: `s${count}`,
          networks: [{ network: 'base' }],
        });
        if (answer.status !== 201) refused = answer;
      }
      expect([refused.status, messageOf(refused.body)]).toEqual([
        500,
        expect.stringMatching(/full|no space left.*make room/),
      ]);
      const net = await own.call('POST', '/networks/create', { Name: 'more', Labels: { a: 'x'.repeat(60_000) } });
      expect([net.status, messageOf(net.body)]).toEqual([500, expect.stringMatching(/full; make room/)]);
      const seen = async () => [
        (await own.ask<SandboxView[]>('GET', '/overlane/sandboxes'))
          .map(({ name, endpoints }) => [name, endpoints])
          .sort(),
        (await own.ask<{ Name: string }[]>('GET', '/networks')).map(({ Name }) => Name).sort(),
        readdirSync(path.join(own.run, 'netns')).length,
        own.netns.links(),
      ];
      const before = await seen();
      expect(before[2]).toBe((before[0] as unknown[]).length);
      await own.kill();
      await own.start();
      expect(await seen()).toEqual(before);
      execFileSync('mount', ['-o', 'remount,size=4m', small]);
      await own.sandbox('fits', { network: 'base' });
      await own.stop();
      execFileSync('mount', ['-o', 'remount,ro', small]);
      await expect(own.start()).rejects.toThrow(/read-only; make it writable|may not write/);
      execFileSync('mount', ['-o', 'remount,rw', small]);
      await own.start();
      await own.clear();
    } finally {
      await own.remove();
      spawnSync('umount', ['-l', small]);
    }
  });

  /** Another daemon that is not to start: its status and last words. */
  function fails(words: string[], ...before: string[]): [number | null, string] {
    const own = path.join(host.folder, 'own');
    const folders = ['--socket', path.join(own, 's'), '--folder', own, '--run-folder', own];
    const all = [`--net=${host.netns.path}`, ...before, process.execPath, MAIN, ...folders, ...words];
    const { status, stderr } = spawnSync('nsenter', all, { encoding: 'utf8', timeout: 15_000 });
    return [status, stderr];
  }

  it('a store that another daemon has, and a start without privileges: refused, and nothing is left', async () => {
    const before = [await rules(), host.netns.links()];
    expect(fails(['--store', path.join(host.folder, 'store.db')])).toEqual([1, expect.stringMatching(/is in use/)]);
    for (const [capability, name] of [
      ['net_admin', 'CAP_NET_ADMIN'],
      ['sys_admin', 'CAP_SYS_ADMIN'],
    ]) {
      const less = ['setpriv', `--bounding-set=-${capability}`, `--inh-caps=-${capability}`];
      const store = path.join(host.folder, 'own', 'store.db');
      expect(fails(['--store', store], ...less)).toEqual([1, expect.stringMatching(new RegExp(`need ${name}`))]);
    }
    expect([await rules(), host.netns.links()]).toEqual(before);
    expect(readdirSync(path.join(host.folder, 'own'))).not.toContain('s');
  });

  it('other options and tools at the next start: more workers, no VTEP, no firewall, a bridge whose name is taken', async () => {
    host.netns.ip('address', 'replace', '198.19.0.1/32', 'dev', 'lo');
    options.push('--vtep', '198.19.0.1', '--workers', '2');
    await restart();
    await host.network({ Name: 'one' });
    await host.network({ Name: 'wide', Driver: 'overlay' });
    const a = await host.sandbox('a', { network: 'one', ports: [port(8080)] });
    const far = await host.sandbox('far', { network: 'wide' });
    await listener(a.netns, 80, 'container');
    const out = async (sandbox: SandboxView) => host.ping(sandbox, gatewayOf(ipOf(a)));
    expect(await out(far)).toBe(2);

    options.splice(0);
    await host.kill();
    host.netns.ip('link', 'del', 'overlane0');
    host.netns.ip('tuntap', 'add', 'mode', 'tap', 'overlane0');
    options.push('--firewall', 'none');
    await host.start();
    await host.says(/network bridge could not be brought back: .*overlane0 is taken on this host/);
    await host.says(/endpoint \S+ of sandbox far could not be brought back: .*--vtep/);
    expect(host.ping(a, gatewayOf(ipOf(a)))).toBe(2);
    expect(await hear(8080)).toBe('container');
    host.netns.ip('link', 'del', 'overlane0');
    await settled(
      () => /network bridge is back/.test(host.log),
      () => host.log,
    );
    await host.ask('POST', '/networks/wide/disconnect', { Container: 'far' });
    expect(host.exec(far, 'ip', '-o', 'link').out).not.toMatch(/eth\d/);
    await host.ask('DELETE', '/networks/wide');
    options.splice(0, options.length, '--workers', '2');
    await restart();
    options.splice(0);
    expect(host.ping(a, gatewayOf(ipOf(a)))).toBe(2);
    expect(await hear(8080)).toBe('container');
  });

  it('odd names and numbers: a clear refusal, or what was asked for', async () => {
    const long = 'x'.repeat(255);
    const { Id } = await host.network({ Name: long });
    await host.network({ Name: 'a.b-c_d' });
    await host.network({ Name: Id.slice(0, 4) });
    const named = await host.ask<{ Name: string }>('GET', `/networks/${Id.slice(0, 4)}`);
    expect(named.Name).toBe(Id.slice(0, 4));
    for (const Name of ['', ' ', '..', '-x', '.x', 'größe', 'a/b', 'a%2Fb', 'a\nb', 'a\n', 'a\0', `${long}x`]) {
      const refused = await host.call('POST', '/networks/create', { Name });
      expect([Name, refused.status, messageOf(refused.body)]).toEqual([
        Name,
        400,
        expect.stringMatching(/is no name|name/),
      ]);
      expect((await host.call('GET', `/networks/${encodeURIComponent(Name) || '%00'}`)).status, Name).toBe(404);
    }
    const create = (rest: Record<string, unknown>) => host.call('POST', '/networks/create', { Name: 'odd', ...rest });
    const subnet = (Subnet: string, rest = {}) => ({ IPAM: { Config: [{ Subnet, ...rest }] } });
    const mtu = (value: string, rest = {}) => ({ Options: { 'com.docker.network.driver.mtu': value }, ...rest });
    for (const [status, wrong] of [
      [400, { Labels: { 'a\0': 'b' } }],
      [400, subnet('10.99.0.1/24')],
      [400, subnet('10.0.0.0/1')],
      [400, subnet('10.99.0.0/33')],
      [400, subnet('10.99.0.0/24', { Gateway: '10.98.0.1' })],
      [400, subnet('10.99.0.0/24', { IPRange: '10.98.0.0/28' })],
      [400, mtu('67')],
      [400, mtu('65522')],
      [400, mtu('1279', subnet('fd00:99::/64'))],
      [400, { Options: { 'com.docker.network.bridge.name': 'br"; flush ruleset' } }],
    ] as const) {
      const refused = await create(wrong);
      expect([wrong, refused.status]).toEqual([wrong, status]);
    }
    for (const fine of [
      subnet('10.99.0.0/31'),
      subnet('10.99.0.0/32'),
      subnet('fd00:99::/64'),
      mtu('68'),
      mtu('65521'),
    ]) {
      const made = await create(fine);
      expect([fine, made.status]).toEqual([fine, 201]);
      await host.call('POST', '/overlane/sandboxes', { name: 'odd', networks: [{ network: 'odd' }] });
      await host.call('DELETE', '/overlane/sandboxes/odd');
      await host.ask('DELETE', '/networks/odd');
    }
    await create(subnet('10.99.0.0/16'));
    const overlapping = await host.call('POST', '/networks/create', { Name: 'two', ...subnet('10.99.3.0/24') });
    expect([overlapping.status, messageOf(overlapping.body)]).toEqual([403, expect.stringMatching(/overlaps/)]);
  });

  it('a MAC that is taken on a network is refused', async () => {
    await host.network({ Name: 'one', IPAM: { Config: [{ Subnet: '172.29.0.0/29' }] } });
    await host.network({ Name: 'mac', Driver: 'macvlan', IPAM: { Config: [{ Subnet: '172.29.1.0/29' }] } });
    for (const network of ['one', 'mac']) {
      const mac = '02:00:00:00:00:77';
      await host.sandbox(`${network}-a`, { network, mac });
      const body = { name: `${network}-b`, networks: [{ network, mac }] };
      // More often than there are addresses.
      for (let i = 0; i < 6; i++) {
        const refused = await host.call('POST', '/overlane/sandboxes', body);
        expect([refused.status, messageOf(refused.body)]).toEqual([409, expect.stringMatching(/02:00:00:00:00:77/)]);
      }
      await host.sandbox(`${network}-c`, { network });
    }
  });
});

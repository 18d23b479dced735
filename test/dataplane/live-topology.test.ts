/** Live topologies: what is wrong is found before anything is opened; what `overlane run` does with a right one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { buildTopology, type ErrorCode, parseTopology } from '../../src/index.js';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns, ping } from '../live/netns.js';
import { failure, watch } from './lab.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-live-'));
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const build = (source: string) => buildTopology(parseTopology(source, { file: 't.yaml', folder }));

/** In a namespace that is not there: whatever gets as far as opening it fails with another code. */
const GOOD = `
workers: [{}]
spin: 10
ports:
  c1: { type: tap, netns: ovl-nowhere, interface: eth0, addresses: [10.99.0.2/24] }
  eth1: { type: packet, netns: ovl-nowhere }
  out: { type: pcap, write: out.pcapng }
underlays:
  u0: { type: udp, netns: ovl-nowhere, local: 192.168.77.1, port: 4789 }
  u1: { type: frame, port: eth1, mac: "02:00:00:00:00:02", local: 10.0.0.1/24, gateway: 10.0.0.254 }
bridges:
  br0: { vni: 4097, underlay: u0, ports: [c1, out] }
peers:
  - { vni: 4097, mac: "02:42:0a:63:00:04", ip: 10.99.0.4, vtep: 192.168.77.2 }
`;

describe('a live topology', () => {
  it.each<[string, [string, string], ErrorCode, RegExp]>([
    ['nothing', ['', ''], 'ERR_OVERLANE_MISSING', /^t\.yaml:6:3: ports\.eth1: port 'eth1': .*ovl-nowhere/],
    [
      'the clock',
      ['spin: 10', 'clock: virtual'],
      'ERR_OVERLANE_TOPOLOGY',
      /^t\.yaml:3:1: clock: is 'virtual', but port 'c1' is live/,
    ],
    [
      'a worker',
      ['[{}]', '[{ cup: 1 }]'],
      'ERR_OVERLANE_TOPOLOGY',
      /workers\[0\]\.cup: unknown key; did you mean 'cpu'/,
    ],
    [
      'a key',
      ['addresses:', 'adresses:'],
      'ERR_OVERLANE_TOPOLOGY',
      /^t\.yaml:5:\d+: ports\.c1\.adresses: unknown key; did you mean 'addresses'/,
    ],
    [
      'an address',
      ['10.99.0.2/24', '10.99.0.2'],
      'ERR_OVERLANE_TOPOLOGY',
      /^t\.yaml:5:3: ports\.c1: option 'addresses\[0\]'.* has no prefix length/,
    ],
    [
      'both names',
      ['interface: eth0', 'interface: eth0, name: eth0'],
      'ERR_OVERLANE_TOPOLOGY',
      /ports\.c1\.name: the port is called 'c1', and 'interface' is given too; leave 'name' out/,
    ],
    [
      'an interface',
      ['interface: eth0', 'interface: a/b'],
      'ERR_OVERLANE_TOPOLOGY',
      /ports\.c1\.interface: must be the name of an interface/,
    ],
    [
      'a capture to read',
      ['write: out.pcapng', 'read: out.pcapng'],
      'ERR_OVERLANE_TOPOLOGY',
      /ports\.out: a live dataplane cannot 'read' a capture/,
    ],
    [
      'a port for one worker',
      ['[{}]', '[{}, {}]'],
      'ERR_OVERLANE_UNSUPPORTED',
      /ports\.out: port type 'pcap' works with one worker only/,
    ],
    [
      'a VTEP of this end',
      ['vtep: 192.168.77.2', 'vtep: 192.168.77.1'],
      'ERR_OVERLANE_TOPOLOGY',
      /peers\[0\]: option 'vtep' of addPeer: 192.168.77.1 is this end/,
    ],
    [
      'a UDP port',
      ['port: 4789', 'port: 80'],
      'ERR_OVERLANE_TOPOLOGY',
      /underlays\.u0\.port: must be a whole number from 1024/,
    ],
    [
      'a gateway',
      ['10.0.0.254', '10.0.1.254'],
      'ERR_OVERLANE_TOPOLOGY',
      /underlays\.u1: option 'gateway' of addUnderlay: 10.0.1.254 is not in 10.0.0.0\/24/,
    ],
    [
      'a name of two',
      ['u0: { type: udp', 'out: { type: udp'],
      'ERR_OVERLANE_TOPOLOGY',
      /underlays\.out: there is a port 'out' already/,
    ],
  ])('with a mistake in %s', (_, [was, is], code, words) => {
    const error = failure(() => build(GOOD.replace(was, is)));
    expect(error.message).toMatch(words);
    expect(error.code).toBe(code);
    expect(existsSync(join(folder, 'out.pcapng'))).toBe(false);
  });

  it('workers are for live topologies', () => {
    expect(failure(() => build('workers: [{}]\nports: { a: { type: memory } }'))).toEqual({
      code: 'ERR_OVERLANE_TOPOLOGY',
      message:
        't.yaml:1:1: workers: is for live traffic, but every port here is offline; leave it out, or add a live port',
    });
  });
});

/** `overlane run` in the background; what it has said so far, and how it ended. */
function overlane(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'run', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (data) => (said.out += String(data)));
  child.stderr.on('data', (data) => (said.err += String(data)));
  const until = async (words: RegExp) => {
    while (!words.test(said.err)) {
      if (child.exitCode !== null) throw new Error(`it ended: ${said.err}`);
      await once(child.stderr, 'data', { signal: AbortSignal.timeout(10_000) });
    }
  };
  const stop = async (signal: NodeJS.Signals) => {
    const closed = once(child, 'close', { signal: AbortSignal.timeout(10_000) });
    child.kill(signal);
    return (await closed)[0] as number | null;
  };
  return { said, until, stop };
}

describe.skipIf(!hasRoot)(`overlane run, live ${NEEDS_ROOT}`, () => {
  it('joins two containers until it is stopped, tells events and rates, and leaves nothing', async () => {
    const [h1, h2] = [new Netns('h1'), new Netns('h2')];
    joinByVeth([h1, '192.168.77.1/24'], [h2, '192.168.77.2/24']);
    const containers = [new Netns('c1'), new Netns('c2')];
    const example = readFileSync(new URL('../../docs/topologies/live-host.yaml', import.meta.url), 'utf8');
    const first = example
      .replace('netns: c1', `netns: ${containers[0]!.name}`)
      .replace('type: udp,', `type: udp, netns: ${h1.name},`);
    const second = first
      .replace(containers[0]!.name, containers[1]!.name)
      .replace(h1.name, h2.name)
      .replace('10.99.0.2/24', '10.99.0.4/24')
      .replace('local: 192.168.77.1', 'local: 192.168.77.2')
      .replace('ip: 10.99.0.4, vtep: 192.168.77.2', 'ip: 10.99.0.2, vtep: 192.168.77.1')
      .replace(/63:00:0[24]/g, (mac) => (mac.endsWith('2') ? '63:00:04' : '63:00:02'));
    const files = [first, second].map((text, i) => {
      const file = join(folder, `host${i}.yaml`);
      writeFileSync(file, text);
      return file;
    });
    const [one, two] = [overlane(files[0]!, '--stats', '0.5'), overlane(files[1]!, '--json')];
    await one.until(/^live: 1 port, 1 underlay, 1 worker; stop with Ctrl-C$/m);
    await two.until(/^live: /m);
    expect(JSON.parse(containers[0]!.ip('-j', 'link', 'show', 'eth0'))[0]).toMatchObject({
      mtu: 1450,
      address: '02:42:0a:63:00:02',
    });
    expect(await ping(containers[0]!, '10.99.0.4')).toBe(3);
    expect(await ping(containers[1]!, '10.99.0.2', { size: 8000 })).toBe(3);
    await containers[0]!.exec('ping', '-n', '-c', '1', '-W', '1', '10.99.0.9');
    await one.until(/^miss: nobody on bridge br0 has 10\.99\.0\.9, asked for on c1$/m);
    containers[0]!.ip('link', 'set', 'eth0', 'mtu', '1400');
    await one.until(/^link: c1 is up, MTU 1400$/m);
    await one.until(/^rx [\d,]+ packets\/s [\d.]+ Mb\/s, tx .*, dropped [\d,]+ packets\/s$/m);
    expect([await one.stop('SIGINT'), await two.stop('SIGTERM')]).toEqual([0, 0]);
    expect(one.said.out).toMatch(/^u0 +\d+/m);
    expect(one.said.out).toContain('every packet is accounted for');
    expect(JSON.parse(two.said.out)).toMatchObject({ complete: true, balanced: true, errors: [] });
    expect(containers.map((netns) => netns.links())).toEqual([[], []]);
  });

  it('the MTU of a TAP is what fits the underlay of its bridge, unless it is given', () => {
    const [host, container] = [new Netns('h1'), new Netns('c1')];
    const dataplane = watch(
      build(`
ports:
  a: { type: tap, netns: ${container.name} }
  b: { type: tap, netns: ${container.name}, mtu: 1300 }
  c: { type: tap, netns: ${container.name} }
underlays: { u0: { type: udp, netns: ${host.name}, local: "::1", mtu: 1500 } }
bridges: { remote: { vni: 1, underlay: u0, ports: [a, b] }, local: { ports: [c] } }`),
    );
    expect(dataplane.mode).toBe('live');
    const mtus = new Map([...dataplane.ports.values()].map(({ interface: link, mtu }) => [link, mtu]));
    expect(Object.fromEntries(mtus)).toEqual({ a: 1430, b: 1300, c: 1500 });
  });
});

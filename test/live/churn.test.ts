/** What a live dataplane withstands: changes under load, coming and going, doing nothing, and worker threads. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { buildUdpLoad, lastJson } from '../../bench/live/udp-load.js';
import { type BridgeOptions, Dataplane } from '../../src/index.js';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns, ping } from './netns.js';
import { balances, eventually, overlaneTwice } from './sites.js';
import { hasIperf3, iperf, NEEDS_IPERF3 } from './traffic.js';

/** 600 by hand: OVERLANE_CHURN_SECONDS=600. */
const SECONDS = Number(process.env['OVERLANE_CHURN_SECONDS'] ?? 10);
const SEED = Number(process.env['OVERLANE_CHURN_SEED'] ?? 1);

interface Stream {
  sent: number;
  received: number;
  reordered: number;
  duplicates: number;
  bad: number;
}

/** Numbered packets of four flows, 5,000 a second: what became of them. */
async function stream(from: Netns, to: Netns, address: string, seconds: number): Promise<Stream> {
  const program = await buildUdpLoad(AbortSignal.timeout(30_000));
  const sink = to.start(program, 'receive', '9000', '--size', '200', '--idle-ms', '1000', '--wait-ms', '5000');
  await sink.until(/ready\n/);
  const load = ['--size', '200', '--rate', '5000', '--seconds', `${seconds}`, '--flows', '4'];
  const sent = lastJson<{ sent: number }>(await from.start(program, 'send', address, '9000', ...load).done());
  return { ...lastJson<Omit<Stream, 'sent'>>(await sink.done()), sent: sent.sent };
}

/** Threads and descriptors of this process, but those that come and go with Node itself. */
function held(): { threads: number; files: string[] } {
  const files: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const to = readlinkSync(`/proc/self/fd/${fd}`);
      if (!/^\/proc\/|^pipe:|^anon_inode:\[pidfd\]/.test(to)) files.push(to.replace(/\d+/g, 'N'));
    } catch {
      // The one that readdir had.
    }
  }
  return { threads: readdirSync('/proc/self/task').length, files: files.sort() };
}

const open: Dataplane[] = [];

afterEach(async () => {
  for (const dataplane of open.splice(0)) await dataplane.close();
});

/** Names of the threads that carry packets, and the nanoseconds that each has run. */
function workerTimes(): Map<string, bigint> {
  const times = new Map<string, bigint>();
  for (const task of readdirSync('/proc/self/task')) {
    const at = `/proc/self/task/${task}`;
    const name = readFileSync(`${at}/comm`, 'utf8').trim();
    if (/^overlane/.test(name))
      times.set(`${name} ${task}`, BigInt(readFileSync(`${at}/schedstat`, 'utf8').split(' ')[0]!));
  }
  return times;
}

/** mulberry32: the same choices for the same seed. */
function randomOf(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % limit;
  };
}

describe.skipIf(!hasRoot)(`a live dataplane ${NEEDS_ROOT}`, () => {
  it.skipIf(!hasIperf3)(
    `takes a thousand changes a second, and neither loses nor reorders a packet of others ${NEEDS_IPERF3}`,
    async () => {
      const [one, two] = await overlaneTwice({ carrier: 'udp', outer: 4, vni: 1, port: 4789, learning: false });
      expect(await ping(one.container, two.ip)).toBe(3);
      const { dataplane, bridge } = one;
      const others = Array.from({ length: 4 }, (_, i) => dataplane.addPort({ type: 'memory', name: `m${i}` }));
      const extra = new Netns('x');
      let changes = 0;
      let worst = 0;
      let running = true;
      const round = (n: number) => {
        const port = others[n % others.length]!;
        const mac = `02:00:00:01:${((n >> 8) & 255).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
        const ip = `10.98.${(n >> 8) & 127}.${1 + (n & 127)}`;
        bridge.attach(port);
        bridge.addPeer({ mac, ip, vtep: '192.168.77.9' });
        bridge.addNeighbor({ ip: `10.97.0.${1 + (n % 200)}`, mac });
        bridge.removeNeighbor(`10.97.0.${1 + (n % 200)}`);
        bridge.removePeer({ mac });
        bridge.detach(port);
        changes += 6;
        if (n % 50 !== 0) return;
        const tap = dataplane.addPort({ type: 'tap', netns: extra.name, interface: 'eth0', name: 'x' });
        const local = dataplane.addBridge({ name: 'local' }).attach(tap);
        local.close();
        tap.close();
        changes += 5;
      };
      const started = performance.now();
      const changing = (async () => {
        for (let n = 0; running; n++) {
          const before = performance.now();
          round(n);
          worst = Math.max(worst, performance.now() - before);
          const due = started + (changes / 1000) * 1000;
          await sleep(Math.max(0, due - performance.now()));
        }
        return (changes / (performance.now() - started)) * 1000;
      })();
      const [udp, tcp] = await Promise.all([
        stream(one.container, two.container, two.ip, 3),
        iperf(one.container, two.container, two.ip, ['-t', '2', '-b', '100M']),
      ]).finally(() => {
        running = false;
      });
      const rate = await changing;
      console.log(
        `changes a second: ${rate.toFixed(0)}; the longest round of changes: ${worst.toFixed(1)} ms`,
        udp,
        tcp,
      );
      expect(udp).toMatchObject({ received: udp.sent, reordered: 0, duplicates: 0, bad: 0 });
      expect(tcp.megabits).toBeGreaterThan(50);
      expect(rate).toBeGreaterThan(500);
      for (const site of [one, two]) await balances(site);
    },
  );

  it(
    'comes and goes without leaving a thread, a descriptor, or an interface',
    async () => {
      const random = randomOf(SEED);
      const [host, container] = [new Netns('h'), new Netns('c')];
      joinByVeth([host, '192.168.77.1/24'], [container, '192.168.77.2/24']);
      host.ip('address', 'add', 'fd77::1/64', 'dev', 'wire', 'nodad');
      await (await start(host, container, random)).close();
      open.length = 0;
      const before = held();
      const late = performance.now() + SECONDS * 1000;
      let rounds = 0;
      while (performance.now() < late) {
        rounds++;
        if (open.length < 2) await start(host, container, random);
        else await open.splice(random(open.length), 1)[0]!.close();
        for (const dataplane of open) change(dataplane, host, container, random);
        if (rounds % 5 === 0) await sleep(1);
      }
      for (const dataplane of open) await dataplane.close();
      await eventually(() => held().threads <= before.threads, 'the threads are gone');
      expect(held()).toEqual(before);
      expect([host.links(), container.links()]).toEqual([['wire'], ['wire']]);
      expect(rounds).toBeGreaterThan(SECONDS);
      console.log(`${rounds} rounds, seed ${SEED}`);
    },
    SECONDS * 1000 + 30_000,
  );

  it('uses no processor while there is nothing to do', async () => {
    const [host, container] = [new Netns('h'), new Netns('c')];
    host.ip('address', 'add', '192.168.77.1/24', 'dev', 'lo');
    const dataplane = new Dataplane();
    open.push(dataplane);
    const underlay = dataplane.addUnderlay({ type: 'udp', netns: host.name, local: '192.168.77.1' });
    const tap = dataplane.addPort({ type: 'tap', netns: container.name, name: 'eth0', addresses: ['10.99.0.1/24'] });
    dataplane.addBridge({ vni: 1, underlay, vteps: ['192.168.77.2'] }).attach(tap);
    await dataplane.start();
    await sleep(500);
    const before = workerTimes();
    expect(before.size).toBeGreaterThan(0);
    const since = performance.now();
    await sleep(2000);
    let used = 0n;
    for (const [thread, time] of workerTimes()) used += time - (before.get(thread) ?? 0n);
    const share = Number(used) / 1e6 / (performance.now() - since);
    console.log(`idle: ${(share * 100).toFixed(3)} % of a core`, [...before.keys()]);
    expect(share).toBeLessThan(0.01);
    const closing = performance.now();
    await dataplane.close();
    expect(performance.now() - closing, 'an idle worker is not slept out').toBeLessThan(500);
  });

  it('lives and ends in a worker thread', async () => {
    const before = held().threads;
    for (const way of ['close', 'terminate', 'exit'] as const) {
      const [c1, c2] = [new Netns('c1'), new Netns('c2')];
      const worker = new Worker(new URL('./in-worker.mjs', import.meta.url), { workerData: [c1.name, c2.name] });
      const failed = new Promise<never>((_, reject) => worker.once('error', reject));
      failed.catch(() => {});
      const said = (word: string) =>
        Promise.race([failed, new Promise<void>((done) => worker.on('message', (text) => text === word && done()))]);
      await said('started');
      expect(await ping(c1, '10.99.0.2')).toBe(3);
      const traffic = c1.start('ping', '-q', '-f', '-w', '2', '10.99.0.2');
      await sleep(200);
      const ended = new Promise((done) => worker.once('exit', done));
      if (way === 'terminate') await worker.terminate();
      else worker.postMessage(way);
      await Promise.race([failed, ended]);
      await eventually(() => held().threads <= before, `the threads are gone after ${way}`);
      expect(workerTimes().size, way).toBe(0);
      expect([c1.links(), c2.links()], way).toEqual([[], []]);
      await traffic.stop();
    }
  });
});

async function start(host: Netns, container: Netns, random: (limit: number) => number): Promise<Dataplane> {
  const dataplane = new Dataplane({ workers: random(2) === 0 ? [{}] : [{}, {}], packets: { small: 1024, large: 64 } });
  open.push(dataplane);
  const bridge = dataplane.addBridge({ name: 'local' });
  attempt(() =>
    bridge.attach(dataplane.addPort({ type: 'tap', netns: container.name, interface: `t${random(4)}`, name: 't' })),
  );
  if (random(4) > 0) await dataplane.start();
  change(dataplane, host, container, random);
  return dataplane;
}

/** Two dataplanes may want the same interface or UDP port: then the second is refused, and has to leave nothing behind either. */
function attempt(step: () => unknown): void {
  try {
    step();
  } catch (error) {
    expect((error as { code?: string }).code, String(error)).toMatch(
      /^ERR_OVERLANE_(BUSY|EXISTS|UNSUPPORTED|MISSING)$/,
    );
  }
}

function change(dataplane: Dataplane, host: Netns, container: Netns, random: (limit: number) => number): void {
  const { ports, underlays, bridges } = dataplane;
  const pick = <T>(from: ReadonlyMap<string, T>): T | undefined => [...from.values()][random(Math.max(1, from.size))];
  const steps: (() => unknown)[] = [
    () => dataplane.addPort({ type: 'tap', netns: container.name, interface: `t${random(8)}` }),
    () => dataplane.addPort({ type: 'packet', netns: host.name, interface: 'wire' }),
    () => dataplane.addPort({ type: 'xdp', netns: host.name, interface: 'wire', frames: 256 }),
    () => dataplane.addUnderlay({ type: 'udp', netns: host.name, local: '192.168.77.1', port: 4789 + random(3) }),
    () => dataplane.addUnderlay({ type: 'udp', netns: host.name, local: 'fd77::1', port: 4789 + random(3) }),
    () => bridges.size < 8 && dataplane.addBridge(bridgeOptions()),
    () => {
      const port = pick(ports);
      if (port !== undefined) pick(bridges)?.attach(port);
    },
    () => {
      const port = pick(ports);
      port?.bridges[0]?.detach(port);
    },
    () => pick(ports)?.close(),
    () => pick(underlays)?.close(),
    () => pick(bridges)?.close(),
    () => dataplane.counters(),
  ];
  const bridgeOptions = (): BridgeOptions => {
    const underlay = pick(underlays);
    if (underlay === undefined) return {};
    return { vni: 1 + random(9), underlay, vteps: underlay.family === 4 ? ['192.168.77.2'] : [] };
  };
  for (let i = 0; i < 5; i++) attempt(steps[random(steps.length)]!);
}

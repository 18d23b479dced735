/** Many endpoints and networks: what one more costs, and what it does to those that are there. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { Program } from '../live/program.js';
import { hasTool } from '../peers.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

/** `OVERLANE_ENDPOINTS=1000 OVERLANE_NETWORKS=200` for a long run. */
const ENDPOINTS = Number(process.env['OVERLANE_ENDPOINTS'] ?? 150);
const NETWORKS = Number(process.env['OVERLANE_NETWORKS'] ?? 30);
/** Milliseconds, of the median. */
const CREATE_WITHIN = 20;
const JOIN_WITHIN = 20;
const KIB_AN_ENDPOINT = 100;
const ROUNDS = 7;

interface Pair {
  from: SandboxView;
  to: SandboxView;
}

function ipOf({ endpoints }: SandboxView): string {
  return endpoints[0]!.addresses[0]!.replace(/\/.*/, '');
}

const live = describe.skipIf(!hasRoot || !hasTool('iperf3'));

live(hasRoot && hasTool('iperf3') ? 'scale' : `scale ${NEEDS_ROOT} (needs iperf3: apt-get install iperf3)`, () => {
  let host: DaemonHost;
  let empty: DaemonHost;
  beforeAll(async () => {
    host = new DaemonHost('scale', ['--no-default-bridge', '--log-level', 'warn']);
    empty = new DaemonHost('empty', ['--no-default-bridge', '--log-level', 'warn']);
    await Promise.all([host.start(), empty.start()]);
  });
  afterAll(async () => {
    await empty.remove();
    await host.remove();
  }, 120_000);

  async function pair(on: DaemonHost): Promise<Pair> {
    await on.network({ Name: 'big', IPAM: { Config: [{ Subnet: '10.50.0.0/16' }] } });
    return { from: await on.sandbox('first', { network: 'big' }), to: await on.sandbox('second', { network: 'big' }) };
  }

  const median = (times: number[]) => [...times].sort((a, b) => a - b)[times.length >> 1]!;

  async function timed(count: number, work: (i: number) => Promise<unknown>): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await work(i);
      times.push(performance.now() - start);
    }
    return times;
  }

  /** KiB of the daemon that are in memory. */
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8'))?.[1]);

  /** Gb/s of TCP from the first container to the second, of each host in turn, so that what else the machine does hurts both alike. */
  async function speeds(pairs: Pair[]): Promise<number[]> {
    const servers = pairs.map(
      ({ to }) => new Program(['nsenter', `--net=${to.netns}`, 'iperf3', '-s', '--forceflush']),
    );
    for (const server of servers) await server.until(/listening/);
    const rates = pairs.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, { from, to }] of pairs.entries()) {
        const { out } = host.exec(from, 'iperf3', '-c', ipOf(to), '-n', '400M', '-J');
        const { end } = JSON.parse(out) as { end: { sum_received: { bits_per_second: number } } };
        rates[i]!.push(end.sum_received.bits_per_second / 1e9);
      }
    }
    for (const server of servers) await server.stop();
    return rates.map(median);
  }

  it(`${ENDPOINTS} endpoints on one bridge, ${NETWORKS} networks`, { timeout: 600_000 }, async () => {
    const pairs = [await pair(empty), await pair(host)];
    await speeds(pairs);
    const before = rss();

    const networks = await timed(NETWORKS, (i) =>
      host.network({ Name: `n${i}`, IPAM: { Config: [{ Subnet: `10.60.${i}.0/24` }] } }),
    );
    const afterNetworks = rss();
    const sandboxes: number[] = [];
    const joins: number[] = [];
    for (let i = 0; i < ENDPOINTS; i++) {
      sandboxes.push(...(await timed(1, () => host.sandbox(`s${i}`))));
      joins.push(...(await timed(1, () => host.ask('POST', '/overlane/networks/big/connect', { sandbox: `s${i}` }))));
    }
    const kib = (rss() - afterNetworks) / ENDPOINTS;
    const [alone = 0, crowded = 0] = await speeds(pairs);
    const ms = (times: number[]) => `${median(times).toFixed(1)} ms (worst ${Math.max(...times).toFixed(0)})`;
    console.log(
      [
        `create network ${ms(networks)}`,
        `create sandbox ${ms(sandboxes)}`,
        `create endpoint and join ${ms(joins)}`,
        `${kib.toFixed(0)} KiB an endpoint`,
        `${((afterNetworks - before) / NETWORKS).toFixed(0)} KiB a network`,
        `TCP ${crowded.toFixed(2)} Gb/s, ${(crowded / alone).toFixed(2)} of that of an empty daemon`,
      ].join('\n'),
    );
    expect(median(networks)).toBeLessThan(CREATE_WITHIN);
    expect(median(joins)).toBeLessThan(JOIN_WITHIN);
    expect(kib).toBeLessThan(KIB_AN_ENDPOINT);
    expect(crowded / alone).toBeGreaterThan(0.9);
    expect(host.ping(pairs[1]!.from, ipOf(pairs[1]!.to))).toBe(2);
  });
});

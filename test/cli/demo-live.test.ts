/** `overlane demo --live`: what it shows, and that nothing is left of it, however it ends. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { hasTool } from '../peers.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const HAS_PING = hasTool('ping');
const NEEDS = `${NEEDS_ROOT.slice(0, -1)} and apt-get install iproute2 iputils-ping)`;

interface Outcome {
  ping: { median: number };
  download: { offered: string; arrived: string };
  throughput: { bits: number; by: string };
  counters: Record<string, { total: Record<string, number> }>;
  seconds: number;
}

const children = new Set<ChildProcess>();
const pids = new Set<number>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  for (const pid of pids) {
    for (const name of namespaces(pid)) spawnSync('ip', ['netns', 'del', name]);
  }
});

function namespaces(pid: number): string[] {
  const all = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  return all.filter((name) => name.startsWith(`overlane-demo-${pid}-`));
}

function demo(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'demo', '--live', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  pids.add(child.pid!);
  const said = { out: '', err: '' };
  child.stdout.on('data', (data) => (said.out += String(data)));
  child.stderr.on('data', (data) => (said.err += String(data)));
  const ended = once(child, 'close', { signal: AbortSignal.timeout(25_000) });
  return { pid: child.pid!, child, said, ended };
}

/** When its last namespace is there, and a little later, so that traffic passes. */
async function underWay(pid: number): Promise<void> {
  for (let i = 0; i < 1000 && namespaces(pid).length < 4; i++) await sleep(10);
  expect(namespaces(pid)).toHaveLength(4);
  await sleep(1500);
  expect(namespaces(pid)).toHaveLength(4);
}

describe.skipIf(!hasRoot || !HAS_PING)(`overlane demo --live ${NEEDS}`, () => {
  it('real traffic between two containers: figures as JSON, in less than 15 seconds', async () => {
    const { pid, said, ended } = demo('--json');
    expect(await ended, said.err).toEqual([0, null]);
    const outcome = JSON.parse(said.out) as Outcome;
    expect(outcome).toMatchObject({
      live: true,
      vni: 4097,
      mtu: { wire: 1500, container: 1450 },
      ping: { sent: 50, received: 50 },
      large: { sent: 5, received: 5 },
      download: { bytes: 64 * 2 ** 20 },
      counters: { c1: { balanced: true }, c2: { balanced: true } },
      failures: [],
    });
    const { download, throughput, ping, seconds, counters } = outcome;
    expect(download.arrived).toMatch(/^[0-9a-f]{64}$/);
    expect(download.arrived).toBe(download.offered);
    expect(throughput.bits).toBeGreaterThan(1e7);
    expect(throughput.by).toBe(hasTool('iperf3') ? 'iperf3' : 'download');
    expect(ping.median).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(15);
    expect(counters['c1']!.total['encapsulated']).toBeGreaterThan(100);
    expect(namespaces(pid)).toEqual([]);
  });

  it('one table for people, and nothing on stderr that is no terminal', async () => {
    const { said, ended } = demo();
    expect(await ended, said.err).toEqual([0, null]);
    expect(said.err).toBe('');
    expect(said.out).toMatch(/^pings answered +50 of 50 +✓ c1 reaches c2$/m);
    expect(said.out).toMatch(/^download +64 MiB +✓ by HTTP, the same SHA-256 at both ends$/m);
    expect(said.out).toMatch(/^latency +\d+ µs /m);
    expect(said.out).toMatch(/✓ every packet on both hosts is accounted for$/m);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s: nothing is left, and the shell is told', async (signal) => {
    const { pid, child, said, ended } = demo();
    await underWay(pid);
    child.kill(signal);
    expect(await ended).toEqual([null, signal]);
    expect(said).toEqual({ out: '', err: '' });
    expect(namespaces(pid)).toEqual([]);
  });

  it('after kill -9 the next one sweeps what is left, and works', async () => {
    const killed = demo();
    await underWay(killed.pid);
    killed.child.kill('SIGKILL');
    expect(await killed.ended).toEqual([null, 'SIGKILL']);
    expect(namespaces(killed.pid)).toHaveLength(4);
    const next = demo('--json');
    expect(await next.ended, next.said.err).toEqual([0, null]);
    const { swept } = JSON.parse(next.said.out) as { swept: string[] };
    expect(swept.filter((name) => name.includes(`-${killed.pid}-`))).toHaveLength(4);
    expect([...namespaces(killed.pid), ...namespaces(next.pid)]).toEqual([]);
  });

  it('without ping: the way to get it', () => {
    const env = { ...process.env, PATH: '' };
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'demo', '--live'], { encoding: 'utf8', env });
    expect(status).toBe(1);
    expect(stderr).toMatch(/demo --live needs .*ping: apt-get install .*iputils-ping \(ERR_OVERLANE_MISSING\)\n$/);
  });

  it('without privileges: which, and how to get them', () => {
    const options = { encoding: 'utf8', uid: 65534, gid: 65534 } as const;
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'demo', '--live', '--json'], options);
    expect(status).toBe(1);
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
    expect(error.code).toBe('ERR_OVERLANE_PERMISSION');
    expect(error.message).toMatch(/needs CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN: run as root/);
  });
});

it('demo --live --out: is wrong usage', () => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'demo', '--live', '--out', 'x'], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toMatch(/--live writes no captures/);
});

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { congestionControls, systemCongestion } from '../../bench/live/congestion.js';
import type { Live } from '../../bench/live/gauge.js';
import { pingGauge } from '../../bench/live/gauges/ping.js';
import { Lab } from '../../bench/live/lab.js';
import { chooseLive, runLive } from '../../bench/live/main.js';
import { listNamespaces, prefixOf, sweep } from '../../bench/live/names.js';
import { root } from '../../bench/live/root.js';
import { CONTAINERS } from '../../bench/live/setup.js';
import { veth } from '../../bench/live/setups/veth.js';
import { hasTool } from '../peers.js';

const never = new AbortController().signal;
const tools = ['ip', 'bridge', 'ping', 'iperf3', 'g++'];
const able = process.getuid?.() === 0 && tools.every(hasTool);
const isBuilt = existsSync(join(root, 'dist', 'cli', 'main.js'));
const NEEDS = '(needs root and apt-get install iproute2 iputils-ping iperf3 g++)';

const options = { rounds: 1, seconds: 1, quick: true, peers: false };
const cells = chooseLive(options).filter(({ setup }) => ['bare veth', 'kernel vxlan'].includes(setup.name));

/** Namespaces and directories of this process's runs. */
function left(): string[] {
  return [...listNamespaces(), ...readdirSync(tmpdir())].filter((name) => name.startsWith(prefixOf(process.pid)));
}

/** Two containers joined by a veth pair, while `work` runs. */
async function withVeth(congestion: string, work: (live: Live) => Promise<void>): Promise<void> {
  const lab = new Lab('test', congestion, never);
  try {
    await work({ setup: veth, lab, ends: await veth.up(lab) });
  } finally {
    await lab.close();
  }
}

/** CPU time of the processes that this one has started and seen the end of, to 10 ms: cutime and cstime of proc(5). */
function childSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

describe.skipIf(!able)(`live traffic ${NEEDS}`, () => {
  it('measures the kernel, and leaves nothing behind', { timeout: 60_000 }, async () => {
    const outcome = await runLive(options, never, () => {}, cells);
    expect(outcome.setups).toMatchObject([
      { name: 'bare veth', absent: null, failure: null },
      { name: 'kernel vxlan', absent: null, failure: null },
    ]);
    expect(outcome.rows).toHaveLength(cells.length);
    for (const row of outcome.rows) {
      expect(row).toMatchObject({ absent: null, failure: null });
      expect(row.figures[row.main]!.median).toBeGreaterThan(0);
    }
    const udp = outcome.rows.find(({ gauge, setup }) => gauge === 'udp' && setup === 'kernel vxlan')!;
    expect(udp.figures.loss_percent!.max).toBeLessThan(0.1);
    const tcp = outcome.rows.find(({ gauge }) => gauge === 'tcp')!;
    expect(tcp.figures.cpu_ms_per_gbit!.median).toBeGreaterThan(0);
    expect(outcome.congestion).toBe(systemCongestion());
    expect(outcome.generator!.sendmmsg).toBeGreaterThan(1000);
    expect(left()).toEqual([]);
  });

  it.skipIf(!isBuilt)(
    'carries pings encrypted, of either profile (needs dist: npm run build)',
    { timeout: 60_000 },
    async () => {
      const encrypted = chooseLive({ ...options, quick: false }).filter(
        ({ gauge, setup }) => gauge.name === 'ping' && setup.plain === 'overlane udp',
      );
      const { rows, setups } = await runLive(options, never, () => {}, encrypted);
      expect(setups).toMatchObject([
        { name: 'overlane udp, encrypted', absent: null, failure: null },
        { name: 'overlane udp, docker profile', absent: null, failure: null },
      ]);
      expect(rows).toHaveLength(2);
      for (const { figures, failure } of rows) {
        expect(failure).toBeNull();
        expect(figures.p50_us!.median).toBeGreaterThan(0);
      }
      expect(left()).toEqual([]);
    },
  );

  it.each(congestionControls().allowed)('has TCP with %s, of which iperf3 and the host know nothing', async (name) => {
    const before = systemCongestion();
    await withVeth(name, async ({ ends: { a, b } }) => {
      const server = b.start('iperf3', ['--server', '--one-off', '--forceflush']);
      try {
        await server.until(/listening/i, AbortSignal.timeout(5000));
        const args = ['--client', CONTAINERS[1].ip, '--bytes', '1M', '--json'];
        const { end } = JSON.parse(await a.run('iperf3', args)) as { end: Record<string, unknown> };
        expect(end).toMatchObject({ sender_tcp_congestion: name, receiver_tcp_congestion: name });
      } finally {
        await server.stop();
      }
    });
    expect(systemCongestion()).toBe(before);
    expect(left()).toEqual([]);
  });

  it('pings without holding a core', async () => {
    await withVeth(systemCongestion(), async (live) => {
      const [used, began] = [childSeconds(), performance.now()];
      const { lost } = await pingGauge.run(live, { seconds: 1, quick: true, signal: never });
      expect(lost).toBe(0);
      expect((childSeconds() - used) / ((performance.now() - began) / 1000)).toBeLessThan(0.2);
    });
  });

  it('leaves nothing behind when it is interrupted', { timeout: 30_000 }, async () => {
    const stop = new AbortController();
    let seen = 0;
    const run = runLive(
      { ...options, seconds: 20 },
      stop.signal,
      ({ name }) => {
        if (!name.startsWith('tcp')) return;
        seen = left().length;
        setTimeout(() => stop.abort(), 500);
      },
      cells,
    );
    expect(await run).toMatchObject({ interrupted: true });
    expect(seen).toBeGreaterThan(0);
    expect(left()).toEqual([]);
  });

  it('sweeps up after a run that was killed, not after one that lives', async () => {
    const child = spawn('sleep', ['60']);
    const gone = spawn('true');
    await new Promise((resolve) => gone.on('close', resolve));
    const [dead, alive] = [`${prefixOf(gone.pid!)}veth-c1`, `${prefixOf(child.pid!)}veth-c1`];
    try {
      for (const name of [dead, alive]) execFileSync('ip', ['netns', 'add', name]);
      expect(await sweep(never)).toContain(dead);
      expect(listNamespaces()).toContain(alive);
      expect(listNamespaces()).not.toContain(dead);
    } finally {
      execFileSync('ip', ['netns', 'delete', alive]);
      child.kill();
    }
  });
});

/** kill -9 of the daemon at random points of a storm of changes: nothing that was answered is lost, nothing else is left. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { Program } from '../live/program.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

/** How often it is killed: `OVERLANE_KILLS=100` for a long run. */
const KILLS = Number(process.env['OVERLANE_KILLS'] ?? 8);
/** Milliseconds that a ping of a running container may stay without an answer, counted from the start of the next daemon. */
const BACK_WITHIN = 1000;
const WORKERS = 4;

/** What was answered: true, it is there; false, it is gone; a missing one was asked for when the daemon died. */
type Known = Map<string, boolean>;

/** xorshift32: the same storm again for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One client: makes, connects, disconnects and removes, one request after another, until the daemon is gone. */
async function storm(host: DaemonHost, client: number, roll: (below: number) => number, known: Known): Promise<number> {
  let answered = 0;
  const names = Array.from({ length: 4 }, (_, i) => `${client}-${i}`);
  const settle = async (key: string, there: boolean, method: string, where: string, body?: unknown) => {
    const before = known.get(key);
    known.delete(key);
    const { status } = await host.call(method, where, body);
    answered++;
    // A refusal (it exists, it is in use, it is not there) changes nothing.
    if (status < 300) known.set(key, there);
    else if (before !== undefined) known.set(key, before);
  };
  for (;;) {
    const name = names[roll(names.length)]!;
    try {
      switch (roll(6)) {
        case 0:
          await settle(`network n${name}`, true, 'POST', '/networks/create', { Name: `n${name}` });
          break;
        case 1:
          await settle(`network n${name}`, false, 'DELETE', `/networks/n${name}`);
          break;
        case 2:
        case 3:
          await settle(`sandbox s${name}`, true, 'POST', '/overlane/sandboxes', {
            name: `s${name}`,
            networks: [{ network: 'base' }],
          });
          break;
        case 4:
          await settle(`sandbox s${name}`, false, 'DELETE', `/overlane/sandboxes/s${name}`);
          break;
        default:
          await host.call('POST', `/networks/n${name}/connect`, { Container: `s${names[roll(names.length)]}` });
      }
    } catch {
      return answered;
    }
  }
}

const live = describe.skipIf(!hasRoot);

live(hasRoot ? 'a storm of changes' : `a storm of changes ${NEEDS_ROOT}`, () => {
  let host: DaemonHost;
  let pinging: Program;
  let before: SandboxView;
  const known: Known = new Map();
  const seed = Number(process.env['OVERLANE_SEED'] ?? 20261121);
  const roll = random(seed);

  beforeAll(async () => {
    host = new DaemonHost('storm', ['--no-default-bridge', '--log-level', 'warn']);
    await host.start();
    await host.network({ Name: 'base' });
    before = await host.sandbox('pinger', { network: 'base' });
    const target = await host.sandbox('target', { network: 'base' });
    const ip = target.endpoints[0]!.addresses[0]!.replace(/\/.*/, '');
    pinging = new Program(['nsenter', `--net=${before.netns}`, 'ping', '-n', '-D', '-i', '0.02', '-W', '1', ip]);
    await pinging.until(/icmp_seq=5 /);
  });
  afterAll(async () => {
    await pinging.stop();
    await host.remove();
  });

  it(`${KILLS} kills (seed ${seed})`, { timeout: 20_000 + KILLS * 6000 }, async () => {
    let answered = 0;
    const gaps: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const clients = Array.from({ length: WORKERS }, (_, client) =>
        storm(host, client, random(1 + roll(2 ** 31)), known),
      );
      await new Promise((resolve) => setTimeout(resolve, 20 + roll(400)));
      await host.kill();
      answered += (await Promise.all(clients)).reduce((sum, count) => sum + count, 0);
      const started = Date.now();
      await host.start();
      gaps.push(await backAfter(pinging, started));
      await check(host, known, `kill ${i}`);
    }
    expect(answered).toBeGreaterThan(KILLS);
    const worst = Math.max(...gaps);
    console.log(
      `${KILLS} kills, ${answered} answers, traffic back ${Math.min(...gaps)} to ${worst} ms after the start`,
    );
    expect(worst).toBeLessThan(BACK_WITHIN);
    const after = await host.ask<SandboxView>('GET', '/overlane/sandboxes/pinger');
    expect(after).toEqual(before);
  });
});

/** Milliseconds from `started` until a ping was answered. */
async function backAfter(pinging: Program, started: number): Promise<number> {
  const late = Date.now() + 5000;
  while (Date.now() < late) {
    const times = [...pinging.output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes/gm)].map(([, time]) => Number(time) * 1000);
    const back = times.find((time) => time > started);
    if (back !== undefined) return Math.round(back - started);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return Number.POSITIVE_INFINITY;
}

interface NetworkView {
  Id: string;
  Name: string;
  Driver: string;
}

async function check(host: DaemonHost, known: Known, where: string): Promise<void> {
  const networks = await host.ask<NetworkView[]>('GET', '/networks');
  const sandboxes = await host.ask<SandboxView[]>('GET', '/overlane/sandboxes');
  const there = new Set([
    ...networks.map(({ Name }) => `network ${Name}`),
    ...sandboxes.map(({ name }) => `sandbox ${name}`),
  ]);
  for (const [key, expected] of known) expect(there.has(key), `${where}: ${key}`).toBe(expected);
  // What was under way is settled now, one way or the other.
  for (const key of there) known.set(key, true);

  const addresses = sandboxes.flatMap(({ endpoints }) => endpoints.flatMap((endpoint) => endpoint.addresses));
  expect(new Set(addresses).size, `${where}: an address twice`).toBe(addresses.length);

  expect(readdirSync(path.join(host.run, 'netns')).sort(), where).toEqual(
    sandboxes.map(({ id }) => id.slice(0, 12)).sort(),
  );
  expect(readdirSync(path.join(host.folder, 'lib', 'sandboxes')).sort(), where).toEqual(
    sandboxes.map(({ id }) => id).sort(),
  );
  const bridges = networks.filter(({ Driver }) => Driver === 'bridge').map(({ Id }) => `br-${Id.slice(0, 12)}`);
  expect(host.netns.links().sort(), where).toEqual(bridges.sort());
  for (const { netns, name, endpoints } of sandboxes) {
    expect(existsSync(netns)).toBe(true);
    const links = host.exec({ netns }, 'ip', '-o', 'link').out.match(/\beth\d+/g) ?? [];
    expect(links.sort(), `${where}: interfaces of ${name}`).toEqual(
      endpoints.map((endpoint) => endpoint.interface).sort(),
    );
  }
  const rules = (await host.netns.exec('nft', 'list', 'ruleset')).out;
  const named = new Set([...rules.matchAll(/br-[0-9a-f]{12}/g)].map(([name]) => name));
  expect([...named].sort(), `${where}: interfaces in rules`).toEqual(bridges);
}

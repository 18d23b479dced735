/** A node that is killed under load and started again: traffic resumes by itself, and no nonce is used twice. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { vxlanMtu } from '../../src/index.js';
import { toHex } from '../../src/wire/field.js';
import { hasRoot, NEEDS_ROOT, Netns } from '../live/netns.js';
import { Program } from '../live/program.js';
import { hasTool } from '../peers.js';
import { addressOf, Capture, containerMac, kindOf, testFolder, wiredHosts } from './live-nodes.js';
import { espOf, ivOf, secretOf, spiOf, TAG, VNI, type Way } from './nodes.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const NEEDS_TOOLS = '(needs tcpdump and ethtool: apt-get install tcpdump ethtool)';

/** More by hand: OVERLANE_RESTARTS=20. */
const RESTARTS = Number(process.env['OVERLANE_RESTARTS'] ?? 3);
/** Ethernet, IPv4, UDP, and what is in the clear of ESP. */
const SNAPLEN = 14 + 20 + 8 + 16;

interface Ran {
  host: Netns;
  container: Netns;
  /** Topology file. */
  file: string;
  process: Program;
}

function topologyOf(way: Way, n: 1 | 2, host: Netns, container: Netns, keys: string): object {
  const far = 3 - n;
  const [mac, vtep] = [containerMac(n), addressOf(way.version, far)];
  const mtu = vxlanMtu(1500, way.version, way.profile);
  return {
    ports: { c: { type: 'tap', netns: container.path, name: 'eth0', mac, mtu, addresses: [`10.99.0.${n}/24`] } },
    underlays: { u0: { type: 'udp', netns: host.name, local: addressOf(way.version, n) } },
    bridges: { br0: { vni: VNI, underlay: 'u0', ports: [{ port: 'c', mac }], proxyArp: true, encryption: { keys } } },
    peers: [{ vni: VNI, mac: containerMac(far), ip: `10.99.0.${far}`, vtep }],
  };
}

async function run(file: string): Promise<Program> {
  const program = new Program([process.execPath, MAIN, 'run', file, '--json']);
  await program.until(/live/, 15_000);
  return program;
}

async function startNode(way: Way, n: 1 | 2, host: Netns, folder: string, keys: string): Promise<Ran> {
  const container = new Netns(`c${n}`);
  const file = join(folder, `${n}.json`);
  writeFileSync(file, JSON.stringify(topologyOf(way, n, host, container, keys)));
  return { host, container, file, process: await run(file) };
}

/** Milliseconds until a ping is answered. */
async function untilAnswered(from: Netns, to: string, seconds = 10): Promise<number> {
  const started = performance.now();
  for (;;) {
    const { status, out } = await from.exec('ping', '-n', '-c', '1', '-W', '0.2', to);
    const took = performance.now() - started;
    if (status === 0) return took;
    if (took > seconds * 1000) throw new Error(`no answer for ${seconds} seconds: ${out}`);
  }
}

/** 500 a second, and as many answers: both nodes seal. */
const flood = (from: Netns, to: string) => from.start('ping', '-n', '-q', '-i', '0.002', to);

describe.skipIf(!hasRoot || !hasTool('tcpdump') || !hasTool('ethtool'))(
  `kill -9 under load ${NEEDS_ROOT} ${NEEDS_TOOLS}`,
  () => {
    it.each(['strong', 'docker'] as const)(
      'a node that is started again is heard within seconds, and repeats no nonce: %s',
      async (profile) => {
        const way: Way = { profile, keyBits: 128, version: 4 };
        const hosts = await wiredHosts(4);
        const folder = testFolder();
        const keys = join(folder, 'k.key');
        const since = profile === 'strong' ? ` since ${new Date().toISOString().slice(0, 10)}` : '';
        writeFileSync(keys, `${profile} ${TAG} ${toHex(secretOf(way))}${since}\n`, { mode: 0o600 });
        const one = await startNode(way, 1, hosts[0], folder, keys);
        const two = await startNode(way, 2, hosts[1], folder, keys);
        await untilAnswered(one.container, '10.99.0.2');
        const capture = await Capture.start(one.host, { snaplen: SNAPLEN });
        const load = flood(one.container, '10.99.0.2');
        const took: number[] = [];
        for (let i = 0; i < RESTARTS; i++) {
          await sleep(700);
          const back = flood(two.container, '10.99.0.1');
          await sleep(300);
          await two.process.stop('SIGKILL');
          await back.stop('SIGKILL');
          two.process = await run(two.file);
          took.push(await untilAnswered(one.container, '10.99.0.2'));
        }
        await sleep(500);
        await load.stop('SIGINT');
        const frames = await capture.stop();
        const kind = profile === 'strong' ? 'esp-in-udp' : 'esp';
        const sealed = frames.filter((frame) => kindOf(frame) === kind);
        expect(frames.filter((frame) => kindOf(frame) === 'vxlan')).toEqual([]);
        console.log(`${profile}: ${sealed.length} packets; ms until an answer: ${took.map(Math.round).join(', ')}`);
        for (const ms of took) expect(ms).toBeLessThan(3000);
        // Each end in turn: the last byte of its address.
        for (const n of [1, 2]) {
          const packets = sealed.filter((frame) => frame[29] === n).map((frame) => espOf(frame, way));
          expect(packets.length).toBeGreaterThan(RESTARTS * 200);
          const nonces = new Set(packets.map((esp) => `${profile === 'docker' ? '' : spiOf(esp)} ${ivOf(esp)}`));
          expect(nonces.size).toBe(packets.length);
          const spis = new Set(packets.map(spiOf)).size;
          // Docker's follows from addresses and tag; those of `strong` are drawn at every start.
          if (profile === 'docker') expect(spis).toBe(1);
          else expect(spis).toBeGreaterThanOrEqual(n === 2 ? RESTARTS + 1 : 1);
        }
        for (const { process: node } of [one, two]) {
          expect(await node.stop()).toBe(0);
          const { drops, encryption } = JSON.parse(node.results) as {
            drops: Record<string, number>;
            encryption: object;
          };
          expect(Object.keys(drops).filter((name) => /esp|cleartext/.test(name))).toEqual([]);
          expect(encryption).toMatchObject({ br0: { profile } });
        }
      },
      60_000 + RESTARTS * 5000,
    );
  },
);

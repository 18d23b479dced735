/** Attackers on the underlay of a live node, and users of its host: cleartext, recordings, and datagrams of their own. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { EncryptionTrouble } from '../../src/index.js';
import { sealEsp } from '../../src/wire/esp-open.js';
import { toHex } from '../../src/wire/field.js';
import { from as frameFrom, vxlan } from '../dataplane/frames.js';
import { hasRoot, NEEDS_ROOT, type Netns, ping } from '../live/netns.js';
import { eventually } from '../live/sites.js';
import { hasTool } from '../peers.js';
import { espFrame, ethernetIp, vxlanDatagram } from '../wire/esp-frames.js';
import { writeFrames } from '../wire/pcap.js';
import {
  Capture,
  expectSealed,
  kindOf,
  type LiveNode,
  liveNode,
  liveNodes,
  type Setting,
  testFolder,
} from './live-nodes.js';
import { numbered } from './load.js';
import { saOf, VNI } from './nodes.js';

const SCRIPT = fileURLToPath(new URL('inject.py', import.meta.url));
/** Not one of root's own, which other users cannot run. */
const PYTHON = '/usr/bin/python3';
const NEEDS_TOOLS = '(needs tcpdump and ethtool: apt-get install tcpdump ethtool)';
const hasTools = hasTool('tcpdump') && hasTool('ethtool');

const STRONG: Setting = { profile: 'strong', carrier: 'udp', version: 4, keyBits: 128 };
const SETTINGS: Setting[] = [
  STRONG,
  { ...STRONG, version: 6 },
  { ...STRONG, profile: 'docker' },
  { ...STRONG, carrier: 'packet' },
  { ...STRONG, profile: 'docker', carrier: 'packet', version: 6 },
];
const named = SETTINGS.map((setting) => {
  const { profile, carrier, version } = setting;
  return [`${profile}, ${carrier}, IPv${version}`, setting] as const;
});

/** Packets that a container got from its node, ever. */
function got(container: Netns): number {
  const [link] = JSON.parse(container.ip('-j', '-s', 'link', 'show', 'eth0')) as {
    stats64: { rx: { packets: number } };
  }[];
  return link!.stats64.rx.packets;
}

function drop({ dataplane }: LiveNode, name: string): number {
  return Number(dataplane.counters().total[name]);
}

function macOf(host: Netns): number[] {
  const [link] = JSON.parse(host.ip('-j', 'link', 'show', 'wire')) as { address: string }[];
  return link!.address.split(':').map((byte) => Number.parseInt(byte, 16));
}

/** Puts frames on the wire between the hosts, as if node 1's host had sent them to node 2. */
async function inject([one, two]: readonly [LiveNode, LiveNode], frames: readonly Uint8Array[]): Promise<void> {
  const file = join(testFolder(), 'attack.pcap');
  const [to, by] = [macOf(two.host), macOf(one.host)];
  writeFrames(
    file,
    frames.map((frame) => ({ bytes: Uint8Array.from([...to, ...by, ...frame.subarray(12)]) })),
  );
  const sent = await one.host.start(PYTHON, SCRIPT, 'frames', 'wire', file).done(20_000);
  expect(Number(sent)).toBe(frames.length);
}

/** The VXLAN datagram that would reach the second container, were it taken. */
const poison = Buffer.from(
  vxlan(VNI, Buffer.concat([Buffer.from('02420a63000202420a630001', 'hex'), frameFrom(1, 2, 0x66).subarray(12)])),
);

describe.skipIf(!hasRoot || !hasTools)(`a live encrypted overlay ${NEEDS_ROOT} ${NEEDS_TOOLS}`, () => {
  it.each(named)('takes no cleartext, of a known VTEP either: %s', async (_, setting) => {
    const nodes = await liveNodes(setting);
    const [one, two] = nodes;
    expect(await ping(one.container, two.ip, { count: 1 })).toBe(1);
    const before = got(two.container);
    const ends = { source: one.vtep, destination: two.vtep };
    const frame = ethernetIp(ends, 17, vxlanDatagram(ends, VNI, poison.subarray(8)));
    await inject(
      nodes,
      Array.from({ length: 50 }, () => frame),
    );
    await eventually(() => drop(two, 'drop_cleartext') >= 50, 'all of them are counted');
    expect(drop(two, 'drop_cleartext')).toBe(50);
    expect(got(two.container)).toBe(before);
    expect(await ping(one.container, two.ip, { count: 1 })).toBe(1);
  });

  it('takes nothing from a kernel vxlan device that has the address, the VNI and the MAC of the other end', async () => {
    const [one, two] = await liveNodes(STRONG);
    expect(await ping(one.container, two.ip, { count: 1 })).toBe(1);
    await one.dataplane.close();
    const before = got(two.container);
    const { host } = one;
    const vxlanWords = ['id', `${VNI}`, 'dstport', '4789', 'local', one.vtep, 'remote', two.vtep];
    host.ip('link', 'add', 'vx0', 'address', one.mac, 'type', 'vxlan', ...vxlanWords);
    host.ip('address', 'add', `${one.ip}/24`, 'dev', 'vx0');
    host.ip('link', 'set', 'vx0', 'up');
    host.ip('neigh', 'add', two.ip, 'lladdr', two.mac, 'dev', 'vx0', 'nud', 'permanent');
    expect(await ping(host, two.ip)).toBe(0);
    expect(drop(two, 'drop_cleartext')).toBeGreaterThanOrEqual(3);
    expect(got(two.container)).toBe(before);
    // It does send.
    expect(two.dataplane.counters().ports['u0']!.rx_packets).toBeGreaterThanOrEqual(3n);
  });

  it.each(named.filter(([, { carrier }]) => carrier === 'udp'))(
    'does not seal what local users send to the VXLAN port of a peer: %s',
    async (_, setting) => {
      const [one, two] = await liveNodes(setting);
      const capture = await Capture.start(two.host);
      expect(await ping(one.container, two.ip, { count: 1 })).toBe(1);
      const [before, sealed] = [got(two.container), one.dataplane.counters().total['sealed']];
      const user = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all'];
      for (const port of ['4789', '4500']) {
        await one.host.start(...user, PYTHON, SCRIPT, 'datagram', two.vtep, port, toHex(poison)).done();
      }
      await eventually(() => drop(two, 'drop_cleartext') === 1, 'the datagram arrives as it is');
      expect(one.dataplane.counters().total['sealed']).toBe(sealed);
      expect(got(two.container)).toBe(before);
      const frames = await capture.stop();
      expect(frames.filter((frame) => kindOf(frame) === 'vxlan')).toHaveLength(1);
      // Both as they were; ICMP may bring one back.
      const clear = frames.filter((frame) => /vxlan|udp/.test(kindOf(frame)) && Buffer.from(frame).includes(poison));
      expect(clear).toHaveLength(2);
    },
  );

  it('refuses what was sealed more than a minute before it began, and says so; not what is fresh', async () => {
    const nodes = await liveNodes(STRONG);
    const [one, two] = nodes;
    const told: EncryptionTrouble[] = [];
    two.dataplane.on('encryption', (troubles) => told.push(...troubles));
    const ends = { source: one.vtep, destination: two.vtep };
    const inner = vxlanDatagram(ends, VNI, poison.subarray(8));
    /** As a recording of that age is: of an SA that the receiver does not know. */
    const recorded = (age: number, low: number) => {
      const sa = saOf(STRONG, ends, { low });
      const iv = BigInt.asUintN(64, BigInt(Date.now() - age * 1000) * 1_000_000n + sa.ivMask);
      return espFrame(ends, sealEsp({ inner, sa, sequence: 1n, iv }), 50_000);
    };
    const before = got(two.container);
    await inject(nodes, [recorded(86_400, 1), recorded(75, 2)]);
    await eventually(() => drop(two, 'drop_esp_stale') === 2, 'both are refused');
    expect(got(two.container)).toBe(before);
    await eventually(() => told.length > 0, 'it is told');
    expect(told[0]).toMatchObject({ underlay: 'u0', peer: one.vtep, reason: 'stale' });
    const fresh = recorded(30, 3);
    await inject(nodes, [fresh]);
    await eventually(() => got(two.container) === before + 1, 'a fresh one arrives');
    // Once.
    await inject(nodes, [fresh]);
    await eventually(() => drop(two, 'drop_esp_replay') === 1, 'and not again');
    expect(got(two.container)).toBe(before + 1);
  });

  it('refuses a recording of all that the other end sent before a restart', async () => {
    const nodes = await liveNodes(STRONG);
    const [one, two] = nodes;
    // Checksums that no offload has to complete, or the kernel would refuse the recording for us.
    await one.host.exec('ethtool', '-K', 'wire', 'tx', 'off');
    const capture = await Capture.start(one.host);
    const load = { seconds: 1, idle: 300 };
    const first = await numbered(one.container, two.container, two.ip, load);
    expect(first.received).toBe(first.sent);
    const frames = expectSealed(await capture.stop(), STRONG);
    // From 192.168.77.1.
    const recording = frames.filter((frame) => frame[29] === 1);
    expect(recording.length).toBeGreaterThanOrEqual(first.sent);
    await two.dataplane.close();
    const again: [LiveNode, LiveNode] = [one, await liveNode(STRONG, 2, two.host)];
    const restarted = again[1];
    // More than the window of each SA, of which flows choose one: after that all that was recorded is too old.
    const after = { seconds: 2, idle: 300, rate: 10_000, flows: 64 };
    const second = await numbered(one.container, restarted.container, restarted.ip, after);
    expect(second.received).toBe(second.sent);
    const before = got(restarted.container);
    await inject(again, recording);
    const refused = () => drop(restarted, 'drop_esp_icv') + drop(restarted, 'drop_esp_replay');
    await eventually(() => refused() >= recording.length, 'all of it is refused');
    await sleep(100);
    expect(refused()).toBe(recording.length);
    expect(got(restarted.container)).toBe(before);
    expect(await ping(one.container, restarted.ip, { count: 1 })).toBe(1);
  });
});

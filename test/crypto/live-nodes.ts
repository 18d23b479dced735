/** Two hosts in namespaces with an encrypted overlay, and what passes between them, captured. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect } from 'vitest';
import { type Bridge, Dataplane, type Keyring, type KeyringOptions, type Port, vxlanMtu } from '../../src/index.js';
import { joinByVeth, Netns, ping } from '../live/netns.js';
import type { Program } from '../live/program.js';
import { balances } from '../live/sites.js';
import { readFrames } from '../wire/pcap.js';
import { ringOf, VNI, type Way } from './nodes.js';

export interface Setting extends Way {
  carrier: 'udp' | 'packet';
  workers?: number;
  ring?: Partial<KeyringOptions>;
}

export interface LiveNode {
  host: Netns;
  container: Netns;
  /** Of the VTEP, without prefix length. */
  vtep: string;
  mac: string;
  ip: string;
  ip6: string;
  ring: Keyring;
  dataplane: Dataplane;
  bridge: Bridge;
  tap: Port;
}

const open = new Set<Dataplane>();
const folders = new Set<string>();

afterEach(async () => {
  for (const dataplane of open) await dataplane.close();
  open.clear();
  for (const folder of folders) rmSync(folder, { recursive: true });
  folders.clear();
});

/** Removed with what is in it after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ovl-crypto-'));
  folders.add(folder);
  return folder;
}

export const addressOf = (version: 4 | 6, n: number) => (version === 4 ? `192.168.77.${n}` : `fd77::${n}`);
export const prefixed = (version: 4 | 6, n: number) => `${addressOf(version, n)}/${version === 4 ? 24 : 64}`;
export const containerMac = (n: number) => `02:42:0a:63:00:0${n}`;

/** Two namespaces on one wire, which reach each other; the wire shows every packet as it is, without super-frames. */
export async function wiredHosts(version: 4 | 6): Promise<[Netns, Netns]> {
  const hosts: [Netns, Netns] = [new Netns('h1'), new Netns('h2')];
  for (const host of hosts) {
    await host.exec('sysctl', '-qw', ...['all', 'default'].map((which) => `net.ipv6.conf.${which}.dad_transmits=0`));
  }
  joinByVeth([hosts[0], prefixed(version, 1)], [hosts[1], prefixed(version, 2)]);
  for (const host of hosts) {
    const off = ['tx-udp-segmentation', 'gso', 'tso', 'gro'].flatMap((name) => [name, 'off']);
    const { status, out } = await host.exec('ethtool', '-K', 'wire', ...off);
    if (status !== 0) throw new Error(`ethtool: ${out}`);
  }
  await eventuallyReaches(hosts[0], addressOf(version, 2));
  return hosts;
}

export async function eventuallyReaches(from: Netns, to: string, seconds = 5): Promise<void> {
  const late = performance.now() + seconds * 1000;
  for (;;) {
    const { out, status } = await from.exec('ping', '-n', '-c', '1', '-W', '0.2', to);
    if (status === 0) return;
    if (performance.now() > late) throw new Error(`${from.name} does not reach ${to}: ${out}`);
  }
}

/** Told its peers, with ARP answered in place. */
export async function liveNode(setting: Setting, n: 1 | 2, host: Netns): Promise<LiveNode> {
  const { profile, version, carrier, workers = 1 } = setting;
  const far = 3 - n;
  const [vtep, other] = [
    addressOf(version, carrier === 'udp' ? n : 10 + n),
    addressOf(version, carrier === 'udp' ? far : 10 + far),
  ];
  const dataplane = new Dataplane({ workers: Array.from({ length: workers }, () => ({})) });
  open.add(dataplane);
  const netns = host.name;
  const underlay =
    carrier === 'udp'
      ? dataplane.addUnderlay({ type: 'udp', name: 'u0', netns, local: vtep })
      : dataplane.addUnderlay({
          ...{ type: 'frame', name: 'u0', mac: `02:00:00:00:77:0${n}`, local: prefixed(version, 10 + n) },
          port: dataplane.addPort({ type: 'packet', name: 'wire', interface: 'wire', netns }),
        });
  const ring = ringOf(setting, 1, setting.ring);
  const bridge = dataplane.addBridge({
    ...{ name: 'br0', vni: VNI, underlay, encryption: ring, proxyArp: true, unknownUnicast: 'drop' },
  });
  for (const ip of [`10.99.0.${far}`, `fd99::${far}`]) bridge.addPeer({ mac: containerMac(far), ip, vtep: other });
  const [container, mac, ip, ip6] = [new Netns(`c${n}`), containerMac(n), `10.99.0.${n}`, `fd99::${n}`];
  const addresses = [`${ip}/24`, `${ip6}/64`];
  const mtu = vxlanMtu(1500, version, profile);
  const tap = dataplane.addPort({ type: 'tap', netns: container.name, name: 'eth0', mac, mtu, addresses });
  bridge.attach(tap, { mac });
  await dataplane.start();
  return { host, container, vtep, mac, ip, ip6, ring, dataplane, bridge, tap };
}

export async function liveNodes(setting: Setting): Promise<[LiveNode, LiveNode]> {
  const hosts = await wiredHosts(setting.version);
  return [await liveNode(setting, 1, hosts[0]), await liveNode(setting, 2, hosts[1])];
}

/** Pings of all sizes both ways, fragments included; none is lost. */
export async function pingsBothWays([one, two]: readonly [LiveNode, LiveNode]): Promise<void> {
  for (const [from, to] of [
    [one, two],
    [two, one],
  ] as const) {
    expect(await ping(from.container, to.ip)).toBe(3);
    expect(await ping(from.container, to.ip6)).toBe(3);
    expect(await ping(from.container, to.ip, { size: 8000 })).toBe(3);
    expect(await ping(from.container, to.ip6, { size: 8000, count: 1 })).toBe(1);
  }
}

/** What nothing but an attack or a defect makes. */
export async function nothingRefused(...nodes: readonly LiveNode[]): Promise<void> {
  for (const node of nodes) {
    await balances(node);
    const { drops } = node.dataplane.counters();
    expect(Object.keys(drops).filter((name) => /esp|cleartext|checksum|malformed|truncated|engine/.test(name))).toEqual(
      [],
    );
  }
}

/** Everything that a host's interface `wire` sends and receives, from now on. */
export class Capture {
  readonly #program: Program;
  readonly file: string;

  private constructor(program: Program, file: string) {
    this.#program = program;
    this.file = file;
  }

  static async start(host: Netns, { snaplen = 0 } = {}): Promise<Capture> {
    const file = join(testFolder(), 'wire.pcap');
    const words = ['-i', 'wire', '-s', `${snaplen}`, '-B', '65536', '--immediate-mode', '-U', '-w', file];
    const program = host.start('tcpdump', '-Z', 'root', ...words);
    await program.until(/listening on/);
    return new Capture(program, file);
  }

  /** All frames; throws when some were missed, as then nothing could be said about what was not there. */
  async stop(): Promise<Uint8Array[]> {
    // What was sent last is in its buffer.
    await sleep(200);
    await this.#program.stop('SIGINT');
    const missed = /(\d+) packets dropped by kernel/.exec(this.#program.output)?.[1];
    if (missed !== '0') throw new Error(`tcpdump: ${this.#program.output}`);
    return readFrames(this.file).map(({ bytes }) => bytes);
  }
}

/** What a frame on the underlay is, by its headers. */
export function kindOf(frame: Uint8Array): 'esp' | 'esp-in-udp' | 'vxlan' | 'neighbors' | 'other' {
  const type = (frame[12]! << 8) | frame[13]!;
  if (type === 0x0806) return 'neighbors';
  if (type !== 0x0800 && type !== 0x86dd) return 'other';
  const protocol = type === 0x0800 ? frame[23] : frame[20];
  const transport = 14 + (type === 0x0800 ? (frame[14]! & 15) * 4 : 40);
  if (protocol === 50) return 'esp';
  // Neighbor discovery; multicast reports stand behind hop-by-hop options.
  if (protocol === 58 || protocol === 0) return 'neighbors';
  if (protocol !== 17) return 'other';
  const port = (frame[transport + 2]! << 8) | frame[transport + 3]!;
  return port === 4500 ? 'esp-in-udp' : port === 4789 ? 'vxlan' : 'other';
}

/** MACs of the containers, their IPv4 addresses as in a header, and their IPv6 addresses but for the end. */
const INNER = ['02420a630001', '02420a630002', '0a6300010a630002', '0a6300020a630001', 'fd990000000000000000000000'];

/** Only ESP of that profile, neighbors' words, and nothing of the containers in any byte. Returns the frames with ESP. */
export function expectSealed(frames: readonly Uint8Array[], { profile }: Way): Uint8Array[] {
  const wanted = profile === 'strong' ? 'esp-in-udp' : 'esp';
  const counts = new Map<string, number>();
  const needles = INNER.map((text) => Buffer.from(text, 'hex'));
  for (const frame of frames) {
    const kind = kindOf(frame);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
    for (const needle of needles) if (bytes.includes(needle)) throw new Error(`in the clear: ${bytes.toString('hex')}`);
  }
  expect([...counts.keys()].filter((kind) => kind !== wanted && kind !== 'neighbors')).toEqual([]);
  const sealed = frames.filter((frame) => kindOf(frame) === wanted);
  expect(sealed.length).toBeGreaterThan(0);
  return sealed;
}

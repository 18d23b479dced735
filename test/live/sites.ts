/** Two containers on two hosts of an overlay: either host is overlane, or the kernel's own bridge and vxlan device. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { type Bridge, Dataplane, type Port, type Underlay } from '../../src/index.js';
import { joinByVeth, Netns } from './netns.js';
import { Program } from './program.js';

export interface Setting {
  /** What carries overlane's outer packets: a socket of the kernel, or whole frames through a port of this type. */
  carrier: 'udp' | 'packet' | 'xdp';
  /** IP version of the underlay. */
  outer: 4 | 6;
  vni: number;
  port: number;
  /** MACs are learned and the unknown is flooded to the other VTEP; else both ends are told who is where. */
  learning: boolean;
  /** The hosts are in two networks with a router between. */
  router?: boolean;
  /** Of the containers; the underlay's fits. Default 1450. */
  mtu?: number;
}

/** One end of the overlay. */
export interface Site {
  host: Netns;
  container: Netns;
  /** The container's. */
  mac: string;
  ip: string;
  ip6: string;
}

export interface OwnSite extends Site {
  dataplane: Dataplane;
  bridge: Bridge;
  underlay: Underlay;
  tap: Port;
}

interface Place {
  host: Netns;
  device: string;
  /** VTEP of the kernel, VTEP that overlane has for itself, and the router; without prefix length. */
  kernel: string;
  own: string;
  gateway: string;
}

const open = new Set<Dataplane>();

const folders = new Set<string>();
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

afterEach(async () => {
  for (const folder of folders) rmSync(folder, { recursive: true });
  folders.clear();
  for (const dataplane of open) await dataplane.close();
  open.clear();
});

const PREFIX = { 4: 24, 6: 64 } as const;

function placeOf(setting: Setting, n: 1 | 2, host: Netns, device: string): Place {
  const network = setting.router ? 76 + n : 77;
  const at = (v4: number, v6: string) => (setting.outer === 4 ? `192.168.${network}.${v4}` : `fd${network}::${v6}`);
  return { host, device, kernel: at(n, `${n}`), own: at(10 + n, `1${n}`), gateway: at(254, 'fe') };
}

/** The underlay: two hosts on one wire, or on either side of a router; they reach each other when this returns. */
async function places(setting: Setting): Promise<[Place, Place]> {
  const { outer, mtu: inner = 1450 } = setting;
  const mtu = inner + (outer === 4 ? 50 : 70);
  const full = (address: string) => `${address}/${PREFIX[outer]}`;
  const hosts = [await quickNetns('h1'), await quickNetns('h2')] as const;
  const device = setting.router ? ['west', 'east'] : ['wire', 'wire'];
  const ends = [placeOf(setting, 1, hosts[0], device[0]!), placeOf(setting, 2, hosts[1], device[1]!)] as const;
  if (!setting.router) {
    joinByVeth([hosts[0], full(ends[0].kernel)], [hosts[1], full(ends[1].kernel)], { mtu });
  } else {
    const router = await quickNetns('r');
    await router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    for (const { host, device: name, kernel, gateway } of ends) {
      joinByVeth([host, full(kernel)], [router, full(gateway)], { name, mtu });
      host.ip(`-${outer}`, 'route', 'add', 'default', 'via', gateway);
    }
  }
  await reach(hosts[0], ends[1].kernel);
  return [...ends];
}

/** Without duplicate address detection, which keeps a router's link-local address back for seconds. */
async function quickNetns(word: string): Promise<Netns> {
  const netns = new Netns(word);
  await netns.exec('sysctl', '-qw', ...['all', 'default'].map((which) => `net.ipv6.conf.${which}.dad_transmits=0`));
  return netns;
}

/** Waits until a ping is answered: the kernel takes its time to see that a new link is up. */
async function reach(from: Netns, to: string): Promise<void> {
  const late = performance.now() + 5000;
  for (;;) {
    const { out, status } = await from.exec('ping', '-n', '-c', '1', '-W', '0.2', to);
    if (status === 0) return;
    if (performance.now() > late) throw new Error(`${from.name} does not reach ${to}: ${out}`);
  }
}

function endOf(n: 1 | 2, place: Place): Site {
  return {
    host: place.host,
    container: new Netns(`c${n}`),
    mac: `02:42:0a:63:00:0${n}`,
    ip: `10.99.0.${n}`,
    ip6: `fd99::${n}`,
  };
}

type Near = Site & { place: Place; vtep: string };

function addUnderlay(dataplane: Dataplane, setting: Setting, n: number, place: Place): Underlay {
  const netns = place.host.name;
  if (setting.carrier === 'udp') {
    return dataplane.addUnderlay({ type: 'udp', name: 'u0', netns, local: place.kernel, port: setting.port });
  }
  const port = dataplane.addPort({ type: setting.carrier, interface: place.device, name: 'wire', netns });
  return dataplane.addUnderlay({
    type: 'frame',
    name: 'u0',
    port,
    mac: `02:00:00:00:77:0${n}`,
    local: `${place.own}/${PREFIX[setting.outer]}`,
    udpPort: setting.port,
    ...(setting.router ? { gateway: place.gateway } : {}),
  });
}

async function ownSite(setting: Setting, n: 1 | 2, near: Near, far: Near): Promise<OwnSite> {
  const dataplane = new Dataplane();
  open.add(dataplane);
  const underlay = addUnderlay(dataplane, setting, n, near.place);
  const { vni, learning, mtu = 1450 } = setting;
  const bridge = dataplane.addBridge({
    name: 'br0',
    vni,
    underlay,
    ...(learning ? { vteps: [far.vtep] } : { proxyArp: true, unknownUnicast: 'drop' }),
  });
  if (!learning) for (const ip of [far.ip, far.ip6]) bridge.addPeer({ mac: far.mac, ip, vtep: far.vtep });
  const addresses = [`${near.ip}/24`, ...(mtu < 1280 ? [] : [`${near.ip6}/64`])];
  const tap = dataplane.addPort({
    type: 'tap',
    netns: near.container.name,
    name: 'eth0',
    mac: near.mac,
    addresses,
    mtu,
  });
  // Where nothing is flooded, a container that has said nothing yet would not be found.
  bridge.attach(tap, learning ? {} : { mac: near.mac });
  await dataplane.start();
  const { place: _, vtep: __, ...site } = near;
  return { ...site, dataplane, bridge, underlay, tap };
}

/** The kernel's, as Docker sets it up when nothing is learned. */
async function kernelSite(setting: Setting, near: Near, far: Near): Promise<Site> {
  const { host, container } = near;
  const { vni, port, learning, mtu = 1450 } = setting;
  host.ip('link', 'add', 'br0', 'mtu', `${mtu}`, 'type', 'bridge');
  host.ip('link', 'set', 'br0', 'up');
  const vxlan = ['id', `${vni}`, 'dstport', `${port}`, 'local', near.vtep];
  const learns = learning ? ['learning'] : ['nolearning', 'proxy'];
  host.ip('link', 'add', 'vx0', 'mtu', `${mtu}`, 'type', 'vxlan', ...vxlan, ...learns);
  host.ip('link', 'set', 'vx0', 'master', 'br0', 'up');
  const mac = learning ? '00:00:00:00:00:00' : far.mac;
  await host.exec('bridge', 'fdb', 'append', mac, 'dev', 'vx0', 'dst', far.vtep, 'self', 'permanent');
  for (const ip of learning ? [] : mtu < 1280 ? [far.ip] : [far.ip, far.ip6]) {
    host.ip('neigh', 'add', ip, 'lladdr', far.mac, 'dev', 'vx0', 'nud', 'permanent');
  }
  const addresses: [string, string] = [`${near.ip}/24`, `${near.ip6}/64`];
  host.ip('link', 'add', 'c2', 'mtu', `${mtu}`, 'type', 'veth', 'peer', 'name', 'tmp', 'mtu', `${mtu}`);
  host.ip('link', 'set', 'tmp', 'netns', container.name, 'name', 'eth0', 'address', near.mac);
  for (const address of mtu < 1280 ? addresses.slice(0, 1) : addresses) {
    container.ip('address', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : []));
  }
  container.ip('link', 'set', 'eth0', 'up');
  host.ip('link', 'set', 'c2', 'master', 'br0', 'up');
  return near;
}

async function ends(setting: Setting, kernel: boolean): Promise<[Near, Near]> {
  const [one, two] = await places(setting);
  const own = setting.carrier !== 'udp';
  const near = (n: 1 | 2, place: Place, frames: boolean): Near => ({
    ...endOf(n, place),
    place,
    vtep: frames ? place.own : place.kernel,
  });
  return [near(1, one, own), near(2, two, own && !kernel)];
}

/** overlane on the first host, the kernel on the second. */
export async function overlaneAndKernel(setting: Setting): Promise<[OwnSite, Site]> {
  const [one, two] = await ends(setting, true);
  const far = await kernelSite(setting, two, one);
  return [await ownSite(setting, 1, one, two), far];
}

/** `overlane run` with a topology file on the first host, in a process of its own; the kernel on the second. */
export async function commandAndKernel(setting: Setting): Promise<[Site & { command: Program }, Site]> {
  const [one, two] = await ends(setting, true);
  const far = await kernelSite(setting, two, one);
  const { host, container, mac, ip, ip6 } = one;
  const topology = {
    ports: { c1: { type: 'tap', netns: container.path, name: 'eth0', mac, addresses: [`${ip}/24`, `${ip6}/64`] } },
    underlays: { u0: { type: 'udp', netns: host.name, local: one.vtep, port: setting.port } },
    bridges: { br0: { vni: setting.vni, underlay: 'u0', ports: [{ port: 'c1', mac }], proxyArp: true } },
    peers: [two.ip, two.ip6].map((address) => ({ vni: setting.vni, mac: two.mac, ip: address, vtep: two.vtep })),
  };
  const folder = mkdtempSync(join(tmpdir(), 'ovl-live-'));
  folders.add(folder);
  const file = join(folder, 'host.json');
  writeFileSync(file, JSON.stringify(topology));
  const command = new Program([process.execPath, MAIN, 'run', file, '--json']);
  await command.until(/live/, 10_000);
  return [{ host, container, mac, ip, ip6, command }, far];
}

/** overlane on both. */
export async function overlaneTwice(setting: Setting): Promise<[OwnSite, OwnSite]> {
  const [one, two] = await ends(setting, false);
  return [await ownSite(setting, 1, one, two), await ownSite(setting, 2, two, one)];
}

export async function eventually(look: () => boolean, what: string, seconds = 5): Promise<void> {
  const late = performance.now() + seconds * 1000;
  while (!look()) {
    if (performance.now() > late) throw new Error(`not within ${seconds} seconds: ${what}`);
    await sleep(10);
  }
}

/** Every packet is accounted for, once none is on its way. */
export async function balances({ dataplane }: { dataplane: Dataplane }): Promise<void> {
  await eventually(() => dataplane.counters().balanced, 'the sum of the counters holds');
}

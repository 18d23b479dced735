/** The doctor's checks of live operation: what may be opened here, how fast it will be, and what is in the way. */
import { spawnSync } from 'node:child_process';
import { constants, existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { formatIp } from '../address.js';
import { hostIp } from '../dataplane/addresses.js';
import { type Family, MIN_MTU_IPV6, minUnderlayMtu, vxlanMtu } from '../dataplane/mtu.js';
import { ESP_PORT } from '../dataplane/twin.js';
import { VXLAN_PORT } from '../dataplane/underlay-options.js';
import {
  absent,
  type Capability,
  type Check,
  type Finding,
  findProgram,
  howToGrant,
  isUsable,
  limited,
  missingCapabilities,
  ok,
  tool,
} from './doctor-check.js';

/** The oldest kernel that has what live ports cannot do without. */
const KERNEL_FLOOR = [5, 4] as const;
/** Bytes that a `udp` underlay asks the kernel to hold, by default. */
const BUFFER = 2 ** 23;

const TUN = '/dev/net/tun';
const GET_TUN = 'modprobe tun (in a container: --device /dev/net/tun)';

/** What a kind of port needs: `must` to be opened at all, `also` for more. */
function kind(what: string, use: string, must: Capability[], also: Capability[] = [], instead = ''): Check {
  const look = (): Finding => {
    const lacking = missingCapabilities(must);
    if (lacking.length > 0) {
      return { ...absent(`without ${lacking.join(', ')}`), get: howToGrant(missingCapabilities([...must, ...also])) };
    }
    const less = missingCapabilities(also);
    if (less.length === 0) return ok(must.length === 0 ? 'needs no capability' : `has ${must.join(', ')}`);
    return { ...limited(`without ${less.join(', ')}: ${instead}`), get: howToGrant(less) };
  };
  return { what, for: use, look, get: howToGrant([...must, ...also]) };
}

export const LIVE_CHECKS: Check[] = [
  { what: 'kernel', for: 'live ports', look: lookKernel, get: `a kernel ${KERNEL_FLOOR.join('.')} or newer` },
  kind('tap ports', 'containers', ['CAP_NET_ADMIN'], ['CAP_SYS_ADMIN'], 'not in other namespaces'),
  kind('packet ports', 'interfaces that exist', ['CAP_NET_RAW'], ['CAP_SYS_ADMIN'], 'not in other namespaces'),
  kind(
    'xdp ports',
    'interfaces that exist',
    ['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_NET_RAW'],
    ['CAP_SYS_ADMIN'],
    'not in other namespaces',
  ),
  kind(
    'udp underlay',
    'VXLAN',
    [],
    ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'],
    'buffers up to the limits below, not in other namespaces',
  ),
  { what: 'TUN/TAP', for: 'tap ports', look: lookTun, get: GET_TUN },
  {
    what: 'TAP offloads',
    for: 'tap ports at full speed',
    look: () => offloads(['tapOffloads', { tso: 'TSO', uso: 'USO' }]),
    get: 'TSO: a kernel with CONFIG_TUN; USO: Linux 6.2 or newer',
  },
  {
    what: 'UDP offloads',
    for: 'udp underlay at full speed',
    look: () => offloads(['udpOffloads', { segment: 'UDP_SEGMENT', gro: 'UDP_GRO' }]),
    get: 'UDP_SEGMENT: Linux 4.18 or newer; UDP_GRO: Linux 5.0 or newer',
  },
  { what: 'AF_XDP', for: 'xdp ports', look: lookXdp, get: 'a kernel 5.4 or newer with CONFIG_XDP_SOCKETS' },
  {
    what: 'receive buffers',
    for: 'udp underlay under load',
    look: () => lookBuffer('rmem_max'),
    get: raise('rmem_max'),
  },
  { what: 'send buffers', for: 'udp underlay under load', look: () => lookBuffer('wmem_max'), get: raise('wmem_max') },
  {
    what: `UDP port ${VXLAN_PORT}`,
    for: 'udp underlay',
    look: () => lookUdpPort(VXLAN_PORT),
    get: `remove what has it (ip -d link show type vxlan; ss -lunp sport = ${VXLAN_PORT}), or give the underlay another port`,
  },
  kind('raw ESP', 'encrypted VNIs, profile docker', ['CAP_NET_RAW']),
  {
    what: `UDP port ${ESP_PORT}`,
    for: 'encrypted VNIs, profile strong',
    look: () => lookUdpPort(ESP_PORT),
    get: `stop the IKE daemon that has it (ss -lunp sport = ${ESP_PORT}), or give the underlays another espPort`,
  },
  engine('ipsec-mb', 'encrypted VNIs at full speed', 'apt-get install libipsec-mb1'),
  engine('openssl', 'encrypted VNIs', 'use a Node built with OpenSSL'),
  tool('ip', 'demo --live, tests', 'iproute2', ['-V'], /\d+\.\d+\.\d+/),
  tool('ping', 'demo --live, tests', 'iputils-ping', ['-V'], /\d{8}|\d+\.\d+/),
  tool('iperf3', 'demo --live, bench', 'iperf3', ['--version'], /\d+\.\d+(\.\d+)?/),
  tool('ethtool', 'tests; to see offloads', 'ethtool', ['--version'], /\d+\.\d+/),
];

/** An engine that seals and opens packets natively. */
function engine(name: string, use: string, get: string): Check {
  const look = async (): Promise<Finding> => {
    const { addon } = await import('../native.js');
    const found = addon.cryptoEngines().find((one) => one.name === name);
    if (found === undefined) return absent('not built in');
    return found.usable ? ok(found.detail) : absent(found.detail);
  };
  return { what: `AES-GCM by ${name}`, for: use, look, get };
}

function raise(name: string): string {
  return `sysctl -w net.core.${name}=${BUFFER} on the host, or CAP_NET_ADMIN; else a burst of packets may be lost`;
}

function lookKernel(): Finding {
  const [major = 0, minor = 0] = release().split('.').map(Number.parseFloat);
  const enough = major > KERNEL_FLOOR[0] || (major === KERNEL_FLOOR[0] && minor >= KERNEL_FLOOR[1]);
  return enough ? ok(release()) : limited(release());
}

function lookTun(): Finding {
  if (!existsSync(TUN)) return absent(`no ${TUN}`);
  return isUsable(TUN, constants.R_OK | constants.W_OK) ? ok(TUN) : limited(`${TUN} may not be opened`);
}

type Probe = ['tapOffloads', { tso: string; uso: string }] | ['udpOffloads', { segment: string; gro: string }];

async function offloads([probe, names]: Probe): Promise<Finding> {
  if (probe === 'tapOffloads') {
    if (!existsSync(TUN)) return { ...absent(`no ${TUN}`), get: GET_TUN };
    const lacking = missingCapabilities(['CAP_NET_ADMIN', 'CAP_SYS_ADMIN']);
    if (lacking.length > 0) {
      return { ...limited(`cannot be tried without ${lacking.join(', ')}`), get: howToGrant(lacking) };
    }
  }
  const { addon } = await import('../native.js');
  const found: Record<string, boolean> = addon[probe]();
  const all = Object.entries(names);
  const lacking = all.filter(([key]) => found[key] !== true).map(([, name]) => name);
  if (lacking.length === 0) return ok(all.map(([, name]) => name).join(', '));
  return lacking.length === all.length ? absent() : limited(`without ${lacking.join(', ')}`);
}

/** Opens one where that is permitted, and otherwise looks whether the kernel has it. */
async function lookXdp(): Promise<Finding> {
  // A kernel that has AF_XDP lists it among its socket protocols.
  if (!/^XDP /m.test(readFileSync('/proc/net/protocols', 'utf8'))) return absent('not in this kernel');
  const lacking = missingCapabilities(['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_NET_RAW', 'CAP_SYS_ADMIN']);
  if (lacking.length > 0) {
    return { ...limited(`cannot be tried without ${lacking.join(', ')}`), get: howToGrant(lacking) };
  }
  const { addon } = await import('../native.js');
  return ok(`${addon.xdpMode()} on a loopback; drivers have more`);
}

function lookBuffer(name: 'rmem_max' | 'wmem_max'): Finding {
  if (missingCapabilities(['CAP_NET_ADMIN']).length === 0) return ok('not limited, by CAP_NET_ADMIN');
  const file = `/proc/sys/net/core/${name}`;
  // Not shown in every network namespace.
  if (!existsSync(file)) return limited(`net.core.${name} is not shown in this network namespace`);
  const most = Number(readFileSync(file, 'utf8'));
  const detail = `net.core.${name} is ${most} bytes`;
  return most >= BUFFER ? ok(detail) : limited(detail);
}

function lookUdpPort(port: number): Finding {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const held = ['/proc/net/udp', '/proc/net/udp6']
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .some((line) => line.trim().split(/\s+/)[1]?.endsWith(`:${hex}`));
  if (!held) return ok('free in this namespace');
  const devices = vxlanDevices(port);
  return limited(devices.length > 0 ? `held by the kernel's vxlan: ${devices.join(', ')}` : 'held by another program');
}

interface Device {
  ifname: string;
  linkinfo?: { info_data?: { port?: number } };
}

/** The kernel's own with that port, in this namespace. */
function vxlanDevices(port: number): string[] {
  const ip = findProgram('ip');
  if (ip === undefined) return [];
  const { status, stdout } = spawnSync(ip, ['-d', '-j', 'link', 'show', 'type', 'vxlan'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (status !== 0 || stdout.trim() === '') return [];
  const devices = JSON.parse(stdout) as Device[];
  return devices.filter(({ linkinfo }) => linkinfo?.info_data?.port === port).map(({ ifname }) => ifname);
}

/** `--vtep IP`: what fits through VXLAN on the way there. */
export function vtepCheck(text: string): Check {
  const ip = hostIp(text, "option '--vtep'");
  const shown = formatIp(ip);
  const family: Family = ip.length === 4 ? 4 : 6;
  return {
    what: `path to ${shown}`,
    for: 'VXLAN with that VTEP',
    get: `${findProgram('ip') ?? 'ip'} route get ${shown} shows the route; add one, or raise the MTU of its interface`,
    look: async () => {
      const { addon } = await import('../native.js');
      const { mtu, source } = addon.pathMtu(ip);
      const detail = `MTU ${mtu} from ${formatIp(source)}`;
      if (mtu < minUnderlayMtu(family)) return limited(`${detail}: too small, ${minUnderlayMtu(family)} is the least`);
      const inner = vxlanMtu(mtu, family);
      const words = `${detail}, so ${inner} for the containers`;
      return inner < MIN_MTU_IPV6 ? limited(`${words}: too small for IPv6 in there`) : ok(words);
    },
  };
}

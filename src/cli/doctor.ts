/** `overlane doctor`: what this machine offers, and how to get what is missing. It looks and changes nothing. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';
import { Command } from 'commander';
import {
  absent,
  type Check,
  type Finding,
  findProgram,
  limited,
  lookProgram,
  ok,
  type Row,
  type State,
  tool,
} from './doctor-check.js';
import { LIVE_CHECKS, vtepCheck } from './doctor-live.js';
import { formatTable, paint, type Style } from './terminal.js';

export type { Check, Finding, Row, State } from './doctor-check.js';

/** To add a check: copy an entry. `look` may throw; the reason is then shown as the detail of `absent`. */
export const CHECKS: Check[] = [
  { what: 'Node.js', for: 'everything', look: lookNode, get: 'install Node 20.19 or newer (nodejs.org)' },
  { what: 'native addon', for: 'everything', look: lookAddon, get: 'npm run build (needs python3, make and g++)' },
  { what: 'AES-128-GCM (OpenSSL)', for: 'decode --keys', look: lookAesGcm, get: 'use a Node built with OpenSSL' },
  ...LIVE_CHECKS,
  {
    what: 'network namespaces',
    for: 'demo --live, end-to-end tests',
    look: lookNamespaces,
    get: 'run as root (in a container: --cap-add SYS_ADMIN)',
  },
  {
    what: 'kernel vxlan',
    for: 'a peer in tests and bench; overlane does not use it',
    look: lookVxlan,
    get: 'modprobe vxlan, or a kernel with CONFIG_VXLAN',
  },
  { what: 'hugepages', for: 'DPDK peers of the bench', look: lookHugepages, get: 'sysctl vm.nr_hugepages=512' },
  {
    what: 'cap',
    for: 'a peer of the bench',
    look: () => lookPackage('cap'),
    get: 'apt-get install libpcap-dev && npm run setup',
  },
  {
    what: 'raw-socket',
    for: 'raw IP in tests',
    look: () => lookPackage('raw-socket'),
    get: 'npm run setup (does not build on Node 24)',
  },
  tool('tshark', 'tests', 'tshark', ['--version'], /\d+\.\d+\.\d+/),
  tool('tcpdump', 'tests', 'tcpdump', ['--version'], /\d+\.\d+\.\d+/),
  {
    what: 'scapy',
    for: 'tests',
    // Debian's package lives in Debian's python3, whichever python3 comes first in PATH.
    look: () => lookProgram('/usr/bin/python3', ['-c', 'import scapy; print(scapy.VERSION)'], /\d+(\.\d+)+/),
    get: 'apt-get install python3-scapy',
  },
  tool(
    'nft',
    'published ports, masquerading and isolation of container networks',
    'nftables',
    ['--version'],
    /\d+\.\d+\.\d+/,
  ),
  tool('docker', 'tests; a client of overlaned', 'docker.io', ['--version'], /\d+\.\d+\.\d+/),
  tool('clang++-14', 'sanitizers and fuzzers', 'clang-14 libclang-rt-14-dev llvm-14', ['--version'], /\d+\.\d+\.\d+/),
  tool('dpdk-testpmd', 'a peer of the bench', 'dpdk dpdk-dev librte-net-null23 librte-net-pcap23'),
  tool('ovs-vswitchd', 'a peer of the bench', 'openvswitch-switch-dpdk', ['--version'], /\d+\.\d+\.\d+/),
];

function lookNode(): Finding {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const floor = (JSON.parse(text) as { engines: { node: string } }).engines.node;
  const [leastMajor = 0, leastMinor = 0] = floor.replace('>=', '').split('.').map(Number);
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const enough = major > leastMajor || (major === leastMajor && minor >= leastMinor);
  const detail = `${process.version} ${process.platform}-${process.arch}`;
  return enough ? ok(detail) : limited(`${detail}, overlane wants ${floor}`);
}

async function lookAddon(): Promise<Finding> {
  const { addon } = await import('../native.js');
  return ok(`checksums: ${addon.cpu().dispatch}`);
}

async function lookAesGcm(): Promise<Finding> {
  const { getCiphers } = await import('node:crypto');
  return getCiphers().includes('aes-128-gcm') ? ok(`OpenSSL ${process.versions.openssl}`) : absent();
}

function lookNamespaces(): Finding {
  const unshare = findProgram('unshare');
  if (unshare === undefined) return limited('cannot tell without unshare (apt-get install util-linux)');
  const works = (flags: string): boolean => spawnSync(unshare, [flags, 'true'], { timeout: 10_000 }).status === 0;
  if (works('-n')) return ok('may be created');
  return works('-rn') ? limited('only inside a user namespace: unshare -rn') : absent();
}

/** A kernel option's value (`y`, `m`), or undefined where it is not set or the kernel's options cannot be read. */
function kernelOption(name: string): string | undefined {
  const release = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  let text = '';
  if (existsSync('/proc/config.gz')) text = gunzipSync(readFileSync('/proc/config.gz')).toString();
  else if (existsSync(`/boot/config-${release}`)) text = readFileSync(`/boot/config-${release}`, 'utf8');
  return new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1];
}

function lookVxlan(): Finding {
  if (existsSync('/sys/module/vxlan')) return ok('loaded');
  const option = kernelOption('CONFIG_VXLAN');
  if (option === 'y') return ok('built in');
  return option === 'm' ? limited('a module, not loaded') : absent();
}

function lookHugepages(): Finding {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const number = (key: string): number => Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  const total = number('HugePages_Total');
  const detail = `${number('HugePages_Free')} of ${total} free, ${number('Hugepagesize') / 1024} MiB each`;
  if (total === 0) return absent('none reserved');
  return number('HugePages_Free') > 0 ? ok(detail) : limited(detail);
}

/** Loaded in a process of its own: a broken addon must not take the doctor with it. */
function lookPackage(name: string): Finding {
  const require = createRequire(import.meta.url);
  let file: string;
  try {
    file = require.resolve(name);
  } catch {
    return absent('not installed');
  }
  const script = `require(${JSON.stringify(file)})`;
  const { status } = spawnSync(process.execPath, ['-e', script], { timeout: 10_000 });
  return status === 0 ? ok('loads') : limited('installed, but not built for this Node');
}

/** Carries out the checks, in their order. `get` is empty where the state is ok. */
export async function examine(checks: Check[] = CHECKS): Promise<Row[]> {
  const rows: Row[] = [];
  for (const check of checks) {
    let finding: Finding;
    try {
      finding = await check.look();
    } catch (error) {
      finding = absent(error instanceof Error ? error.message : String(error));
    }
    const get = finding.state === 'ok' ? '' : (finding.get ?? check.get);
    rows.push({ what: check.what, for: check.for, ...finding, get });
  }
  return rows;
}

const COLOURS: Record<State, Style> = { ok: 'green', limited: 'yellow', absent: 'dim' };

function print(rows: Row[]): void {
  const cells = rows.map((row) => [row.what, paint(COLOURS[row.state], row.state), row.detail || '-', row.for]);
  console.log(formatTable(['what', 'state', 'detail', 'needed for'], cells));
  const missing = rows.filter((row) => row.get !== '');
  if (missing.length === 0) return;
  console.log(
    `\n${formatTable(
      ['what', 'how to get it'],
      missing.map((row) => [row.what, row.get]),
    )}`,
  );
}

/** The `doctor` command. Its exit status is 0 whenever it could look: absent options are no failure. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Say what this machine offers to overlane, its tests and its bench, and how to get what is missing.')
    .option('--vtep <ip>', 'also: the MTU of the path to this VTEP, and what it leaves to the containers')
    .option('--json', 'print one JSON array of {what, for, state, detail, get}')
    .action(async (options: { json?: boolean; vtep?: string }) => {
      const rows = await examine(options.vtep === undefined ? CHECKS : [...CHECKS, vtepCheck(options.vtep)]);
      if (options.json) console.log(JSON.stringify(rows, null, 2));
      else print(rows);
    });
}

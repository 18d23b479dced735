/** `overlane demo --live`: two hosts and a container on each, made of network namespaces, joined by VXLAN over UDP, in earnest. */
import type { Counters } from '../dataplane/counters.js';
import { Dataplane } from '../dataplane/dataplane.js';
import { vxlanMtu } from '../dataplane/mtu.js';
import { OverlaneError } from '../errors.js';
import { STATIONS, type Station, VNI } from './demo-hosts.js';
import { type Download, download, type Pings, ping, throughput } from './demo-live-steps.js';
import { liveJson, liveText } from './demo-live-table.js';
import { type Capability, findProgram, howToGrant, missingCapabilities } from './doctor-check.js';
import { Namespaces, type Netns, sweep } from './live-netns.js';
import { Progress } from './terminal.js';

const NEEDED: Capability[] = ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN'];
const PINGS = 50;
const DOWNLOAD = 64 * 2 ** 20;
const IPERF_SECONDS = 2;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface LiveOutcome {
  /** Bytes of the largest IP packet: on the wire, and of the containers. */
  mtu: { wire: number; container: number };
  ping: Pings;
  /** Pings of 8000 bytes, which the kernel cuts into fragments. */
  large: Pings;
  download: Download;
  /** Bits a second of TCP; `by` measured them. */
  throughput: { bits: number; by: 'iperf3' | 'download' };
  /** By the container that the host has. */
  counters: Record<string, Counters>;
  /** Namespaces of earlier demos that were killed. */
  swept: string[];
  seconds: number;
  failures: string[];
}

/** The `--live` side of the `demo` command. */
export async function demoLive(json: boolean): Promise<void> {
  const programs = requirements();
  const stop = new AbortController();
  let signalled: NodeJS.Signals | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    signalled ??= signal;
    stop.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    const outcome = await runLive(programs, stop.signal);
    process.stdout.write(`${json ? liveJson(outcome) : liveText(outcome)}\n`);
    if (outcome.failures.length > 0) throw new OverlaneError('ERR_OVERLANE_SYSTEM', outcome.failures.join('; '));
  } catch (error) {
    if (signalled === null) throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
  // Everything is gone: now it may have its default effect, which tells the shell.
  if (signalled !== null) process.kill(process.pid, signalled);
}

interface Programs {
  ip: string;
  ping: string;
  iperf3: string | undefined;
}

function requirements(): Programs {
  const lacking = missingCapabilities(NEEDED);
  if (lacking.length > 0) {
    throw new OverlaneError(
      'ERR_OVERLANE_PERMISSION',
      `demo --live makes network namespaces and needs ${lacking.join(', ')}: ${howToGrant(lacking)}. ` +
        'Without --live the demo needs no privileges',
    );
  }
  const packages = { ip: 'iproute2', ping: 'iputils-ping' };
  const [ip, pinger] = [findProgram('ip'), findProgram('ping')];
  if (ip !== undefined && pinger !== undefined) return { ip, ping: pinger, iperf3: findProgram('iperf3') };
  const missing = (['ip', 'ping'] as const).filter((name) => findProgram(name) === undefined);
  throw new OverlaneError(
    'ERR_OVERLANE_MISSING',
    `demo --live needs ${missing.join(' and ')}: apt-get install ${missing.map((name) => packages[name]).join(' ')}`,
  );
}

async function runLive(programs: Programs, signal: AbortSignal): Promise<LiveOutcome> {
  const start = performance.now();
  const progress = new Progress('demo');
  const swept = sweep(programs.ip);
  const spaces = new Namespaces(programs.ip, signal);
  const dataplanes: Dataplane[] = [];
  try {
    progress.update('making namespaces');
    const hosts = [await spaces.add('h1'), await spaces.add('h2')] as const;
    const [c1, c2] = [await spaces.add('c1'), await spaces.add('c2')];
    const [one, two] = STATIONS;
    await spaces.join('wire', [hosts[0], `${one.vtep}/24`], [hosts[1], `${two.vtep}/24`]);
    dataplanes.push(openLiveHost(one, two, hosts[0], c1), openLiveHost(two, one, hosts[1], c2));
    for (const dataplane of dataplanes) await dataplane.start();
    const measured = await measure(programs, c1, [c2, two.ip], progress, signal);
    const wire = [...dataplanes[0]!.underlays.values()][0]!.mtu;
    const result = {
      ...measured,
      mtu: { wire, container: vxlanMtu(wire, 4) },
      counters: Object.fromEntries(
        await Promise.all(dataplanes.map(settled)).then((all) => all.map((c, i) => [STATIONS[i]!.name, c])),
      ),
      swept,
      seconds: (performance.now() - start) / 1000,
    };
    return { ...result, failures: judge(result) };
  } finally {
    progress.end();
    for (const dataplane of dataplanes) await dataplane.close();
    spaces.close();
  }
}

/** One host: its container's interface, a bridge, VXLAN over UDP, and who is at the other end. */
function openLiveHost(here: Station, there: Station, host: Netns, container: Netns): Dataplane {
  const dataplane = new Dataplane();
  const underlay = dataplane.addUnderlay({ type: 'udp', netns: host.name, local: here.vtep });
  const tap = dataplane.addPort({
    type: 'tap',
    netns: container.name,
    name: 'eth0',
    mac: here.mac,
    addresses: [`${here.ip}/24`],
    mtu: vxlanMtu(underlay.mtu, 4),
  });
  const bridge = dataplane.addBridge({ vni: VNI, underlay, proxyArp: true, unknownUnicast: 'drop' });
  bridge.attach(tap, { mac: here.mac });
  bridge.addPeer({ mac: there.mac, ip: there.ip, vtep: there.vtep });
  return dataplane;
}

async function measure(
  programs: Programs,
  client: Netns,
  server: [Netns, string],
  progress: Progress,
  signal: AbortSignal,
): Promise<Pick<LiveOutcome, 'ping' | 'large' | 'download' | 'throughput'>> {
  const [, address] = server;
  progress.update('ping');
  const small = await ping(client, programs.ping, address, PINGS);
  const large = await ping(client, programs.ping, address, 5, 8000);
  progress.update('download');
  const got = await download(server, client, DOWNLOAD, signal);
  if (programs.iperf3 === undefined) {
    return { ping: small, large, download: got, throughput: { bits: (8 * got.bytes) / got.seconds, by: 'download' } };
  }
  progress.update(`iperf3, ${IPERF_SECONDS} seconds`);
  const bits = await throughput(programs.iperf3, server, client, IPERF_SECONDS, signal);
  return { ping: small, large, download: got, throughput: { bits, by: 'iperf3' } };
}

/** The counters when nothing is under way any more, or a second later. */
async function settled(dataplane: Dataplane): Promise<Counters> {
  for (let i = 0; i < 100 && !dataplane.counters().balanced; i++) await new Promise((done) => setTimeout(done, 10));
  return dataplane.counters();
}

function judge(o: Omit<LiveOutcome, 'failures'>): string[] {
  const checks: [boolean, string][] = [
    [o.ping.received === o.ping.sent && o.large.received === o.large.sent, 'pings were lost'],
    [
      o.download.bytes === DOWNLOAD && o.download.arrived === o.download.offered,
      'the download is not what was offered',
    ],
    [Object.values(o.counters).every(({ balanced }) => balanced), 'the accounting sum does not hold'],
  ];
  return checks.filter(([holds]) => !holds).map(([, otherwise]) => otherwise);
}

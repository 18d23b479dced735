/** `overlane demo`: a capture of a real Docker Swarm overlay, carried through two dataplanes in one process. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { CaptureWriter } from '../dataplane/capture.js';
import { type Counters, describeCounters } from '../dataplane/counters.js';
import { OverlaneError } from '../errors.js';
import { decode } from '../wire/decode.js';
import { openHost, STATIONS, VNI } from './demo-hosts.js';
import { drawPath } from './demo-path.js';
import {
  type ArpOutcome,
  captureFile,
  countSame,
  decapsulate,
  encapsulate,
  merge,
  readFrames,
  replayArp,
  type Timed,
  time,
  toBurst,
} from './demo-steps.js';
import { formatCount, formatTable, Progress, paint } from './terminal.js';

interface DemoOptions {
  out?: string;
  live?: true;
  json?: true;
}

const DEFAULT_OUT = 'overlane-demo';

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'Carry a capture of a real Docker Swarm overlay through two dataplanes in one process; needs no privileges. ' +
        'With --live: join two containers on two hosts, all of them network namespaces, and let real traffic pass; needs root.',
    )
    .option('--live', 'real traffic between network namespaces, instead of a capture')
    .option('--out <folder>', `where the resulting captures go (pcapng, for Wireshark; default: "${DEFAULT_OUT}")`)
    .option('--json', 'print one JSON object instead of tables')
    .action(async (options: DemoOptions) => {
      if (options.live) {
        if (options.out !== undefined) {
          throw new OverlaneError('ERR_OVERLANE_OPTION', '--live writes no captures; leave --out out');
        }
        await (await import('./demo-live.js')).demoLive(options.json === true);
        return;
      }
      const outcome = await runDemo(options.out ?? DEFAULT_OUT);
      process.stdout.write(`${options.json ? toJson(outcome) : toText(outcome)}\n`);
      if (outcome.failures.length > 0) throw new OverlaneError('ERR_OVERLANE_SYSTEM', outcome.failures.join('; '));
    });
}

interface Outcome {
  wire: Timed[];
  vxlan: number;
  kernel: Timed[];
  delivered: Timed[];
  again: Timed[];
  encapsulated: Timed[];
  same: number;
  sameAgain: number;
  arp: ArpOutcome;
  counters: Record<string, Counters>;
  nanos: { decapsulate: number; encapsulate: number };
  files: string[];
  failures: string[];
}

async function runDemo(out: string): Promise<Outcome> {
  const progress = new Progress('demo');
  progress.update('reading the captures');
  const wire = readFrames(captureFile('underlay.pcap'));
  const kernel = readFrames(captureFile('c2-eth0.pcap'));
  const hosts = STATIONS.map((station) => openHost(station));
  progress.update('decapsulating');
  const delivered = decapsulate(hosts, () => wire);
  progress.update('asking by ARP');
  const arp = replayArp(hosts[0]!, readFrames(captureFile('c1-eth0.pcap')));
  progress.update('encapsulating again');
  const sent = encapsulate(hosts, delivered);
  const again = decapsulate(hosts, (host) => merge([...sent].map(([from, list]) => (from === host ? [] : list))));
  const encapsulated = merge(sent.values());
  const counters = Object.fromEntries(hosts.map(({ station, dataplane }) => [station.name, dataplane.counters()]));
  progress.update('timing');
  const nanos = { decapsulate: await time(wire, 'decapsulate'), encapsulate: await time(delivered, 'encapsulate') };
  for (const { dataplane } of hosts) await dataplane.close();
  progress.end();
  const result = {
    ...{ wire, kernel, delivered, encapsulated, again, arp, counters, nanos },
    vxlan: wire.filter(({ frame }) => decode(frame, { vxlanPorts: [4789] }).vxlan?.vni === VNI).length,
    same: countSame(delivered, kernel),
    sameAgain: countSame(again, delivered),
    files: writeResults(out, {
      'inner.pcapng': delivered,
      'underlay.pcapng': encapsulated,
      'arp.pcapng': merge([arp.requests, arp.replies]),
    }),
  };
  return { ...result, failures: judge(result) };
}

function writeResults(folder: string, captures: Record<string, Timed[]>): string[] {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const message = `cannot make the folder ${folder}: ${(cause as Error).message}; name another with --out`;
    throw new OverlaneError('ERR_OVERLANE_SYSTEM', message, { cause });
  }
  return Object.entries(captures).map(([name, list]) => {
    const path = join(folder, name);
    using writer = new CaptureWriter(path);
    writer.write(toBurst(list));
    return path;
  });
}

/** What did not come out as the kernel had it. */
function judge(o: Omit<Outcome, 'failures'>): string[] {
  const failures: string[] = [];
  const expect = (holds: boolean, otherwise: string) => void (holds || failures.push(otherwise));
  expect(
    o.same === o.kernel.length && o.delivered.length === o.kernel.length,
    'the delivered frames are not those that the kernel delivered',
  );
  expect(
    o.sameAgain === o.delivered.length && o.again.length === o.delivered.length,
    'encapsulating and decapsulating again changed frames',
  );
  expect(
    countSame(o.arp.replies, o.arp.kernelReplies) === o.arp.kernelReplies.length,
    "the ARP answers are not the kernel's",
  );
  expect(o.arp.crossed === 0, 'ARP requests crossed the underlay');
  expect(
    Object.values(o.counters).every(({ balanced }) => balanced),
    'the accounting sum does not hold',
  );
  return failures;
}

function toJson(o: Outcome): string {
  const { wire, kernel, delivered, encapsulated, again, arp, ...rest } = o;
  const summary = {
    framesIn: wire.length,
    delivered: delivered.length,
    kernelDelivered: kernel.length,
    encapsulated: encapsulated.length,
    deliveredAgain: again.length,
    vni: VNI,
    arp: { requests: arp.requests.length, replies: arp.replies.length, crossed: arp.crossed, misses: arp.misses },
    ...rest,
  };
  return JSON.stringify(summary, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
}

function toText(o: Outcome): string {
  const verdict = (holds: boolean, text: string) => paint(holds ? 'green' : 'red', `${holds ? '✓' : '✗'} ${text}`);
  const n = (list: readonly unknown[]) => formatCount(list.length);
  const rows = [
    ['frames in', n(o.wire), "one host's wire in a real Docker Swarm, kernel vxlan"],
    ['VXLAN found', formatCount(o.vxlan), `VNI ${VNI}, between 192.168.77.1 and 192.168.77.2`],
    [
      'delivered',
      n(o.delivered),
      verdict(o.same === o.kernel.length, `${o.same} of ${o.kernel.length} byte for byte as the kernel delivered them`),
    ],
    ['ARP requests', n(o.arp.requests), 'by container c1, for 10.99.0.4 and, twice, 10.99.0.77'],
    [
      'ARP answered',
      n(o.arp.replies),
      verdict(o.arp.crossed === 0, `without touching the wire; the kernel's own answer`),
    ],
    [
      'ARP misses',
      n(o.arp.misses),
      `${o.arp.misses.map(({ ip }) => ip).join(', ')}: nobody has it, one event for the control plane`,
    ],
    ['encapsulated', n(o.encapsulated), 'the delivered frames again, in the other direction'],
    [
      'delivered again',
      n(o.again),
      verdict(o.sameAgain === o.again.length, `${o.sameAgain} of ${o.again.length} unchanged by the round trip`),
    ],
    ...Object.entries(o.counters).flatMap(([name, counters]) => dropRows(name, counters)),
    ['decapsulate', `${o.nanos.decapsulate.toFixed(0)} ns`, 'a packet of this capture, VXLAN or not, this machine'],
    ['encapsulate', `${o.nanos.encapsulate.toFixed(0)} ns`, "a packet of this capture's containers, this machine"],
  ];
  const table = formatTable(['what', { title: 'figure', align: 'right' }, 'about'], rows);
  const written = o.files.map((file) => `  ${file}`).join('\n');
  return [table, drawPath(o.delivered, o.encapsulated), `written, for Wireshark:\n${written}`].join('\n\n');
}

function dropRows(station: string, { drops }: Counters): string[][] {
  const about = new Map(describeCounters().map((counter) => [counter.name, counter.about]));
  return Object.entries(drops).map(([name, count]) => [
    `dropped, host of ${station}`,
    formatCount(count),
    `${name}: ${about.get(name) ?? ''}`,
  ]);
}

/** The live demo's outcome, for people and for programs. */
import { type Counters, describeCounters } from '../dataplane/counters.js';
import { STATIONS, VNI } from './demo-hosts.js';
import type { LiveOutcome } from './demo-live.js';
import { formatCount, formatTable, paint } from './terminal.js';

export function liveJson(o: LiveOutcome): string {
  return JSON.stringify({ live: true, vni: VNI, ...o }, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  );
}

export function liveText(o: LiveOutcome): string {
  const [one, two] = STATIONS;
  const verdict = (holds: boolean, text: string) => paint(holds ? 'green' : 'red', `${holds ? '✓' : '✗'} ${text}`);
  const whole = o.download.arrived === o.download.offered;
  const all = Object.values(o.counters);
  const sum = (name: string) => formatCount(all.reduce((total, counters) => total + (counters.total[name] ?? 0n), 0n));
  const replied = (received: number, sent: number, text: string) => verdict(received === sent, text);
  const rows = [
    ['hosts', '2', `network namespaces with a veth between ${one.vtep} and ${two.vtep}; a worker thread each`],
    ['containers', '2', `network namespaces with a TAP: ${one.name} ${one.ip} and ${two.name} ${two.ip}, VNI ${VNI}`],
    ['container MTU', String(o.mtu.container), `what VXLAN leaves of ${o.mtu.wire}`],
    [
      'pings answered',
      `${o.ping.received} of ${o.ping.sent}`,
      replied(o.ping.received, o.ping.sent, `${one.name} reaches ${two.name}`),
    ],
    [
      'large pings',
      `${o.large.received} of ${o.large.sent}`,
      replied(o.large.received, o.large.sent, '8000 bytes each, in fragments'),
    ],
    ['latency', micros(o.ping.median), 'round trip, median of the pings'],
    ['ARP answered', sum('arp_replied'), 'by overlane in place, without touching the underlay'],
    [
      'download',
      `${formatCount(o.download.bytes / 2 ** 20)} MiB`,
      verdict(whole, `by HTTP, ${whole ? 'the same' : 'not the same'} SHA-256 at both ends`),
    ],
    ['download rate', gigabits((8 * o.download.bytes) / o.download.seconds), 'Node.js at both ends'],
    ...(o.throughput.by === 'iperf3'
      ? [['throughput', gigabits(o.throughput.bits), 'iperf3, one TCP connection']]
      : []),
    ['encapsulated', sum('encapsulated'), 'packets put into VXLAN, super-frames counted once'],
    [
      'accounting',
      '',
      verdict(
        all.every(({ balanced }) => balanced),
        'every packet on both hosts is accounted for',
      ),
    ],
    ...Object.entries(o.counters).flatMap(([name, counters]) => dropRows(name, counters)),
    ...(o.swept.length > 0 ? [['swept', formatCount(o.swept.length), 'namespaces that a killed demo had left']] : []),
  ];
  return formatTable(['what', { title: 'figure', align: 'right' }, 'about'], rows);
}

function dropRows(station: string, { drops }: Counters): string[][] {
  const about = new Map(describeCounters().map((counter) => [counter.name, counter.about]));
  return Object.entries(drops).map(([name, count]) => [
    `dropped, host of ${station}`,
    formatCount(count),
    `${name}: ${about.get(name) ?? ''}`,
  ]);
}

const micros = (milliseconds: number) => (Number.isNaN(milliseconds) ? '-' : `${(1000 * milliseconds).toFixed(0)} µs`);
const gigabits = (bits: number) => `${(bits / 1e9).toFixed(2)} Gb/s`;

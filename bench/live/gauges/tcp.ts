/** TCP through iperf3: throughput, and what a gigabit costs. */
import { missingPrograms } from '../../peers/peer.js';
import { CpuWatch } from '../cpu.js';
import { daemonSeconds, daemonSince, type Figures, type Gauge, type GaugeOptions, type Live } from '../gauge.js';
import { CONTAINERS } from '../setup.js';

/** Milliseconds on top of the measuring time. */
const TIME_LIMIT = 15_000;

export interface TcpReport {
  /** Received in the measuring time, Gb/s. */
  gbps: number;
  /** Sent from the first second on, warm-up included: what the whole run's CPU time is divided by. */
  gigabits: number;
  retransmits: number;
  /** Share of one core over the run, 0 to 1 and above. */
  clientShare: number;
  serverShare: number;
  /** Of the measuring time. */
  seconds: number;
}

interface Iperf {
  error?: string;
  intervals?: { sum?: { bytes?: number } }[];
  end?: {
    sum_sent?: { retransmits?: number };
    sum_received?: { bits_per_second?: number; seconds?: number };
    cpu_utilization_percent?: { host_total?: number; remote_total?: number };
  };
}

/** Reads the output of `iperf3 --json`. Throws when it tells of an error, or lacks a figure. */
export function parseIperf(text: string): TcpReport {
  let report: Iperf;
  try {
    report = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Iperf;
  } catch {
    throw new Error(`iperf3 printed no JSON: '${text.trim().slice(0, 200)}'`);
  }
  if (report.error !== undefined) throw new Error(`iperf3: ${report.error}`);
  const { sum_sent: sent, sum_received: received, cpu_utilization_percent: cpu } = report.end ?? {};
  const bytes = (report.intervals ?? []).reduce((sum, each) => sum + (each.sum?.bytes ?? 0), 0);
  if (!received?.bits_per_second || !received.seconds || bytes === 0) throw new Error('iperf3 moved no data');
  return {
    gbps: received.bits_per_second / 1e9,
    gigabits: (bytes * 8) / 1e9,
    retransmits: sent?.retransmits ?? 0,
    clientShare: (cpu?.host_total ?? 0) / 100,
    serverShare: (cpu?.remote_total ?? 0) / 100,
    seconds: received.seconds,
  };
}

async function run(streams: number, live: Live, { seconds, quick, signal }: GaugeOptions): Promise<Figures> {
  const { a, b } = live.ends;
  // iperf3 counts in whole seconds.
  const measured = Math.max(1, Math.round(seconds));
  const warmUp = quick ? 0 : 1;
  const server = b.start('iperf3', ['--server', '--one-off', '--forceflush']);
  try {
    await server.until(/listening/i, AbortSignal.any([signal, AbortSignal.timeout(TIME_LIMIT)]));
    const before = daemonSeconds(live);
    const watch = new CpuWatch();
    const started = performance.now();
    const args = ['--client', CONTAINERS[1].ip, '--json', '--time', `${measured}`, '--omit', `${warmUp}`];
    // A handful of intervals however long it takes.
    const shape = ['--parallel', `${streams}`, '--interval', `${Math.max(1, Math.ceil(measured / 10))}`];
    const output = await a.run('iperf3', [...args, ...shape], TIME_LIMIT + (measured + warmUp) * 1000);
    const wall = (performance.now() - started) / 1000;
    const usage = watch.usage();
    return { ...toFigures(parseIperf(output), usage.busy, wall, daemonSince(live, before)), quiet: usage.quiet };
  } finally {
    await server.stop();
  }
}

function toFigures(report: TcpReport, busy: number, wall: number, daemons: ReadonlyMap<string, number>): Figures {
  const cost = (seconds: number) => (seconds * 1000) / report.gigabits;
  const figures: Figures = {
    gbps: report.gbps,
    cpu_ms_per_gbit: cost(busy),
    client_cpu_ms_per_gbit: cost(report.clientShare * wall),
    server_cpu_ms_per_gbit: cost(report.serverShare * wall),
    retransmits: report.retransmits,
  };
  if (daemons.size > 0)
    figures.daemon_cpu_ms_per_gbit = cost([...daemons.values()].reduce((sum, each) => sum + each, 0));
  const [one, two] = [daemons.get('host 1'), daemons.get('host 2')];
  if (one !== undefined) figures.host_1_cpu_ms_per_gbit = cost(one);
  if (two !== undefined) figures.host_2_cpu_ms_per_gbit = cost(two);
  return figures;
}

function tcp(streams: number): Gauge {
  return {
    name: 'tcp',
    where: streams === 1 ? '1 stream' : `${streams} streams`,
    main: 'gbps',
    better: 'higher',
    unit: 'Gb/s',
    quick: true,
    missing: () => missingPrograms(['iperf3'], 'iperf3'),
    run: (live, options) => run(streams, live, options),
  };
}

export const tcpGauges = [tcp(1), tcp(4)];

/** What a gauge is: one kind of measurement, done the same way on every setup. */
import type { Lab } from './lab.js';
import type { Ends, Setup } from './setup.js';

/** A setup that is up. */
export interface Live {
  setup: Setup;
  lab: Lab;
  ends: Ends;
}

/** What is measured besides the main figure; units are part of the name. */
export const FIGURES = {
  gbps: 'TCP payload received, Gb/s',
  kpps: 'packets received, thousands a second',
  p50_us: 'ping round trip, median, µs',
  p99_us: 'ping round trip, 99th percentile, µs',
  cpu_ms_per_gbit: 'time of all cores of the machine, whoever used it, for each gigabit, ms',
  cpu_us_per_packet: 'time of all cores of the machine, whoever used it, for each packet, µs',
  client_cpu_ms_per_gbit: 'of it iperf3 as the sender, ms',
  server_cpu_ms_per_gbit: 'of it iperf3 as the receiver, ms',
  daemon_cpu_ms_per_gbit: "of it the setup's processes (overlane, wireguard-go, nebula), all, ms",
  host_1_cpu_ms_per_gbit: "the sending host's process, ms",
  host_2_cpu_ms_per_gbit: "the receiving host's process, ms",
  daemon_cpu_us_per_packet: "of it the setup's processes, all, µs",
  retransmits: 'TCP segments sent again in the round',
  loss_percent: 'packets sent but not received at the rate that counts',
  offered_kpps: 'the most the generator could send here, thousands a second',
  reordered: 'packets that came after a later one of their flow',
  lost: 'pings without an answer',
  quiet: 'share of the machine that neither other processes nor the hypervisor took, 0 to 1',
} as const;

export type Figure = keyof typeof FIGURES;
export type Figures = Partial<Record<Figure, number>>;

export interface GaugeOptions {
  seconds: number;
  /** Fewer steps, no warm-up: to see that it works. */
  quick: boolean;
  signal: AbortSignal;
}

export interface Gauge {
  name: string;
  /** Which variant: `1 stream`. */
  where: string;
  /** The figure that is compared. */
  main: Figure;
  better: 'higher' | 'lower';
  unit: string;
  quick: boolean;
  missing(): string | null;
  run(live: Live, options: GaugeOptions): Promise<Figures>;
}

/** CPU seconds of each side's processes so far. */
export function daemonSeconds({ lab }: Live): Map<string, number> {
  return new Map(lab.daemons.map(({ side, process }) => [side, process.cpuNs() / 1e9]));
}

/** CPU seconds of each side's processes since `before`. */
export function daemonSince(live: Live, before: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...daemonSeconds(live)].map(([side, seconds]) => [side, seconds - (before.get(side) ?? 0)]));
}

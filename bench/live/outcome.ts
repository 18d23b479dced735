/** From samples to what is reported. This is also the shape of `live.json`. */
import type { Machine } from '../harness/machine.js';
import { median, quantile } from '../harness/stats.js';
import type { Figure, Figures, Gauge } from './gauge.js';
import type { Setup } from './setup.js';

/** One gauge on one setup, over the rounds. */
export interface CellResult {
  gauge: Gauge;
  setup: Setup;
  samples: Figures[];
  /** Why there are no (further) samples; it is not tried again in later rounds. */
  failure?: string;
  absent?: string;
}

export interface Spread {
  median: number;
  min: number;
  max: number;
  /** First and third quartile, linear interpolation. */
  q1: number;
  q3: number;
  /** One value a round, in order. */
  rounds: number[];
}

export interface LiveRow {
  name: string;
  gauge: string;
  where: string;
  setup: string;
  /** Which of `figures` is compared, and its unit. */
  main: Figure;
  unit: string;
  figures: Partial<Record<Figure, Spread>>;
  absent: string | null;
  failure: string | null;
}

/** overlane against another setup of the same kind, itself without encryption, or the ceiling, in the same run. */
export interface LiveRatio {
  gauge: string;
  where: string;
  own: string;
  rival: string;
  /** How many times as good at the medians: rate / rate, or the rival's time / ours. */
  ratio: number;
  /** The same for every round in which both were measured: lowest and highest. */
  min: number;
  max: number;
  wanted: number | null;
  met: boolean | null;
}

export interface SetupState {
  name: string;
  about: string;
  kind: Setup['kind'];
  /** Share of one core that its processes take while nothing is measured; null: it has none, or is not up. */
  idleCpu: number | null;
  absent: string | null;
  failure: string | null;
}

/** The generator alone, into a sink behind one veth pair; packets a second that it sent. */
export interface Generator {
  sendmmsg: number;
  gso: number;
}

export interface LiveOutcome {
  /** Raised when a field changes its meaning. */
  format: 1;
  kind: 'live';
  overlane: string;
  /** ISO 8601. */
  date: string;
  machine: Machine;
  pinning: string;
  /** TCP's congestion control in all namespaces, such as `cubic`. */
  congestion: string;
  rounds: number;
  seconds: number;
  interrupted: boolean;
  generator: Generator | null;
  setups: SetupState[];
  rows: LiveRow[];
  ratios: LiveRatio[];
}

/** Unique name of a cell, and what `--only` matches: `tcp [1 stream] kernel vxlan`. */
export function liveName(gauge: Gauge, setup: Setup): string {
  return `${gauge.name}${gauge.where === '' ? '' : ` [${gauge.where}]`} ${setup.name}`;
}

/** Throws a RangeError on no values. */
export function spread(rounds: number[]): Spread {
  return {
    median: median(rounds),
    min: Math.min(...rounds),
    max: Math.max(...rounds),
    q1: quantile(rounds, 0.25),
    q3: quantile(rounds, 0.75),
    rounds,
  };
}

const valuesOf = (samples: readonly Figures[], figure: Figure) =>
  samples.flatMap((sample) => (sample[figure] === undefined ? [] : [sample[figure]]));

export function toLiveRow({ gauge, setup, samples, failure, absent }: CellResult): LiveRow {
  const names = [...new Set(samples.flatMap((sample) => Object.keys(sample) as Figure[]))];
  return {
    name: liveName(gauge, setup),
    gauge: gauge.name,
    where: gauge.where,
    setup: setup.name,
    main: gauge.main,
    unit: gauge.unit,
    figures: Object.fromEntries(names.map((name) => [name, spread(valuesOf(samples, name))])),
    absent: absent ?? null,
    failure: failure ?? null,
  };
}

const ENCRYPTED = 'overlane udp, encrypted';

/**
 * DESIGN.md: one TCP stream through two overlane nodes is to be at least as fast as through the kernel's vxlan; encrypted,
 * half as fast as not, and faster than other overlays that encrypt.
 */
const WANTED: readonly { own: string; rival: string; ratio: number }[] = [
  { own: 'overlane udp', rival: 'kernel vxlan', ratio: 1 },
  { own: ENCRYPTED, rival: 'overlane udp', ratio: 0.5 },
  { own: ENCRYPTED, rival: 'wireguard-go', ratio: 1 },
  { own: ENCRYPTED, rival: 'nebula', ratio: 1 },
];

function wantedOf(gauge: Gauge, own: Setup, rival: Setup): number | null {
  if (gauge.name !== 'tcp' || gauge.where !== '1 stream') return null;
  return WANTED.find((each) => each.own === own.name && each.rival === rival.name)?.ratio ?? null;
}

/** Every setup of overlane against what it is compared with, where both have figures. */
export function toLiveRatios(results: readonly CellResult[]): LiveRatio[] {
  const measured = results.filter(({ samples }) => samples.length > 0);
  return measured
    .filter(({ setup }) => setup.own)
    .flatMap((own) =>
      measured
        .filter((other) => other.gauge === own.gauge && isRival(own.setup, other.setup))
        .map((other) => toRatio(own, other)),
    );
}

function isRival(own: Setup, other: Setup): boolean {
  if (other.own === true) return other.name === own.plain;
  return other.kind === own.kind || other.kind === 'ceiling';
}

function toRatio(own: CellResult, other: CellResult): LiveRatio {
  const { gauge } = own;
  const [mine, theirs] = [valuesOf(own.samples, gauge.main), valuesOf(other.samples, gauge.main)];
  const better = (ours: number, rival: number) => (gauge.better === 'higher' ? ours / rival : rival / ours);
  const ratio = better(median(mine), median(theirs));
  const each = theirs.slice(0, mine.length).map((value, i) => better(mine[i]!, value));
  const names = { gauge: gauge.name, where: gauge.where, own: own.setup.name, rival: other.setup.name };
  const wanted = wantedOf(gauge, own.setup, other.setup);
  const met = wanted === null ? null : ratio >= wanted;
  return { ...names, ratio, min: Math.min(...each), max: Math.max(...each), wanted, met };
}

/** What `--check` counts as missed, one sentence each. */
export function liveMisses({ ratios }: LiveOutcome): string[] {
  return ratios
    .filter(({ met }) => met === false)
    .map((r) => `${r.gauge} [${r.where}] ${r.own} against ${r.rival}: ${r.ratio.toFixed(2)} x, wanted ${r.wanted} x`);
}

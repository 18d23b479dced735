/** `overlane bench --live`: real traffic through every setup, all of them up at the same time, rounds interleaved. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine } from '../harness/machine.js';
import { type Progress, plan } from '../harness/schedule.js';
import { systemCongestion } from './congestion.js';
import { daemonSeconds, daemonSince, type Gauge, type GaugeOptions, type Live } from './gauge.js';
import { pingGauge } from './gauges/ping.js';
import { tcpGauges } from './gauges/tcp.js';
import { udpGauges } from './gauges/udp.js';
import { Lab } from './lab.js';
import { sweep } from './names.js';
import {
  type CellResult,
  type Generator,
  type LiveOutcome,
  liveName,
  type SetupState,
  toLiveRatios,
  toLiveRow,
} from './outcome.js';
import { root } from './root.js';
import { CONTAINERS, reach, type Setup, slug } from './setup.js';
import { SETUPS } from './setups/index.js';
import { veth } from './setups/veth.js';
import { sendUdp } from './udp-load.js';

export { congestionProblem } from './congestion.js';

export const GAUGES: readonly Gauge[] = [...tcpGauges, ...udpGauges, pingGauge];

const PINNING =
  'nothing is pinned: the scheduler places iperf3, generator, sink, kernel work and daemons, for every setup alike';

export interface LiveOptions {
  rounds: number;
  /** Measuring time of one round of one cell, seconds; iperf3 rounds it to whole ones. */
  seconds: number;
  /** Cells whose name contains this (any case) take part. */
  only?: string;
  /** The small set of setups and gauges. */
  quick: boolean;
  /** With wireguard-go and nebula. */
  peers: boolean;
  /** TCP's congestion control, such as `cubic`; default that of the system. */
  congestion?: string;
}

interface Cell {
  gauge: Gauge;
  setup: Setup;
}

/** The cells that the options ask for, setups of a gauge side by side: they are what is compared. */
export function chooseLive(options: LiveOptions): Cell[] {
  const pattern = options.only?.toLowerCase() ?? '';
  return GAUGES.flatMap((gauge) => SETUPS.map((setup) => ({ gauge, setup }))).filter(
    ({ gauge, setup }) =>
      (!options.quick || (gauge.quick && setup.quick === true)) &&
      (options.peers || setup.peer !== true) &&
      liveName(gauge, setup).toLowerCase().includes(pattern),
  );
}

/** Why nothing can be measured here, with what helps; null: it can. */
export function liveProblem(): string | null {
  return process.getuid?.() === 0 ? null : 'it makes network namespaces and devices; run it as root (sudo)';
}

class Stage {
  readonly #labs: Lab[] = [];
  readonly up = new Map<Setup, Live>();
  readonly states = new Map<Setup, SetupState>();
  readonly #congestion: string;
  readonly #signal: AbortSignal;

  constructor(congestion: string, signal: AbortSignal) {
    this.#congestion = congestion;
    this.#signal = signal;
  }

  /** Brings `setup` up; what goes wrong is kept in its state. */
  async raise(setup: Setup): Promise<void> {
    const { name, about, kind } = setup;
    const state: SetupState = { name, about, kind, idleCpu: null, absent: setup.missing(), failure: null };
    this.states.set(setup, state);
    if (state.absent !== null) return;
    const lab = new Lab(slug(setup), this.#congestion, this.#signal);
    this.#labs.push(lab);
    try {
      const ends = await setup.up(lab);
      await reach(lab, ends);
      this.up.set(setup, { setup, lab, ends });
    } catch (error) {
      await lab.close();
      if (!this.#signal.aborted) state.failure = messageOf(error);
    }
  }

  /** What each setup's daemons do while nobody sends anything. */
  async watchIdle(seconds: number): Promise<void> {
    const withDaemons = [...this.up.values()].filter(({ lab }) => lab.daemons.length > 0);
    if (withDaemons.length === 0) return;
    const before = withDaemons.map(daemonSeconds);
    const start = performance.now();
    await sleep(seconds * 1000, undefined, { signal: this.#signal });
    const passed = (performance.now() - start) / 1000;
    for (const [i, live] of withDaemons.entries()) {
      const used = [...daemonSince(live, before[i]!).values()].reduce((sum, each) => sum + each, 0);
      this.states.get(live.setup)!.idleCpu = used / passed;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#labs.splice(0).map((lab) => lab.close()));
  }
}

/** Measures. Aborting `signal` ends it early: everything is taken down, the figures so far are returned. */
export async function runLive(
  options: LiveOptions,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
  cells: readonly Cell[] = chooseLive(options),
): Promise<LiveOutcome> {
  const date = new Date().toISOString();
  const setups = SETUPS.filter((setup) => cells.some((cell) => cell.setup === setup));
  const results: CellResult[] = cells.map((cell) => ({ ...cell, samples: [] }));
  const congestion = options.congestion ?? systemCongestion();
  const stage = new Stage(congestion, signal);
  const of = setups.length + cells.length * options.rounds;
  let generator: Generator | null = null;
  try {
    await sweep(signal);
    for (const [done, setup] of setups.entries()) {
      if (signal.aborted) break;
      onProgress({ done, of, round: 0, name: `setting up ${setup.name}` });
      await stage.raise(setup);
    }
    await stage.watchIdle(1);
    generator = await measureGenerator(stage.up.get(veth), cells, signal);
    await measureAll(results, stage.up, options, signal, (step) =>
      onProgress({ ...step, done: step.done + setups.length, of }),
    );
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await stage.close();
  }
  return toOutcome({ date, options, congestion, interrupted: signal.aborted, generator, stage, results });
}

async function measureAll(
  results: readonly CellResult[],
  up: ReadonlyMap<Setup, Live>,
  { rounds, seconds, quick }: LiveOptions,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<void> {
  const steps = plan(results.length, rounds);
  for (const [done, { round, cell }] of steps.entries()) {
    if (signal.aborted) return;
    const result = results[cell]!;
    const live = up.get(result.setup);
    if (live === undefined || result.failure !== undefined || result.absent !== undefined) continue;
    onProgress({ done, of: steps.length, round, name: liveName(result.gauge, result.setup) });
    await measureOne(result, live, { seconds, quick, signal });
  }
}

async function measureOne(result: CellResult, live: Live, options: GaugeOptions): Promise<void> {
  const missing = result.gauge.missing();
  if (missing !== null) {
    result.absent = missing;
    return;
  }
  try {
    result.samples.push(await result.gauge.run(live, options));
  } catch (error) {
    if (!options.signal.aborted) result.failure = messageOf(error);
  }
}

/** Whether the generator is the bottleneck: what it does where there is next to no network. */
async function measureGenerator(
  ceiling: Live | undefined,
  cells: readonly Cell[],
  signal: AbortSignal,
): Promise<Generator | null> {
  if (ceiling === undefined || !cells.some(({ gauge }) => udpGauges.includes(gauge) && gauge.missing() === null))
    return null;
  const { a, b } = ceiling.ends;
  const most = async (gso: boolean) => {
    const load = { rate: null, seconds: 0.3, gso };
    return (await sendUdp(a, b, CONTAINERS[1].ip, load, signal)).sent;
  };
  return { sendmmsg: await most(false), gso: await most(true) };
}

interface Parts {
  date: string;
  options: LiveOptions;
  congestion: string;
  interrupted: boolean;
  generator: Generator | null;
  stage: Stage;
  results: readonly CellResult[];
}

function toOutcome({ date, options, congestion, interrupted, generator, stage, results }: Parts): LiveOutcome {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return {
    format: 1,
    kind: 'live',
    overlane: version,
    date,
    machine: describeMachine(),
    pinning: PINNING,
    congestion,
    rounds: options.rounds,
    seconds: options.seconds,
    interrupted,
    generator,
    setups: [...stage.states.values()],
    rows: results.filter(({ setup }) => stage.up.has(setup)).map(toLiveRow),
    ratios: toLiveRatios(results),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The live side of `overlane run`: from start to a signal, with events and rates on stderr. */
import type { Counters } from '../dataplane/counters.js';
import type { Dataplane } from '../dataplane/dataplane.js';
import type { EncryptionTrouble, LinkChange, Miss, PathMtu, PortFailure } from '../dataplane/events.js';
import { OverlaneError } from '../errors.js';
import type { Outcome } from './run-report.js';
import { formatCount, type Terminal } from './terminal.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Lines of events a second, so that a storm of them neither hides the rest nor fills a disk. */
const LINES_A_SECOND = 20;

export interface LiveOptions {
  /** Seconds between two lines of rates; default none. */
  stats?: number;
  /** Where signals come from; default the process. */
  source?: NodeJS.EventEmitter;
  /** Default `process.stderr`. */
  stream?: Terminal;
}

/** Starts the dataplane and waits for a signal. A second signal finds its default again: it ends the process at once. */
export async function carryLive(dataplane: Dataplane, options: LiveOptions = {}): Promise<Outcome> {
  const { stats, source = process, stream = process.stderr } = options;
  const outcome: Outcome = { live: true, signal: null, errors: [] };
  const log = new EventLog(stream);
  const stopListening = listen(dataplane, log, outcome);
  const { stopped, release } = waitForSignal(source);
  let timer: NodeJS.Timeout | undefined;
  try {
    await dataplane.start();
    stream.write(`live: ${summary(dataplane)}; stop with Ctrl-C\n`);
    if (stats !== undefined) timer = rates(dataplane, stats, stream);
    outcome.signal = await stopped;
  } finally {
    clearInterval(timer);
    release();
    stopListening();
    log.end();
  }
  return outcome;
}

function waitForSignal(source: NodeJS.EventEmitter): { stopped: Promise<string>; release: () => void } {
  let stop = (_signal: string) => {};
  const stopped = new Promise<string>((resolve) => {
    stop = (signal) => {
      release();
      resolve(signal);
    };
  });
  const release = () => {
    for (const signal of SIGNALS) source.off(signal, stop);
  };
  for (const signal of SIGNALS) source.on(signal, stop);
  return { stopped, release };
}

function summary(dataplane: Dataplane): string {
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  return [
    count(dataplane.ports.size, 'port'),
    count(dataplane.underlays.size, 'underlay'),
    count(dataplane.workers, 'worker'),
  ].join(', ');
}

/** Returns how to end it. */
function listen(dataplane: Dataplane, log: EventLog, outcome: Outcome): () => void {
  const failed = new Set<string>();
  const listeners = {
    miss: (misses: Miss[]) => {
      for (const { bridge, port, vlan, ip } of misses) {
        log.say(
          `miss: nobody on bridge ${bridge}${vlan === null ? '' : `, VLAN ${vlan},`} has ${ip}, asked for on ${port}`,
        );
      }
    },
    mtu: (paths: PathMtu[]) => {
      for (const { underlay, peer, mtu } of paths)
        log.say(`mtu: ${underlay} reaches ${peer} with ${mtu} bytes at most`);
    },
    link: (links: LinkChange[]) => {
      for (const { port, state, mtu } of links)
        log.say(`link: ${port} is ${state}${state === 'gone' ? '' : `, MTU ${mtu}`}`);
    },
    encryption: (troubles: EncryptionTrouble[]) => {
      for (const { underlay, reason, message } of troubles) log.say(`encryption: ${underlay}: ${reason}: ${message}`);
    },
    failure: (failures: PortFailure[]) => {
      for (const { port, code, message } of failures) {
        log.say(`failure: ${port}: ${message} (${code})`);
        if (failed.has(port)) continue;
        failed.add(port);
        outcome.errors.push(new OverlaneError(code, `port '${port}': ${message}`));
      }
    },
  };
  for (const [event, listener] of Object.entries(listeners)) dataplane.on(event as 'miss', listener as never);
  return () => {
    for (const [event, listener] of Object.entries(listeners)) dataplane.off(event as 'miss', listener as never);
  };
}

/** Lines of events, at most so many a second; the others are counted, and their number told. */
class EventLog {
  readonly #stream: Terminal;
  #second = 0;
  #lines = 0;
  #held = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  say(line: string): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#tellHeld();
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines < LINES_A_SECOND) {
      this.#lines++;
      this.#stream.write(`${line}\n`);
      return;
    }
    this.#held++;
    this.#timer ??= setTimeout(() => this.#tellHeld(), 1000).unref();
  }

  end(): void {
    this.#tellHeld();
  }

  #tellHeld(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#held > 0) this.#stream.write(`and ${formatCount(this.#held)} more events\n`);
    this.#held = 0;
  }
}

function rates(dataplane: Dataplane, seconds: number, stream: Terminal): NodeJS.Timeout {
  let before = dataplane.counters();
  let then = performance.now();
  return setInterval(() => {
    const after = dataplane.counters();
    const now = performance.now();
    stream.write(`${rateLine(before, after, (now - then) / 1000)}\n`);
    before = after;
    then = now;
  }, seconds * 1000);
}

function rateLine(before: Counters, after: Counters, seconds: number): string {
  const rate = (count: bigint) => Number(count) / seconds;
  const grown = (name: 'rx_packets' | 'rx_bytes' | 'tx_packets' | 'tx_bytes') =>
    rate(after.total[name] - before.total[name]);
  const direction = (word: 'rx' | 'tx') => {
    const packets = formatCount(Math.round(grown(`${word}_packets`)));
    return `${word} ${packets} packets/s ${((8 * grown(`${word}_bytes`)) / 1e6).toFixed(1)} Mb/s`;
  };
  const dropped = formatCount(Math.round(rate(after.dropped - before.dropped)));
  return `${direction('rx')}, ${direction('tx')}, dropped ${dropped} packets/s`;
}

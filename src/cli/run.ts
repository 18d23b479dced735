/** `overlane run FILE`: runs a topology file, then says what became of the packets. */
import { setImmediate as turn } from 'node:timers/promises';
import { Command } from 'commander';
import { type Counters, describeCounters } from '../dataplane/counters.js';
import type { Dataplane } from '../dataplane/dataplane.js';
import { OverlaneError } from '../errors.js';
import { readTopology } from '../topology.js';
import { buildTopology } from '../topology-build.js';
import { formatCount, formatTable, Progress, paint } from './terminal.js';

/** Packets between two looks at signals and progress: some tens of milliseconds. */
export const CHUNK = 65536;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export interface Outcome {
  /** What stopped the run early. */
  signal: string | null;
  /** Ports that failed, each once; the others went on. */
  errors: OverlaneError[];
}

export function runCommand(): Command {
  return new Command('run')
    .description('Run a topology file: offline ports until their input ends; then show a table of counters.')
    .argument('<file>', 'topology, YAML or JSON; relative paths in it start at its folder')
    .option('--json', 'print one JSON object instead of tables')
    .addHelpText(
      'after',
      '\nThe file format: docs/topology.md. Exit status: 0 fine, 1 failed or interrupted, 2 wrong usage or topology.',
    )
    .action(async (file: string, options: { json?: true }) => {
      const dataplane = buildTopology(readTopology(file));
      const outcome = await carryAll(dataplane);
      const counters = dataplane.counters();
      await dataplane.close().catch((error: OverlaneError) => {
        outcome.errors.push(error);
      });
      const text = options.json ? toJson(counters, outcome) : toText(counters, outcome);
      process.stdout.write(`${text}\n`);
      finish(outcome);
    });
}

/** Runs until the inputs end or `source`, the process but for tests, gets a signal. */
export async function carryAll(dataplane: Dataplane, source: NodeJS.EventEmitter = process): Promise<Outcome> {
  const outcome: Outcome = { signal: null, errors: [] };
  const stop = (signal: string) => {
    outcome.signal = signal;
  };
  const progress = new Progress('running');
  for (const signal of SIGNALS) source.on(signal, stop);
  try {
    while (outcome.signal === null && carrySome(dataplane, outcome)) {
      progress.update(`${formatCount(dataplane.counters().received)} packets`);
      await turn();
    }
  } finally {
    for (const signal of SIGNALS) source.off(signal, stop);
    progress.end();
  }
  return outcome;
}

/** Returns whether there may be more. */
function carrySome(dataplane: Dataplane, outcome: Outcome): boolean {
  try {
    return dataplane.run({ packets: CHUNK }) > 0;
  } catch (error) {
    if (!(error instanceof OverlaneError)) throw error;
    outcome.errors.push(error);
    // A port fails once, and the others go on.
    return outcome.errors.length <= dataplane.ports.size;
  }
}

/** The failures, as the exit status and a message. */
function finish({ signal, errors }: Outcome): void {
  const [first, ...more] = errors;
  if (first !== undefined) {
    const also = more.map(({ message }) => `; also ${message}`).join('');
    throw new OverlaneError(first.code, `${first.message}${also}`, { cause: first });
  }
  if (signal !== null) throw new OverlaneError('ERR_OVERLANE_SYSTEM', `stopped by ${signal} before the input ended`);
}

function toJson(counters: Counters, { signal, errors }: Outcome): string {
  const result = {
    complete: signal === null && errors.length === 0,
    ...counters,
    errors: errors.map(({ code, message }) => ({ code, message })),
  };
  // Counters stay below 2^53 for centuries of packets.
  return JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
}

function toText(counters: Counters, outcome: Outcome): string {
  return [portTable(counters), ...stageTable(counters), ...dropTable(counters), accountingLine(counters, outcome)].join(
    '\n\n',
  );
}

const right = (title: string) => ({ title, align: 'right' as const });

function portTable({ ports }: Counters): string {
  const rows = Object.entries(ports).map(([name, values]) => [
    name,
    ...[values.rx_packets, values.rx_bytes, values.tx_packets, values.tx_bytes].map(formatCount),
  ]);
  return formatTable(['port', right('rx packets'), right('rx bytes'), right('tx packets'), right('tx bytes')], rows);
}

/** What the stages did, as far as they did anything. */
function stageTable({ total }: Counters): string[] {
  const known = describeCounters().filter(
    ({ kind, name }) => (kind === 'stage' || kind === 'event') && total[name] !== 0n,
  );
  const rows = known.map(({ name, about }) => [name, formatCount(total[name] ?? 0n), about]);
  return rows.length === 0 ? [] : [formatTable(['counter', right('count'), 'meaning'], rows)];
}

function dropTable({ drops }: Counters): string[] {
  const about = new Map(describeCounters().map((counter) => [counter.name, counter.about]));
  const rows = Object.entries(drops).map(([name, count]) => [name, formatCount(count), about.get(name) ?? '']);
  return rows.length === 0 ? [] : [formatTable(['dropped', right('packets'), 'why'], rows)];
}

function accountingLine(
  { received, cloned, transmitted, consumed, dropped, balanced }: Counters,
  { signal }: Outcome,
): string {
  const [r, c, t, u, d] = [received, cloned, transmitted, consumed, dropped].map(formatCount);
  const sum = `received ${r} + cloned ${c} = transmitted ${t} + consumed ${u} + dropped ${d}`;
  const verdict = balanced
    ? paint('green', 'every packet is accounted for')
    : paint('red', 'the sum does not hold: please report this');
  return `${sum}: ${verdict}${signal === null ? '' : ` (stopped by ${signal})`}`;
}

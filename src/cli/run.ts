/** `overlane run FILE`: runs a topology file, then says what became of the packets. */
import { setImmediate as turn } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { Dataplane } from '../dataplane/dataplane.js';
import type { BridgeEncryption } from '../dataplane/encryption-options.js';
import { OverlaneError } from '../errors.js';
import { readTopology, type Topology } from '../topology.js';
import { buildTopology } from '../topology-build.js';
import { carryLive } from './run-live.js';
import { type Outcome, toJson, toText } from './run-report.js';
import { formatCount, Progress } from './terminal.js';

/** Packets between two looks at signals and progress: some tens of milliseconds. */
export const CHUNK = 65536;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export function runCommand(): Command {
  return new Command('run')
    .description(
      'Run a topology file: offline ports until their input ends, live ones until SIGINT or SIGTERM; then show a table of counters.',
    )
    .argument('<file>', 'topology, YAML or JSON; relative paths in it start at its folder')
    .option('--json', 'print one JSON object instead of tables')
    .option('--stats <seconds>', 'live: say on stderr, that often, how much is carried', seconds)
    .addHelpText(
      'after',
      '\nThe file format: docs/topology.md. Live, events are told on stderr, and a second signal ends it at once.' +
        '\nExit status: 0 fine (live: stopped by a signal), 1 failed or interrupted, 2 wrong usage or topology.',
    )
    .action(async (file: string, options: { json?: true; stats?: number }) => {
      const topology = readTopology(file);
      await protectKeys(topology);
      const dataplane = buildTopology(topology);
      const encryption = encryptionOf(dataplane);
      const outcome = await carry(dataplane, options.stats);
      const counters = dataplane.counters();
      await dataplane.close().catch((error: OverlaneError) => {
        outcome.errors.push(error);
      });
      const text = options.json ? toJson(counters, outcome, encryption) : toText(counters, outcome, encryption);
      process.stdout.write(`${text}\n`);
      finish(outcome);
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0.1 && value <= 86_400) return value;
  throw new InvalidArgumentError('it takes seconds from 0.1 to 86400.');
}

/** Before there are any: memory with keys belongs into no core dump. */
async function protectKeys({ options }: Topology): Promise<void> {
  if (!Object.values(options.bridges ?? {}).some(({ encryption }) => encryption !== undefined)) return;
  const { addon } = await import('../native.js');
  addon.forbidCoreDumps();
}

/** Of the encrypted bridges, by name. */
function encryptionOf({ bridges }: Dataplane): Record<string, BridgeEncryption> {
  const found = [...bridges.values()].map(({ name, encryption }) => [name, encryption] as const);
  return Object.fromEntries(found.filter((entry): entry is [string, BridgeEncryption] => entry[1] !== null));
}

/** Leaves nothing open behind when it throws. */
async function carry(dataplane: Dataplane, stats: number | undefined): Promise<Outcome> {
  try {
    if (dataplane.mode === 'live') return await carryLive(dataplane, stats === undefined ? {} : { stats });
    if (stats === undefined) return await carryAll(dataplane);
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      '--stats is for live topologies, and every port of this one is offline',
    );
  } catch (error) {
    await dataplane.close().catch(() => {});
    throw error;
  }
}

/** Runs until the inputs end or `source`, the process but for tests, gets a signal. */
export async function carryAll(dataplane: Dataplane, source: NodeJS.EventEmitter = process): Promise<Outcome> {
  const outcome: Outcome = { live: false, signal: null, errors: [] };
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

/** The failures, as the exit status and a message. Live ones were told when they happened, and the end is always a signal. */
function finish({ live, signal, errors }: Outcome): void {
  if (live) return;
  const [first, ...more] = errors;
  if (first !== undefined) {
    const also = more.map(({ message }) => `; also ${message}`).join('');
    throw new OverlaneError(first.code, `${first.message}${also}`, { cause: first });
  }
  if (signal !== null) throw new OverlaneError('ERR_OVERLANE_SYSTEM', `stopped by ${signal} before the input ended`);
}

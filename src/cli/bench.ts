/** `overlane bench`: measures the dataplane against its peers. The benchmark itself is compiled beside `dist/cli`, as `dist/bench`. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { OverlaneError } from '../errors.js';
import { formatTable, Progress, paint } from './terminal.js';

/** What is used of `bench/main.ts`, which lies outside `src` and so is loaded by path. */
interface BenchModule {
  runBench(options: BenchOptions, signal: AbortSignal, onProgress: (progress: BenchProgress) => void): Promise<Outcome>;
  listCells(options: BenchOptions): Promise<string[]>;
  formatReport(outcome: Outcome, terminal: { formatTable: typeof formatTable; paint: typeof paint }): string;
  writeResults(outcome: Outcome, directory: string): string[];
  misses(outcome: Outcome): string[];
  productProblem(root: string): string | null;
  liveProblem(): string | null;
  congestionProblem(name: string): string | null;
}

interface BenchOptions {
  rounds: number;
  seconds: number;
  only?: string;
  quick: boolean;
  peers: boolean;
  variants: Variant[];
  live: boolean;
  congestion?: string;
}

interface BenchProgress {
  done: number;
  of: number;
  round: number;
  name: string;
}

interface Outcome {
  interrupted: boolean;
  rows: { name: string; failure: string | null }[];
  /** Of `--live`: what could not come up has no rows. */
  setups?: { name: string; failure: string | null }[];
}

interface Variant {
  name: string;
  root: string;
}

interface Flags extends Omit<BenchOptions, 'rounds' | 'seconds' | 'variants'> {
  rounds?: number;
  seconds?: number;
  out: string;
  json: boolean;
  check: boolean;
  list: boolean;
  variant: Variant[];
}

const MAIN = new URL('../bench/main.js', import.meta.url);
const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

function rounds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value;
  throw new InvalidArgumentError('it takes a whole number from 1 to 1000');
}

function seconds(text: string): number {
  const value = Number(text);
  if (value >= 0.01 && value <= 3600) return value;
  throw new InvalidArgumentError('it takes seconds from 0.01 to 3600');
}

function variant(text: string, others: Variant[]): Variant[] {
  const [, name, root] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || root === undefined)
    throw new InvalidArgumentError('it takes NAME=DIR, the root of a built checkout');
  return [...others, { name, root: path.resolve(root) }];
}

async function loadBench(): Promise<BenchModule> {
  if (!existsSync(MAIN)) {
    throw new OverlaneError(
      'ERR_OVERLANE_MISSING',
      `${fileURLToPath(MAIN)} does not exist; build it with "npm run build"`,
    );
  }
  return (await import(MAIN.href)) as BenchModule;
}

function checkVariants(bench: BenchModule, variants: readonly Variant[]): void {
  const names = new Set<string>(['overlane']);
  for (const { name, root } of variants) {
    if (names.has(name))
      throw new OverlaneError('ERR_OVERLANE_OPTION', `--variant ${name}=… is there twice; give each its own name`);
    names.add(name);
    const problem = bench.productProblem(root);
    if (problem !== null) throw new OverlaneError('ERR_OVERLANE_OPTION', `--variant ${name}: ${problem}`);
  }
}

function checkLive(bench: BenchModule, { live, list, variant, congestion }: Flags): void {
  if (!live) {
    if (congestion === undefined) return;
    throw new OverlaneError('ERR_OVERLANE_OPTION', '--congestion is about TCP, which only --live measures; add that');
  }
  const refused = congestion === undefined ? null : bench.congestionProblem(congestion);
  if (refused !== null) throw new OverlaneError('ERR_OVERLANE_OPTION', `--congestion: ${refused}`);
  if (variant.length > 0) throw new OverlaneError('ERR_OVERLANE_OPTION', '--variant has no meaning with --live');
  const problem = list ? null : bench.liveProblem();
  if (problem !== null) throw new OverlaneError('ERR_OVERLANE_PERMISSION', `--live: ${problem}`);
}

async function bench(flags: Flags): Promise<void> {
  const module = await loadBench();
  checkVariants(module, flags.variant);
  checkLive(module, flags);
  const options: BenchOptions = {
    rounds: flags.rounds ?? (flags.quick ? 2 : 5),
    seconds: flags.seconds ?? (flags.live ? (flags.quick ? 1 : 3) : flags.quick ? 0.2 : 1),
    quick: flags.quick,
    peers: flags.peers,
    variants: flags.variant,
    live: flags.live,
    ...(flags.only === undefined ? {} : { only: flags.only }),
    ...(flags.congestion === undefined ? {} : { congestion: flags.congestion }),
  };
  const names = await module.listCells(options);
  if (names.length === 0) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `nothing is called like '${flags.only}'; "overlane bench --list" shows what there is`,
    );
  }
  if (flags.list) {
    process.stdout.write(flags.json ? `${JSON.stringify(names)}\n` : `${names.join('\n')}\n`);
    return;
  }
  await measure(module, options, flags);
}

async function measure(module: BenchModule, options: BenchOptions, flags: Flags): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  const progress = new Progress('bench:');
  try {
    const outcome = await module.runBench(options, stop.signal, ({ done, of, round, name }) => {
      progress.update(`round ${round + 1}/${options.rounds}, ${done}/${of}: ${name}`);
    });
    progress.end();
    report(module, outcome, flags);
  } finally {
    progress.end();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onSignal);
  }
}

function report(module: BenchModule, outcome: Outcome, flags: Flags): void {
  const files = module.writeResults(outcome, flags.out);
  if (flags.json) process.stdout.write(`${JSON.stringify(outcome, null, 2)}\n`);
  else {
    process.stdout.write(`${module.formatReport(outcome, { formatTable, paint })}\n\n`);
    process.stdout.write(`written: ${files.map((file) => path.relative('.', file) || file).join(', ')}\n`);
  }
  const failed = [...(outcome.setups ?? []), ...outcome.rows].filter((row) => row.failure !== null);
  for (const row of failed) process.stderr.write(`overlane: ${row.name} failed: ${row.failure}\n`);
  const missed = flags.check ? module.misses(outcome) : [];
  for (const miss of missed) process.stderr.write(`overlane: missed: ${miss}\n`);
  if (outcome.interrupted || failed.length > 0 || missed.length > 0) process.exitCode = 1;
}

/** Exit status 1 when a trial failed, when it was interrupted, and with `--check` when a budget or a wanted ratio was missed. */
export function benchCommand(): Command {
  return new Command('bench')
    .description(
      'measure the dataplane against its peers: trials × rivals, each in a fresh process, rounds interleaved',
    )
    .addOption(new Option('--rounds <n>', 'rounds; the median of them counts (default: 5, quick: 2)').argParser(rounds))
    .addOption(
      new Option(
        '--seconds <s>',
        'measuring time of a trial in a round (default: 1, quick: 0.2; live: 3, quick: 1)',
      ).argParser(seconds),
    )
    .option('--only <pattern>', 'only what has this in its name, such as "bridge" or "64 B"')
    .option('--quick', 'a small set in a few seconds, without peers', false)
    .option('--no-peers', 'without dpdk-testpmd and OVS-DPDK; with --live, without wireguard-go and nebula')
    .option('--live', 'real traffic between network namespaces, against the kernel; needs root', false)
    .option('--congestion <name>', "with --live: TCP's congestion control, such as cubic (default: the system's)")
    .addOption(
      new Option('--variant <name=dir>', 'measure another built checkout of overlane too; may be repeated')
        .argParser(variant)
        .default([], 'none'),
    )
    .option('--check', 'exit with status 1 when a budget or a wanted ratio is missed', false)
    .option('--list', 'say what would be measured, and measure nothing', false)
    .option('--out <dir>', 'where the JSON and SVG files go', path.join(PACKAGE_ROOT, 'bench', 'results'))
    .option('--json', 'print the results as one JSON object', false)
    .action(bench);
}

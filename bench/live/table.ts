/** The report of a live run in the terminal. */
import { machineLine } from '../harness/machine.js';
import type { Terminal } from '../report/table.js';
import type { Figure } from './gauge.js';
import type { Generator, LiveOutcome, LiveRatio, LiveRow, SetupState } from './outcome.js';

/** Below this share of the machine a measurement was disturbed. */
const QUIET = 0.97;
/** Share of a core above which an idle setup disturbs the others. */
const IDLE = 0.02;

const right = (title: string) => ({ title, align: 'right' as const });
const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

/** Three significant digits, no exponent. */
function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function cost(row: LiveRow): string {
  const [gigabit, packet] = [row.figures.cpu_ms_per_gbit, row.figures.cpu_us_per_packet];
  if (gigabit !== undefined) return `${short(gigabit.median)} ms/Gb`;
  return packet === undefined ? '' : `${short(packet.median)} µs/packet`;
}

function ownCost(row: LiveRow): string {
  const [gigabit, packet] = [row.figures.daemon_cpu_ms_per_gbit, row.figures.daemon_cpu_us_per_packet];
  if (gigabit !== undefined) return `${short(gigabit.median)} ms/Gb`;
  return packet === undefined ? '' : `${short(packet.median)} µs/packet`;
}

/** What is worth a word beside the main figure. */
const ASIDES: [Figure, (value: number) => string | null][] = [
  ['p99_us', (value) => `p99 ${short(value)} µs`],
  ['lost', (value) => (value === 0 ? null : `${value} unanswered`)],
  ['retransmits', (value) => (value === 0 ? null : `${Math.round(value)} retransmits`)],
  ['offered_kpps', (value) => `offered at most ${short(value)} kpps`],
  ['reordered', (value) => (value === 0 ? null : `${Math.round(value)} reordered`)],
];

function line(row: LiveRow, terminal: Terminal): string[] {
  const head = [row.gauge, row.where, row.setup];
  const main = row.figures[row.main];
  if (main === undefined) {
    const style = row.failure === null ? 'yellow' : 'red';
    const note = row.failure === null ? `absent: ${row.absent ?? 'not measured'}` : `failed: ${row.failure}`;
    return [...head, '', '', '', '', '', terminal.paint(style, note)];
  }
  const notes = ASIDES.map(([figure, say]) => {
    const value = row.figures[figure]?.median;
    return value === undefined ? null : say(value);
  });
  const quiet = row.figures.quiet?.min ?? 1;
  if (quiet < QUIET) notes.push(terminal.paint('yellow', `disturbed (had ${percent(quiet)} of the machine)`));
  if (row.failure !== null) notes.push(terminal.paint('red', `then failed: ${row.failure}`));
  return [
    ...head,
    short(main.median),
    `${short(main.min)}-${short(main.max)}`,
    row.unit,
    cost(row),
    ownCost(row),
    notes.filter((note) => note !== null).join(', '),
  ];
}

function setupLine(setup: SetupState, terminal: Terminal): string[] {
  const { idleCpu, failure, absent } = setup;
  let state = '';
  if (failure !== null) state = terminal.paint('red', `failed: ${failure}`);
  else if (absent !== null) state = terminal.paint('yellow', `absent: ${absent}`);
  else if (idleCpu !== null) {
    const text = `idle: ${percent(idleCpu)} of a core`;
    state = idleCpu > IDLE ? terminal.paint('yellow', `${text}, which disturbs the others`) : text;
  }
  return [setup.name, setup.kind, setup.about, state];
}

function ratioLine(
  { gauge, where, own, rival, ratio, min, max, wanted, met }: LiveRatio,
  terminal: Terminal,
): string[] {
  const verdict = met === null ? '' : met ? terminal.paint('green', 'met') : terminal.paint('red', 'missed');
  const range = `${min.toFixed(2)}-${max.toFixed(2)}`;
  return [own, gauge, where, rival, `${ratio.toFixed(2)} x`, range, wanted === null ? '' : `${wanted} x`, verdict];
}

function generatorLine({ sendmmsg, gso }: Generator): string {
  const rate = (pps: number) => `${short(pps / 1e3)} kpps`;
  return `packet generator alone, over one veth pair: ${rate(sendmmsg)}; with UDP_SEGMENT ${rate(gso)}`;
}

/** The whole report, without a final newline. */
export function formatLive(outcome: LiveOutcome, terminal: Terminal): string {
  const { machine, pinning, congestion, rounds, seconds, generator, setups, rows, ratios } = outcome;
  const facts = [
    machineLine(machine),
    `${pinning}; ${rounds} rounds of ${seconds} s, interleaved; median of the rounds`,
    `TCP's congestion control: ${congestion}`,
    ...(generator === null ? [] : [generatorLine(generator)]),
  ];
  const columns = ['measured', 'what', 'setup', right('median'), right('min-max'), 'unit'];
  const costs = [right('CPU, machine'), right('CPU, its processes'), ''];
  const parts = [
    facts.join('\n'),
    terminal.formatTable(
      ['setup', 'kind', 'is', ''],
      setups.map((setup) => setupLine(setup, terminal)),
    ),
    terminal.formatTable(
      [...columns, ...costs],
      rows.map((row) => line(row, terminal)),
    ),
  ];
  if (ratios.length > 0) {
    const heads = [
      'so many times as good',
      'measured',
      'what',
      'as',
      right('ratio'),
      right('min-max'),
      right('wanted'),
    ];
    parts.push(
      terminal.formatTable(
        [...heads, ''],
        ratios.map((ratio) => ratioLine(ratio, terminal)),
      ),
    );
  }
  if (outcome.interrupted)
    parts.push(terminal.paint('yellow', 'interrupted: figures of the rounds that were finished'));
  return parts.join('\n\n');
}

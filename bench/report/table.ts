/** The report in the terminal. */
import { machineLine } from '../harness/machine.js';
import { place } from '../harness/trial.js';
import { type Outcome, type OverheadRow, percent, QUIET, type Ratio, type Row } from './outcome.js';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** What the command line lends: its tables and its colours. */
export interface Terminal {
  formatTable(columns: (string | { title: string; align?: 'left' | 'right' })[], rows: string[][]): string;
  paint(style: Style, text: string): string;
}

const figure = (ns: number) => (ns >= 1000 ? ns.toFixed(0) : ns.toFixed(1));
const right = (title: string) => ({ title, align: 'right' as const });

function where(row: Row): string {
  const { macs, size, engine } = row;
  return place({ ...(macs !== null && { macs }), ...(size !== null && { size }), ...(engine !== null && { engine }) });
}

function line(row: Row, terminal: Terminal): string[] {
  const head = [row.trial, where(row), row.rival];
  if (row.summary === null) {
    const note = row.absent ?? row.failure ?? 'not measured';
    const style = row.failure === null ? 'yellow' : 'red';
    return [...head, '', '', '', '', terminal.paint(style, `${row.failure === null ? 'absent' : 'failed'}: ${note}`)];
  }
  const { median, min, max, mpps, cpuShare } = row.summary;
  const notes = [judged(row.budgetMet, terminal)];
  if (cpuShare !== null && cpuShare < QUIET)
    notes.push(terminal.paint('yellow', `disturbed (had ${Math.round(cpuShare * 100)} % of its core)`));
  if (row.failure !== null) notes.push(terminal.paint('red', `then failed: ${row.failure}`));
  return [
    ...head,
    figure(median),
    `${figure(min)}-${figure(max)}`,
    mpps.toFixed(mpps < 10 ? 2 : 1),
    row.budget === null ? '' : `${row.budget}`,
    notes.filter((note) => note !== '').join(', '),
  ];
}

function judged(met: boolean | null, terminal: Terminal): string {
  return met === null ? '' : met ? terminal.paint('green', 'met') : terminal.paint('red', 'missed');
}

function ratioLine(ratio: Ratio, terminal: Terminal): string[] {
  return [
    ratio.trial,
    ratio.where,
    ratio.rival,
    `${ratio.ratio.toFixed(2)} x`,
    `${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}`,
    ratio.wanted === null ? '' : `${ratio.wanted} x`,
    judged(ratio.met, terminal),
  ];
}

function overheadLine(row: OverheadRow, terminal: Terminal): string[] {
  return [
    row.trial,
    row.where,
    figure(row.added),
    row.base,
    figure(row.least),
    row.floor,
    percent(row.share),
    `${percent(row.min)} to ${percent(row.max)}`,
    row.most === null ? '' : percent(row.most),
    row.quiet ? judged(row.met, terminal) : terminal.paint('yellow', 'disturbed'),
  ];
}

/** The whole report, without a final newline. */
export function formatReport(outcome: Outcome, terminal: Terminal): string {
  const rows = [...outcome.rows].sort(
    (a, b) => a.trial.localeCompare(b.trial) || (a.macs ?? 0) - (b.macs ?? 0) || (a.size ?? 0) - (b.size ?? 0),
  );
  const columns = ['trial', 'where', 'rival', right('ns/packet'), right('min-max'), right('Mpps'), right('budget'), ''];
  const parts = [
    `${machineLine(outcome.machine)}\n${outcome.pinning}; ${outcome.rounds} rounds of ${outcome.seconds} s, interleaved; median of the rounds` +
      (outcome.memory === null ? '' : `\n${outcome.memory}`),
    terminal.formatTable(
      columns,
      rows.map((row) => line(row, terminal)),
    ),
  ];
  if (outcome.ratios.length > 0) {
    const heads = [
      'packet rate of overlane',
      'where',
      'against',
      right('ratio'),
      right('min-max'),
      right('wanted'),
      '',
    ];
    parts.push(
      terminal.formatTable(
        heads,
        outcome.ratios.map((ratio) => ratioLine(ratio, terminal)),
      ),
    );
  }
  if (outcome.overheads.length > 0) {
    const heads = ['encryption', 'where', right('adds, ns'), 'to', right('least, ns'), 'is', right('overhead')];
    parts.push(
      terminal.formatTable(
        [...heads, right('min-max'), right('at most'), ''],
        outcome.overheads.map((row) => overheadLine(row, terminal)),
      ),
    );
  }
  if (outcome.interrupted)
    parts.push(terminal.paint('yellow', 'interrupted: figures of the rounds that were finished'));
  return parts.join('\n\n');
}

/** What every command shares about the terminal: tables, colour only where it is wanted, progress on stderr. */
import { stripVTControlCharacters } from 'node:util';

export interface Column {
  title: string;
  /** Default `left`; figures read better at the `right`. */
  align?: 'left' | 'right';
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const CODES: Record<Style, [on: number, off: number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** The part of a stream that decides about colour and progress. */
export interface Terminal {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Colour is for a terminal, unless NO_COLOR is set to anything but the empty string (no-color.org). */
export function wantsColour(stream: Terminal = process.stdout): boolean {
  return stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
}

/** `text` in a style where `stream` wants colour, else `text` as it is. */
export function paint(style: Style, text: string, stream: Terminal = process.stdout): string {
  if (!wantsColour(stream)) return text;
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

function width(text: string): number {
  return stripVTControlCharacters(text).length;
}

/**
 * A table as text, without the final newline: a bold heading, columns two spaces apart, no trailing blanks.
 * A column given as a string is left-aligned; a row may be shorter than the columns.
 */
export function formatTable(columns: (string | Column)[], rows: string[][], stream: Terminal = process.stdout): string {
  const heads = columns.map((column): Column => (typeof column === 'string' ? { title: column } : column));
  const widths = heads.map((head, i) =>
    rows.reduce((most, row) => Math.max(most, width(row[i] ?? '')), width(head.title)),
  );
  const line = (cells: string[]): string =>
    heads
      .map((head, i) => {
        const cell = cells[i] ?? '';
        const blanks = ' '.repeat(widths[i]! - width(cell));
        return head.align === 'right' ? blanks + cell : cell + blanks;
      })
      .join('  ')
      .trimEnd();
  const heading = line(heads.map((head) => paint('bold', head.title, stream)));
  return [heading, ...rows.map((row) => line(row))].join('\n');
}

/** `1234567` as `1,234,567`, whatever the locale. */
export function formatCount(value: number | bigint): string {
  return value.toLocaleString('en-US');
}

export interface ProgressOptions {
  /** Default `process.stderr`. */
  stream?: Terminal;
  /** Milliseconds of silence before the first line. Default 1000. */
  quietMs?: number;
  /** Milliseconds, from any origin. Default `performance.now`. */
  clock?: () => number;
}

/**
 * One line on stderr that is rewritten in place and gone at the end. Nothing is shown in the first second, nor where
 * stderr is no terminal, so a command may report as often as it likes.
 */
export class Progress {
  readonly #label: string;
  readonly #stream: Terminal;
  readonly #clock: () => number;
  #due: number;
  #shown = false;

  constructor(label: string, options: ProgressOptions = {}) {
    this.#label = label;
    this.#stream = options.stream ?? process.stderr;
    this.#clock = options.clock ?? (() => performance.now());
    this.#due = this.#clock() + (options.quietMs ?? 1000);
  }

  /** Says how far it is: `text` as it is, or `done` of `total` in percent. Drawn at most ten times a second. */
  update(state: string | { done: number; total: number }): void {
    if (this.#stream.isTTY !== true || this.#clock() < this.#due) return;
    this.#due = this.#clock() + 100;
    this.#shown = true;
    const text = typeof state === 'string' ? state : `${Math.floor((100 * state.done) / Math.max(state.total, 1))} %`;
    const line = `${this.#label} ${text}`.slice(0, (this.#stream.columns ?? 80) - 1);
    this.#stream.write(`\r\u001b[2K${line}`);
  }

  /** Removes the line. Harmless when nothing was shown. */
  end(): void {
    if (this.#shown) this.#stream.write('\r\u001b[2K');
    this.#shown = false;
  }
}

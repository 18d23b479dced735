/**
 * The part of Go's templates that people give to Docker's `--format`: text, `{{.Field}}`, `{{.One.Two}}`, `{{json .}}`,
 * `{{json .Field}}` and `{{.Label "key"}}`. And Docker's tables.
 */
import { OverlaneError } from '../errors.js';
import { suggestion } from '../suggest.js';

interface Action {
  /** Names of fields, from the outermost; empty: all of it. */
  path: string[];
  json: boolean;
  /** Of `.Label`. */
  key?: string;
}

type Part = string | Action;

const ACTION = /^(?:(json)\s+)?(\.|(?:\.[A-Za-z_]\w*)+)(?:\s+"([^"\\]*)")?$/;
const HELP =
  'here it takes text, {{.Field}}, {{json .}}, {{json .Field}} and {{.Label "key"}}; for more, give --json to a tool such as jq';

/** Of `--format`. Throws `ERR_OVERLANE_OPTION` for anything that it does not know, which Go perhaps does. */
export function parseTemplate(text: string): Part[] {
  const parts: Part[] = [];
  let rest = text.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  for (let start = rest.indexOf('{{'); start >= 0; start = rest.indexOf('{{')) {
    const end = rest.indexOf('}}', start);
    const inner = rest.slice(start + 2, end < 0 ? undefined : end).trim();
    const [, json, path = '', key] = ACTION.exec(inner) ?? [];
    const known = path !== '' && (key === undefined || (path === '.Label' && json === undefined));
    if (end < 0 || !known || (path === '.' && json === undefined))
      throw optionError(`--format has {{${inner}}}; ${HELP}`);
    if (start > 0) parts.push(rest.slice(0, start));
    parts.push({ path: path.split('.').filter(Boolean), json: json !== undefined, ...(key !== undefined && { key }) });
    rest = rest.slice(end + 2);
  }
  if (rest !== '') parts.push(rest);
  return parts;
}

/** The template with the fields of `row`; `.Label` looks into `labels`. */
export function renderTemplate(parts: Part[], row: object, labels: Record<string, string> = {}): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return part;
      if (part.key !== undefined) return labels[part.key] ?? '';
      const value = fieldOf(row, part.path);
      return part.json ? JSON.stringify(value) : plain(value, part.path);
    })
    .join('');
}

function fieldOf(row: object, path: string[]): unknown {
  let value: unknown = row;
  for (const name of path) {
    const fields = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
    if (!Object.hasOwn(fields, name)) {
      const hint = suggestion(name, Object.keys(fields));
      throw optionError(`--format has {{.${path.join('.')}}}, but there is no field '${name}'${hint}`);
    }
    value = (fields as Record<string, unknown>)[name];
  }
  return value;
}

function plain(value: unknown, path: string[]): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const dotted = path.join('.');
  throw optionError(`{{.${dotted}}} has parts; write {{json .${dotted}}}, or one of them: {{.${dotted}.Part}}`);
}

/** The heading over rows of `parts`; knows every field by its title, so a wrong one is found without any row. */
function headingOf(parts: Part[], titles: Record<string, string>): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return part;
      if (part.key !== undefined) return part.key;
      const title = fieldOf(titles, part.path);
      return typeof title === 'string' ? title : '';
    })
    .join('');
}

/** What is listed: fields by the names that templates know, and what `.Label` finds. */
export interface ListRow {
  fields: Record<string, string>;
  labels?: Record<string, string>;
}

/**
 * A list as `--format` says: `table`, `table <template>`, `json` (an object a line) or a template. Undefined: `usual`. Every line ends
 * with a newline.
 */
export function formatList(
  rows: ListRow[],
  format: string | undefined,
  usual: string,
  titles: Record<string, string>,
): string {
  const wanted = (format || usual) === 'table' ? usual : format || usual;
  if (wanted === 'json') return rows.map(({ fields }) => `${JSON.stringify(fields)}\n`).join('');
  const isTable = /^table\s/.test(wanted);
  const parts = parseTemplate(isTable ? wanted.slice('table'.length).trim() : wanted);
  const heading = headingOf(parts, titles);
  const lines = rows.map(({ fields, labels }) => renderTemplate(parts, fields, labels));
  if (!isTable) return lines.map((line) => `${line}\n`).join('');
  return tabulate([heading, ...lines].map((line) => line.split('\t')));
}

/** As Docker has it: every column but the last is at least 10 wide, with 3 blanks after its longest cell. */
export function tabulate(rows: string[][]): string {
  const shown = rows.map((cells) => cells.map(harmless));
  const widths: number[] = [];
  for (const cells of shown) {
    cells.slice(0, -1).forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 10, [...cell].length + 3);
    });
  }
  return shown
    .map((cells) => {
      const padded = cells.map((cell, i) =>
        i < cells.length - 1 ? cell + ' '.repeat(widths[i]! - [...cell].length) : cell,
      );
      return `${padded.join('')}\n`;
    })
    .join('');
}

/** Labels come from anybody, and a terminal obeys control characters. */
function harmless(cell: string): string {
  return cell.replace(/\p{Cc}/gu, '?');
}

/** `inspect --format`: `json` is all of it in one line, a template a line each; undefined: JSON for people. */
export function formatInspected(all: object[], format: string | undefined): string {
  if (!format) return `${JSON.stringify(all, null, 4)}\n`;
  if (format === 'json') return `${JSON.stringify(all)}\n`;
  const parts = parseTemplate(format);
  return all
    .map((one) => {
      // Docker's clients say ID for what JSON calls Id.
      const { Id } = one as { Id?: string };
      return `${renderTemplate(parts, parts.some(isWhole) || Id === undefined ? one : { ...one, ID: Id })}\n`;
    })
    .join('');
}

const isWhole = (part: Part) => typeof part !== 'string' && part.path.length === 0;

function optionError(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

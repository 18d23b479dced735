/** What `ls` commands have in common: options, and the rows in one of the forms that Docker's client knows. */
import type { Command } from 'commander';
import { formatList, type ListRow } from './docker-template.js';

export interface ListArguments {
  quiet?: true;
  trunc: boolean;
  format?: string;
  json?: true;
}

export function withListOptions(command: Command): Command {
  return command
    .option(
      '--format <format>',
      "'table', 'table TEMPLATE', 'json' (an object a line), or a template such as '{{.Name}}'",
    )
    .option('--no-trunc', 'whole ids')
    .option('-q, --quiet', 'ids only')
    .option('--json', 'all there is to know, as a JSON array');
}

/** How the rows look without options. */
export interface ListLook<T> {
  row: (one: T, trunc: boolean) => ListRow;
  /** A template. */
  usual: string;
  /** Of columns, by field. */
  titles: Record<string, string>;
}

export function printList<T>(all: T[], given: ListArguments, { row, usual, titles }: ListLook<T>): void {
  const rows = () => all.map((one) => row(one, given.trunc));
  const text = given.json
    ? `${JSON.stringify(all)}\n`
    : formatList(rows(), given.format, given.quiet ? '{{.ID}}' : usual, titles);
  process.stdout.write(text);
}

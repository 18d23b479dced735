/** Errors of a program: one line on stderr, and the exit status. */
import { CommanderError } from 'commander';
import { OverlaneError } from '../errors.js';

/** Codes that mean the caller's words are wrong, not the world. */
const USAGE_CODES = new Set<string>(['ERR_OVERLANE_OPTION', 'ERR_OVERLANE_TOPOLOGY']);

interface Failure {
  status: number;
  code: string;
  message: string;
}

function describe(error: unknown): Failure {
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean $1?');
    return { status: 2, code: 'ERR_OVERLANE_OPTION', message };
  }
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof OverlaneError) return { status: USAGE_CODES.has(error.code) ? 2 : 1, code: error.code, message };
  // Not ours: a system error with its own code, or a defect.
  if (typeof code === 'string') return { status: 1, code, message };
  return { status: 1, code: 'ERR_OVERLANE_INTERNAL', message: `${message}; OVERLANE_DEBUG=1 shows where` };
}

/** How errors are told. */
export interface ReportOptions {
  /** Name of the program, before the message. */
  program: string;
  /** As one object of JSON. */
  json: boolean;
}

/** Prints an error on stderr and gives the exit status. `--help` and `--version` end here too, as commander throws for them. */
export function reportError(error: unknown, { program, json }: ReportOptions): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  // No command at all: commander has just printed the help on stderr.
  if (error instanceof CommanderError && error.code === 'commander.help') return 2;
  const { status, code, message } = describe(error);
  const text = json ? JSON.stringify({ error: { code, message } }) : `${program}: ${message} (${code})`;
  process.stderr.write(`${text}\n`);
  if (process.env['OVERLANE_DEBUG'] === '1' && error instanceof Error) {
    const cause = error.cause instanceof Error ? `\ncaused by: ${error.cause.stack}` : '';
    process.stderr.write(`${error.stack}${cause}\n`);
  }
  return status;
}

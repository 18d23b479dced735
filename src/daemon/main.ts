#!/usr/bin/env node
/**
 * The `overlaned` program. Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage. It stays in the foreground; a second signal
 * ends it at once. What it cannot go on from ends it, too: it is made to be started again.
 */
import { reportError } from '../cli/report.js';
import { packageVersion } from '../version.js';
import { messageOf } from './errors.js';
import { type Log, openLog } from './log.js';
import { notify } from './notify.js';
import { type DaemonOptions, daemonCommand } from './options.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

async function run(options: DaemonOptions): Promise<void> {
  const log = openLog(options.logLevel);
  const { logger } = log;
  dieOfDefects(log);
  // From here, so that a start that takes long can be ended.
  const stopped = firstSignal();
  // Loads the addon, which --help can do without.
  const { startDaemon } = await import('./daemon.js');
  const daemon = await startDaemon(options, logger);
  const tell = async (state: 'READY=1' | 'STOPPING=1') => {
    const trouble = await notify(state);
    if (trouble !== null) logger.warn(trouble);
  };
  await tell('READY=1');
  const signal = await stopped;
  logger.info({ signal }, 'stopping');
  void tell('STOPPING=1');
  await daemon.stop();
  logger.info('stopped');
  log.flush();
  process.exit(0);
}

/** The second signal finds its default again: it ends the process. */
function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    const stop = (signal: string) => {
      for (const one of SIGNALS) process.off(one, stop);
      resolve(signal);
    };
    for (const one of SIGNALS) process.on(one, stop);
  });
}

function dieOfDefects({ logger, flush }: Log): void {
  const die = (error: unknown) => {
    logger.fatal({ err: error }, `ended by a defect: ${messageOf(error)}`);
    flush();
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
}

async function main(): Promise<void> {
  const program = daemonCommand(packageVersion(), run)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    process.exitCode = reportError(error, { program: 'overlaned', json: false });
    // What a failed start has left running must not keep it.
    setTimeout(() => process.exit(), 1000).unref();
  }
}

await main();

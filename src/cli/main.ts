#!/usr/bin/env node
/**
 * The `overlane` program. Exit status: 0 fine, 1 failed, 2 wrong usage. An error is one line on stderr,
 * `overlane: <message> (<code>)`, or with `--json` the object `{"error":{"code","message"}}`.
 *
 * Each command is a file that is loaded only when asked for, so `--help` is quick and a command that cannot load
 * (no addon, say) leaves the others working. SIGINT and SIGTERM keep their default here (status 130 and 143 in a
 * shell); a command with something to finish installs its own handler.
 */
import { Command } from 'commander';
import { packageVersion } from '../version.js';
import { reportError } from './report.js';

interface Entry {
  name: string;
  summary: string;
  load: () => Promise<Command>;
}

/** To add a command: copy a line, and write its file. */
const COMMANDS: Entry[] = [
  {
    name: 'demo',
    summary: 'carry a capture of a real container overlay through two dataplanes',
    load: async () => (await import('./demo.js')).demoCommand(),
  },
  {
    name: 'run',
    summary: 'run a topology file',
    load: async () => (await import('./run.js')).runCommand(),
  },
  {
    name: 'decode',
    summary: 'show the packets of a capture, one line or one JSON object each',
    load: async () => (await import('./decode.js')).decodeCommand(),
  },
  {
    name: 'network',
    summary: 'make, list, connect and remove networks of the daemon',
    load: async () => (await import('./network.js')).networkCommand(),
  },
  {
    name: 'sandbox',
    summary: 'make, list and remove network namespaces on these networks',
    load: async () => (await import('./sandbox.js')).sandboxCommand(),
  },
  {
    name: 'exec',
    summary: 'run a command in a sandbox',
    load: async () => (await import('./exec.js')).execCommand(),
  },
  {
    name: 'inspect',
    summary: 'show the forwarding tables, ports and counters of the daemon',
    load: async () => (await import('./inspect.js')).inspectCommand(),
  },
  {
    name: 'capture',
    summary: 'write the packets of an endpoint into a capture',
    load: async () => (await import('./capture.js')).captureCommand(),
  },
  {
    name: 'bench',
    summary: 'measure the dataplane against its peers',
    load: async () => (await import('./bench.js')).benchCommand(),
  },
  {
    name: 'keys',
    summary: 'make key files for encrypted bridges',
    load: async () => (await import('./keys.js')).keysCommand(),
  },
  {
    name: 'doctor',
    summary: 'say what this machine offers, and how to get what is missing',
    load: async () => (await import('./doctor.js')).doctorCommand(),
  },
];

/** Gives a command and those under it the error handling of the program. */
function adopt(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) adopt(command, child);
}

async function buildProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command('overlane')
    .description('A userspace packet-processing dataplane: bridge, proxy ARP, VXLAN and container networks.')
    .version(packageVersion())
    // What comes after the name of a command is the command's: 'overlane exec web -- ip -V'.
    .enablePositionalOptions()
    .exitOverride()
    // The text of an error is printed once, by reportError().
    .configureOutput({ outputError: () => {} });
  for (const entry of COMMANDS) {
    if (entry.name !== wanted) {
      program.command(entry.name).description(entry.summary);
      continue;
    }
    const command = await entry.load();
    adopt(program, command);
    program.addCommand(command);
  }
  return program;
}

/** The command that `argv` is about: `overlane decode …`, `overlane help decode`. */
function wantedCommand(argv: string[]): string | undefined {
  const words = argv.filter((word) => !word.startsWith('-'));
  return words[0] === 'help' ? words[1] : words[0];
}

async function main(argv: string[]): Promise<void> {
  // After '--' are the words of another program.
  const end = argv.indexOf('--');
  const json = argv.slice(0, end < 0 ? undefined : end).includes('--json');
  for (const stream of [process.stdout, process.stderr]) {
    // The reader has gone (`overlane decode … | head`): nobody is left to tell.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit();
      throw error;
    });
  }
  process.on('uncaughtException', (error) => {
    process.exit(reportError(error, { program: 'overlane', json }));
  });
  try {
    const program = await buildProgram(wantedCommand(argv));
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    process.exitCode = reportError(error, { program: 'overlane', json });
  }
}

await main(process.argv.slice(2));

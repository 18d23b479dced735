/** The options of `overlaned`, and what they must be. */
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { LEVELS, type Level } from './log.js';

export interface DaemonOptions {
  /** Absolute path of the socket. */
  socket: string;
  /** Name or number of the group that may use it; null: only root may. */
  group: string | null;
  /** File that networks are remembered in. */
  store: string;
  /** Of the files of sandboxes. */
  folder: string;
  /** Of the namespaces of sandboxes. */
  runFolder: string;
  /** Threads that carry packets. */
  workers: number;
  defaultBridge: boolean;
  firewall: 'auto' | 'none';
  logLevel: Level;
}

/** The program; `run` is called with what was asked for. */
export function daemonCommand(version: string, run: (options: DaemonOptions) => Promise<void>): Command {
  return new Command('overlaned')
    .description(
      'The daemon of overlane: container networks behind the network part of the Docker Engine API, on a unix socket.',
    )
    .version(version)
    .option('--socket <path>', 'unix socket to listen on', absolute, '/run/overlane/overlaned.sock')
    .option('--group <name|gid>', 'group that may use the socket as well (mode 0660); default: only root (0600)')
    .option(
      '--store <file>',
      'file that networks and sandboxes are remembered in',
      absolute,
      '/var/lib/overlane/overlane.db',
    )
    .option('--folder <path>', 'folder of the files of sandboxes', absolute, '/var/lib/overlane')
    .option('--run-folder <path>', 'folder of the network namespaces of sandboxes', absolute, '/run/overlane')
    .option('--workers <number>', 'threads that carry packets', workers, 1)
    .option('--no-default-bridge', "do not make the network 'bridge'")
    .addOption(
      new Option('--firewall <how>', 'auto: nftables where the machine has it; none: never')
        .choices(['auto', 'none'])
        .default('auto'),
    )
    .addOption(new Option('--log-level <level>', 'least level of the lines on stderr').choices(LEVELS).default('info'))
    .addHelpText('after', '\nUse it with: docker --host unix:///run/overlane/overlaned.sock network ls')
    .action(async (options: Omit<DaemonOptions, 'group'> & { group?: string }) => {
      await run({ ...options, group: options.group ?? null });
    });
}

function absolute(text: string): string {
  if (path.isAbsolute(text)) return text;
  throw new InvalidArgumentError('it must be an absolute path.');
}

function workers(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 64) return Number(text);
  throw new InvalidArgumentError('it takes a whole number from 1 to 64.');
}

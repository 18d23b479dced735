/** The options of `overlaned`, and what they must be. */
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { OverlaneError } from '../errors.js';
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
  /** Address of this host's VTEP; null: no overlay networks. */
  vtep: string | null;
  /** UDP port of VXLAN. */
  vxlanPort: number;
  /** File that says which endpoints are behind which VTEP; null: nobody is. */
  peers: string | null;
  /** File of keys for encrypted overlay networks; null: there can be none. */
  overlayKeys: string | null;
  logLevel: Level;
}

/** What may be left out has no value then. */
type Optional = 'group' | 'vtep' | 'peers' | 'overlayKeys';
type Given = Omit<DaemonOptions, Optional> & { [K in Optional]?: string };

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
    .option('--vtep <address>', 'address of this host that other nodes reach; overlay networks need it')
    .option('--vxlan-port <port>', 'UDP port of VXLAN, the same on all nodes', vxlanPort, 4789)
    .option('--peers <file>', 'YAML file of the endpoints on other nodes (docs/networks.md)', absolute)
    .option('--overlay-keys <file>', "keys of encrypted overlay networks, made by 'overlane keys new'", absolute)
    .addOption(new Option('--log-level <level>', 'least level of the lines on stderr').choices(LEVELS).default('info'))
    .addHelpText('after', '\nUse it with: docker --host unix:///run/overlane/overlaned.sock network ls')
    .action(async (options: Given) => {
      const { group = null, vtep = null, peers = null, overlayKeys = null } = options;
      if (vtep === null && (peers ?? overlayKeys) !== null) {
        throw new OverlaneError(
          'ERR_OVERLANE_OPTION',
          '--peers and --overlay-keys are for overlay networks, which need --vtep',
        );
      }
      await run({ ...options, group, vtep, peers, overlayKeys });
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

function vxlanPort(text: string): number {
  if (/^\d{4,5}$/.test(text) && Number(text) >= 1024 && Number(text) <= 49151) return Number(text);
  throw new InvalidArgumentError('it takes a whole number from 1024 to 49151.');
}

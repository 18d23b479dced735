/** `overlane exec`: a command in a sandbox, with the network of it and its resolv.conf, hosts and hostname. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants as fsConstants, readFileSync, type Stats, statSync } from 'node:fs';
import { constants } from 'node:os';
import { Command } from 'commander';
import { OverlaneError } from '../errors.js';
import { at, DaemonClient, withSocket } from './daemon-client.js';
import type { SandboxView } from './daemon-types.js';
import { findProgram, howToGrant, missingCapabilities } from './doctor-check.js';

const OWN_NETNS = '/proc/self/ns/net';

/**
 * Runs in the network namespace and new mount and UTS namespaces, and becomes the command. All words are parameters, none is part of
 * the script. With `$sys`, /sys shows the interfaces of the namespace, as ip-netns(8) does it. What has no place in /etc is left out.
 */
const SCRIPT = `
mount=$1 umount=$2 sys=$3 name=$4
fail() { echo "overlane exec: $1" >&2; exit 125; }
cover() {
  if [ -e "$2" ]; then "$mount" --bind -- "$1" "$2" || fail "$2 of the sandbox cannot be mounted"
  else echo "overlane exec: there is no $2 here to mount that of the sandbox over" >&2; fi
}
cover "$5" /etc/resolv.conf
cover "$6" /etc/hosts
[ ! -e /etc/hostname ] || cover "$7" /etc/hostname
shift 7
if [ "$sys" != keep ]; then
  "$umount" -l /sys 2>/dev/null
  "$mount" -t sysfs -o "$sys" sysfs /sys || fail '/sys cannot be mounted'
fi
printf %s "$name" >/proc/sys/kernel/hostname || fail 'the hostname cannot be set'
exec "$@"
`;

/** Those that somebody sends to a command. The rest keep their default here: a stopped command stops this too. */
const FORWARDED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;
/** Those that a terminal sends to everybody in its foreground, and so to the command by itself. */
const BY_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT'];

const HELP = `
Exit status: that of the command; 128 and the number of the signal that ended it; 126 when it cannot be run, 127 when it is not found,
125 when the sandbox could not be entered. Needs root. A change of hosts or resolv.conf shows in commands that start after it.

Examples:
  overlane exec web -- ip address
  overlane exec web -- sh -c 'cat /etc/hosts; hostname'`;

export function execCommand(): Command {
  const command = new Command('exec')
    .description('Run a command in a sandbox, with its network, resolv.conf, hosts and hostname.')
    .argument('<sandbox>', 'name or id')
    .argument('<command...>', 'the command and its words; -- before it is allowed')
    .option('--json', 'errors of overlane as JSON')
    .passThroughOptions()
    .addHelpText('after', HELP);
  return withSocket(command).action(async (ref: string, words: string[], { socket }: { socket?: string }) => {
    const wanted = words[0] === '--' ? words.slice(1) : words;
    refuseCommand(wanted);
    const sandbox = await new DaemonClient(socket).get<SandboxView>(at`/overlane/sandboxes/${ref}`);
    process.exitCode = await runInside(sandbox, wanted);
  });
}

function refuseCommand([name = '']: string[]): void {
  if (name === '') throw optionError('missing required argument: the command to run');
  // The shell's exec would take it for an option of its own.
  if (name.startsWith('-'))
    throw optionError(`a command cannot be called ${JSON.stringify(name)}; write its path, such as ./${name}`);
}

/** Runs the command to its end, with this process's standard streams; gives its exit status. */
export async function runInside(sandbox: SandboxView, words: string[]): Promise<number> {
  const [file, args] = wordsOf(sandbox, words);
  const child = spawn(file, args, { stdio: 'inherit' });
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const handlers = FORWARDED.map((signal) => {
    const byTerminal = terminal && BY_TERMINAL.includes(signal);
    const handler = () => void (byTerminal || child.kill(signal));
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + constants.signals[signal!];
  } catch (cause) {
    throw new OverlaneError('ERR_OVERLANE_SYSTEM', `${file} cannot be run: ${(cause as Error).message}`, { cause });
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

/** nsenter, then unshare, then the script, then the command: each replaces itself by the next, so signals get to the last. */
function wordsOf({ name, netns, hostname, files }: SandboxView, words: string[]): [string, string[]] {
  const [nsenter, unshare, mount, umount, sh] = ['nsenter', 'unshare', 'mount', 'umount', 'sh'].map(programOf) as [
    string,
    string,
    string,
    string,
    string,
  ];
  refuseWithoutPrivileges();
  const there = namespaceAt(netns, name);
  for (const path of Object.values(files)) refuseUnreadable(path, name);
  const own = statSync(OWN_NETNS);
  const isHere = there.ino === own.ino && there.dev === own.dev;
  const parameters = [mount, umount, isHere ? 'keep' : sysOptions(), hostname];
  const inside = [
    sh,
    '-c',
    SCRIPT,
    'overlane exec',
    ...parameters,
    files.resolvConf,
    files.hosts,
    files.hostname,
    ...words,
  ];
  const unshared = [unshare, '--mount', '--uts', '--propagation', 'slave', '--', ...inside];
  return [nsenter, [`--net=${netns}`, '--', ...unshared]];
}

function programOf(name: string): string {
  const file = findProgram(name);
  if (file !== undefined) return file;
  const from = name === 'sh' ? 'dash' : name === 'nsenter' || name === 'unshare' ? 'util-linux' : 'mount';
  throw new OverlaneError(
    'ERR_OVERLANE_MISSING',
    `the program ${name} is missing; install it: apt-get install ${from}`,
  );
}

function refuseWithoutPrivileges(): void {
  const missing = missingCapabilities(['CAP_SYS_ADMIN']);
  if (missing.length === 0) return;
  const message = `entering a sandbox needs ${missing.join(' and ')}; ${howToGrant(missing)}`;
  throw new OverlaneError('ERR_OVERLANE_PERMISSION', message);
}

/** nsfs is what namespaces are files of; a plain file is the place where one was mounted. */
function namespaceAt(path: string, sandbox: string): Stats {
  const nsfs = statSync(OWN_NETNS).dev;
  try {
    const found = statSync(path);
    if (found.dev === nsfs) return found;
  } catch {
    // As if it were something else.
  }
  const why = 'it was removed behind the back of overlaned, or overlaned runs in another mount namespace';
  throw new OverlaneError('ERR_OVERLANE_MISSING', `${path} of sandbox ${sandbox} is no network namespace here: ${why}`);
}

function refuseUnreadable(path: string, sandbox: string): void {
  try {
    accessSync(path, fsConstants.R_OK);
  } catch (cause) {
    const message = `${path} of sandbox ${sandbox} cannot be read (${(cause as Error).message}); remove the sandbox and make it again`;
    throw new OverlaneError('ERR_OVERLANE_MISSING', message, { cause });
  }
}

/** Where /sys is read-only, as in containers, the new one must be too, or the kernel refuses it. */
function sysOptions(): 'ro' | 'rw' {
  const line = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .findLast((mounted) => mounted.split(' ')[1] === '/sys');
  return line?.split(' ')[3]?.split(',').includes('ro') ? 'ro' : 'rw';
}

function optionError(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

/** `overlane network …`: networks of overlaned, with the words of `docker network`. */
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { OverlaneError } from '../errors.js';
import { at, DaemonClient, DOCKER_API, withSocket } from './daemon-client.js';
import type { EndpointView } from './daemon-types.js';
import { type EndpointArguments, endpointOptions, filtersOf, listed, repeated } from './docker-options.js';
import { createNetworkCommand } from './network-create.js';
import { inspectNetworksCommand, listNetworksCommand } from './network-list.js';
import { forEach, unlessAbsent } from './several.js';

const EXAMPLES = `
Examples:
  overlane network create --subnet 172.28.0.0/16 --gateway 172.28.0.1 front
  overlane network connect --ip 172.28.0.9 --alias web front sandbox1
  overlane network ls --filter driver=bridge`;

export function networkCommand(): Command {
  return new Command('network')
    .description(
      "Make, list, connect and remove networks of the daemon overlaned; flags are those of 'docker network'.",
    )
    .addCommand(createNetworkCommand())
    .addCommand(listNetworksCommand())
    .addCommand(inspectNetworksCommand())
    .addCommand(connectCommand())
    .addCommand(disconnectCommand())
    .addCommand(removeCommand())
    .addCommand(pruneCommand())
    .addHelpText('after', EXAMPLES);
}

interface ConnectArguments extends EndpointArguments {
  socket?: string;
  json?: true;
}

function connectCommand(): Command {
  const command = withEndpoint(
    new Command('connect')
      .description('Connect a sandbox to a network.')
      .argument('<network>', 'name or id')
      .argument('<sandbox>', 'name or id')
      .option('--driver-opt <key=value>', 'an option of the driver; may be repeated', listed),
  ).option('--json', 'print the new endpoint');
  return withSocket(command).action(async (network: string, sandbox: string, given: ConnectArguments) => {
    const body = { sandbox, ...endpointOptions(given) };
    const made = await new DaemonClient(given.socket).post<EndpointView>(
      at`/overlane/networks/${network}/connect`,
      body,
    );
    if (given.json) process.stdout.write(`${JSON.stringify(made)}\n`);
  });
}

/** The options of an endpoint, for commands that make one. */
export function withEndpoint(command: Command): Command {
  return command
    .option('--ip <address>', 'IPv4 address to have (default: the next free one)')
    .option('--ip6 <address>', 'IPv6 address to have')
    .option('--mac-address <mac>', 'MAC address (default: made of the IPv4 address)')
    .option('--alias <name>', 'another name on the network; may be repeated', listed)
    .option(
      '-p, --publish <spec>',
      'ports of the host that lead there: [ip:][host[-end]]:port[-end][/udp]; may be repeated',
      repeated,
    );
}

function disconnectCommand(): Command {
  const command = new Command('disconnect')
    .description('Disconnect a sandbox from a network.')
    .argument('<network>', 'name or id')
    .argument('<sandbox>', 'name or id')
    .option('-f, --force', 'also when the sandbox is in no state to be asked');
  return withSocket(command).action(
    async (network: string, sandbox: string, { force, socket }: { force?: true; socket?: string }) => {
      const body = { Container: sandbox, Force: force === true };
      await new DaemonClient(socket).post(`${DOCKER_API}${at`/networks/${network}/disconnect`}`, body);
    },
  );
}

function removeCommand(): Command {
  const command = new Command('rm')
    .alias('remove')
    .description('Remove networks that no sandbox is connected to, and print their names.')
    .argument('<network...>', 'names, ids, or beginnings of ids')
    .option('-f, --force', 'those that are not there are no error');
  return withSocket(command).action(async (refs: string[], { force, socket }: { force?: true; socket?: string }) => {
    const client = new DaemonClient(socket);
    await forEach(refs, async (ref) => {
      const work = client.delete(`${DOCKER_API}${at`/networks/${ref}`}`);
      if (!force) await work;
      else if (!(await unlessAbsent(work))) return;
      process.stdout.write(`${ref}\n`);
    });
  });
}

interface PruneArguments {
  force?: true;
  filter?: string[];
  socket?: string;
  json?: true;
}

function pruneCommand(): Command {
  const command = new Command('prune')
    .description('Remove all networks that no sandbox is connected to.')
    .option('-f, --force', 'do not ask')
    .option('--filter <name=value>', 'only some: until=<time>, label, label!; may be repeated', repeated)
    .option('--json', 'print {removed}; needs --force');
  return withSocket(command).action(async ({ force, filter, socket, json }: PruneArguments) => {
    const filters = filtersOf(filter);
    const client = new DaemonClient(socket);
    if (!force && !(await confirm(json))) return;
    const { NetworksDeleted } = await client.post<{ NetworksDeleted?: string[] | null }>(
      `${DOCKER_API}/networks/prune`,
      {},
      { filters },
    );
    const removed = NetworksDeleted ?? [];
    if (json) process.stdout.write(`${JSON.stringify({ removed })}\n`);
    else if (removed.length > 0) process.stdout.write(`Deleted Networks:\n${removed.join('\n')}\n\n`);
  });
}

/** Asks on the terminal; where there is none, nobody can answer. */
async function confirm(json: true | undefined): Promise<boolean> {
  if (json || !process.stdin.isTTY) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      'there is nobody to ask; give --force to remove all unused networks',
    );
  }
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  const gone = new Promise<string>((resolve) => reader.once('close', () => resolve('')));
  process.stdout.write('WARNING! This will remove all custom networks not used by at least one container.\n');
  const answer = await Promise.race([reader.question('Are you sure you want to continue? [y/N] '), gone]);
  reader.close();
  return /^y(es)?$/i.test(answer.trim());
}

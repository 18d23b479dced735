/** `overlane sandbox …`: network namespaces that overlaned connects to its networks. */
import { Command } from 'commander';
import type { PublishedPort } from '../cnm/records.js';
import { at, DaemonClient, withSocket } from './daemon-client.js';
import type { SandboxView } from './daemon-types.js';
import type { ListRow } from './docker-template.js';
import { type ListArguments, printList, withListOptions } from './list-output.js';
import { inspectEach, naturalOrder } from './network-list.js';
import { createSandboxCommand } from './sandbox-create.js';
import { forEach, unlessAbsent } from './several.js';

const USUAL = 'table {{.ID}}\\t{{.Name}}\\t{{.Namespace}}\\t{{.Networks}}\\t{{.Addresses}}\\t{{.Ports}}';
const TITLES = {
  ID: 'SANDBOX ID',
  Name: 'NAME',
  Namespace: 'NAMESPACE',
  Networks: 'NETWORKS',
  Addresses: 'ADDRESSES',
  Ports: 'PORTS',
};

const EXAMPLES = `
Examples:
  overlane sandbox create web --network front --ip 172.28.0.9 -p 8080:80
  overlane exec web -- ping -c 1 172.28.0.1
  overlane sandbox rm web`;

export function sandboxCommand(): Command {
  return new Command('sandbox')
    .description('Make, list and remove sandboxes: network namespaces that overlaned connects to its networks.')
    .addCommand(createSandboxCommand())
    .addCommand(listCommand())
    .addCommand(removeCommand())
    .addCommand(inspectCommand())
    .addHelpText('after', EXAMPLES);
}

function listCommand(): Command {
  const command = new Command('ls').alias('list').description('List sandboxes.');
  return withSocket(withListOptions(command)).action(async (given: ListArguments & { socket?: string }) => {
    const all = await new DaemonClient(given.socket).get<SandboxView[]>('/overlane/sandboxes');
    all.sort((a, b) => naturalOrder(a.name, b.name));
    printList(all, given, { row: rowOf, usual: USUAL, titles: TITLES });
  });
}

function rowOf({ id, name, kind, netns, labels, endpoints }: SandboxView, trunc: boolean): ListRow {
  return {
    labels,
    fields: {
      ID: trunc ? id.slice(0, 12) : id,
      Name: name,
      Namespace: kind === 'host' ? 'host' : netns,
      Networks: endpoints.map(({ networkName }) => networkName).join(', '),
      Addresses: endpoints.flatMap(({ addresses }) => addresses).join(', '),
      Ports: endpoints.flatMap(({ ports }) => ports.map(portText)).join(', '),
    },
  };
}

/** `0.0.0.0:8080->80/tcp` */
function portText({ protocol, hostIp, hostPort, containerPort }: PublishedPort): string {
  return `${hostIp.includes(':') ? `[${hostIp}]` : hostIp}:${hostPort}->${containerPort}/${protocol}`;
}

function removeCommand(): Command {
  const command = new Command('rm')
    .alias('remove')
    .description(
      'Remove sandboxes, with their endpoints and the namespaces that were made for them, and print their names.',
    )
    .argument('<sandbox...>', 'names, ids, or beginnings of ids')
    .option('-f, --force', 'those that are not there are no error');
  return withSocket(command).action(async (refs: string[], { force, socket }: { force?: true; socket?: string }) => {
    const client = new DaemonClient(socket);
    await forEach(refs, async (ref) => {
      const work = client.delete(at`/overlane/sandboxes/${ref}`);
      if (!force) await work;
      else if (!(await unlessAbsent(work))) return;
      process.stdout.write(`${ref}\n`);
    });
  });
}

function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('Print all there is to know of sandboxes, as a JSON array.')
    .argument('<sandbox...>', 'names, ids, or beginnings of ids')
    .option('-f, --format <format>', "'json' (in one line), or a template such as '{{.netns}}' (a line each)")
    .option('--json', 'as without it: what is printed is JSON');
  return withSocket(command).action(
    async (refs: string[], { format, socket }: { format?: string; socket?: string }) => {
      const client = new DaemonClient(socket);
      await inspectEach(refs, format, (ref) => client.get<object>(at`/overlane/sandboxes/${ref}`));
    },
  );
}

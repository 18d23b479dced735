/** `overlane network ls` and `inspect`. */
import { Command } from 'commander';
import { at, DaemonClient, DOCKER_API, withSocket } from './daemon-client.js';
import type { NetworkResource } from './daemon-types.js';
import { filtersOf, repeated } from './docker-options.js';
import { formatInspected, type ListRow } from './docker-template.js';
import { type ListArguments, printList, withListOptions } from './list-output.js';
import { forEach, isAbsent } from './several.js';

const USUAL = 'table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.Scope}}';
const TITLES = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED AT',
};

interface NetworkListArguments extends ListArguments {
  filter?: string[];
  socket?: string;
}

export function listNetworksCommand(): Command {
  const command = new Command('ls')
    .alias('list')
    .description('List networks.')
    .option(
      '-f, --filter <name=value>',
      'only some: name, id, driver, type, scope, label, dangling; may be repeated',
      repeated,
    );
  return withSocket(withListOptions(command)).action(async (given: NetworkListArguments) => {
    const filters = filtersOf(given.filter);
    const all = await new DaemonClient(given.socket).get<NetworkResource[]>(`${DOCKER_API}/networks`, { filters });
    all.sort((a, b) => naturalOrder(a.Name, b.Name));
    printList(all, given, { row: rowOf, usual: USUAL, titles: TITLES });
  });
}

function rowOf(network: NetworkResource, trunc: boolean): ListRow {
  const labels = network.Labels ?? {};
  return {
    labels,
    // In the order of the alphabet, as Docker's JSON has them.
    fields: {
      CreatedAt: goTime(network.Created),
      Driver: network.Driver,
      ID: trunc ? network.Id.slice(0, 12) : network.Id,
      IPv6: String(network.EnableIPv6),
      Internal: String(network.Internal),
      Labels: Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      Name: network.Name,
      Scope: network.Scope,
    },
  };
}

/** `2026-11-21T17:00:00.120Z` as Go prints it. */
function goTime(iso: string): string {
  return iso.replace(/^(\S+)T([\d:]+)(?:(\.\d*?)0*)?Z$/, (_, day: string, time: string, fraction = '') => {
    return `${day} ${time}${fraction === '.' ? '' : fraction} +0000 UTC`;
  });
}

/** `net9` before `net10`. */
export function naturalOrder(a: string, b: string): number {
  const left = a.match(/\d+|\D+/g) ?? [];
  const right = b.match(/\d+|\D+/g) ?? [];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [one, other] = [left[i]!, right[i]!];
    if (one === other) continue;
    const numbers = /^\d/.test(one) && /^\d/.test(other);
    const difference = numbers ? BigInt(one) - BigInt(other) : 0n;
    if (difference !== 0n) return difference < 0n ? -1 : 1;
    return one < other ? -1 : 1;
  }
  return left.length - right.length;
}

interface InspectArguments {
  format?: string;
  verbose?: true;
  socket?: string;
}

export function inspectNetworksCommand(): Command {
  const command = new Command('inspect')
    .description('Print all there is to know of networks, as a JSON array.')
    .argument('<network...>', 'names, ids, or beginnings of ids')
    .option('-f, --format <format>', "'json' (in one line), or a template such as '{{.Name}}' (a line each)")
    .option('-v, --verbose', 'more, where the driver has more')
    .option('--json', 'as without it: what is printed is JSON');
  return withSocket(command).action(async (refs: string[], given: InspectArguments) => {
    const client = new DaemonClient(given.socket);
    const query = given.verbose ? { verbose: 'true' } : {};
    await inspectEach(refs, given.format, (ref) => client.get<object>(`${DOCKER_API}${at`/networks/${ref}`}`, query));
  });
}

/** Prints what was found, then throws about the rest. */
export async function inspectEach(
  refs: readonly string[],
  format: string | undefined,
  look: (ref: string) => Promise<object>,
): Promise<void> {
  const found: object[] = [];
  let failure: unknown;
  try {
    await forEach(refs, async (ref) => void found.push(await look(ref)));
  } catch (error) {
    failure = error;
  }
  if (found.length > 0 || failure === undefined || isAbsent(failure)) {
    process.stdout.write(formatInspected(found, format));
  }
  if (failure !== undefined) throw failure;
}

/** `overlane sandbox create`. */
import { isIP } from 'node:net';
import { Command } from 'commander';
import type { EndpointOptions, SandboxOptions } from '../cnm/options.js';
import { OverlaneError } from '../errors.js';
import { DaemonClient, DOCKER_API, withSocket } from './daemon-client.js';
import type { SandboxView } from './daemon-types.js';
import { type EndpointArguments, endpointOptions, pairs, repeated } from './docker-options.js';
import { withEndpoint } from './network.js';
import { unlessAbsent } from './several.js';

interface CreateArguments extends Omit<EndpointArguments, 'driverOpt'> {
  network?: string[];
  netns?: string;
  hostname?: string;
  dns?: string[];
  dnsSearch?: string[];
  dnsOption?: string[];
  addHost?: string[];
  label?: string[];
  socket?: string;
  json?: true;
}

type Body = Omit<SandboxOptions, 'networks'> & { networks: ({ network: string } & EndpointOptions)[] };

export function createSandboxCommand(): Command {
  const command = withEndpoint(
    new Command('create')
      .description(
        'Make a sandbox, connected to networks, and print its id. The options of an endpoint are for the first network.',
      )
      .argument('[name]', 'its name (default: made up of its id)')
      .option(
        '--network <network>',
        "name or id; may be repeated; 'host' is the namespace of the host, 'none' no network (default: bridge, if there is one)",
        repeated,
      ),
  )
    .option('--netns <path>', 'an existing network namespace: a path, or a name of ip-netns (default: a new one)')
    .option('--hostname <name>', 'hostname (default: the beginning of the id)')
    .option('--dns <ip>', 'a DNS server, in place of those of the host; may be repeated', repeated)
    .option('--dns-search <domain>', "a search domain; '.' is none; may be repeated", repeated)
    .option('--dns-option <option>', 'an option of resolv.conf; may be repeated', repeated)
    .option('--add-host <name:ip>', 'a further line of the hosts file; may be repeated', repeated)
    .option('--label <key=value>', 'a label; may be repeated', repeated)
    .option('--json', 'print the new sandbox');
  return withSocket(command).action(async (name: string | undefined, given: CreateArguments) => {
    const options = sandboxOptions(name, given);
    const first = endpointOptions(given);
    const client = new DaemonClient(given.socket);
    const networks = given.network ?? (await defaultNetworks(client));
    const body = { ...options, ...placesOf(networks, first, options) };
    const made = await client.post<SandboxView>('/overlane/sandboxes', body);
    process.stdout.write(`${given.json ? JSON.stringify(made) : made.id}\n`);
  });
}

function sandboxOptions(name: string | undefined, given: CreateArguments): SandboxOptions {
  const dns = {
    ...(given.dns && { servers: given.dns }),
    ...(given.dnsSearch && { search: given.dnsSearch }),
    ...(given.dnsOption && { options: given.dnsOption }),
  };
  return {
    ...(name !== undefined && { name }),
    ...(given.netns !== undefined && { netns: given.netns }),
    ...(given.hostname !== undefined && { hostname: given.hostname }),
    ...(given.label && { labels: pairs(given.label, '--label') }),
    ...(Object.keys(dns).length > 0 && { dns }),
    ...(given.addHost && { hosts: Object.fromEntries(given.addHost.map(hostLine)) }),
  };
}

/** `db:10.0.0.2`, `db:[2001:db8::2]`, `db:2001:db8::2`, and with `=` for the first colon, as Docker takes them. */
function hostLine(text: string): [name: string, ip: string] {
  const [, name = '', address = ''] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  const ip = address.replace(/^\[(.*)\]$/, '$1');
  if (isIP(ip) !== 0) return [name, ip];
  throw optionError(`--add-host ${JSON.stringify(text)} is not of the form name:ip`);
}

async function defaultNetworks(client: DaemonClient): Promise<string[]> {
  const there = await unlessAbsent(client.get(`${DOCKER_API}/networks/bridge`));
  return there ? ['bridge'] : [];
}

/** Where it is connected: to no network but the host's, or to any others. */
function placesOf(
  networks: string[],
  first: EndpointOptions,
  { netns }: SandboxOptions,
): Pick<Body, 'host' | 'networks'> {
  for (const alone of ['host', 'none']) {
    if (networks.includes(alone) && networks.length > 1) {
      throw optionError(`--network ${alone} excludes other networks; give it alone`);
    }
  }
  if (networks[0] === 'host' && netns !== undefined) {
    throw optionError("--network host and --netns exclude each other: the host's namespace is one already");
  }
  const addressed = networks.length > 0 && networks[0] !== 'host' && networks[0] !== 'none';
  if (!addressed && Object.keys(first).length > 0) {
    throw optionError('there is no network that the addresses, names and ports could be on; name one with --network');
  }
  const places = networks.map((network, i) => (i === 0 ? { network, ...first } : { network }));
  return { ...(networks[0] === 'host' && { host: true }), networks: places };
}

function optionError(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

/** `overlane network create`. */
import { Command } from 'commander';
import { DaemonClient, DOCKER_API, withSocket } from './daemon-client.js';
import { listed, pairs, repeated } from './docker-options.js';
import { type IpamArguments, ipamConfigs } from './network-ipam.js';

interface CreateArguments extends Omit<IpamArguments, 'auxAddress'> {
  driver: string;
  auxAddress?: string[];
  internal?: true;
  attachable?: true;
  ipv6?: true;
  label?: string[];
  opt?: string[];
  ipamDriver: string;
  ipamOpt?: string[];
  socket?: string;
  json?: true;
}

export function createNetworkCommand(): Command {
  const command = new Command('create')
    .description('Make a network, and print its id.')
    .argument('<network>', 'its name')
    .option('-d, --driver <name>', 'driver of the network', 'bridge')
    .option('--subnet <cidr>', 'a subnet, such as 172.28.0.0/16; may be repeated (default: the next free one)', listed)
    .option('--gateway <ip>', 'gateway of the subnet that it is in; may be repeated', listed)
    .option('--ip-range <cidr>', 'part of a subnet that addresses are chosen from; may be repeated', listed)
    .option('--aux-address <name=ip>', 'an address to keep clear of; may be repeated', repeated)
    .option('--internal', 'no way out of the network')
    .option('--attachable', 'noted, as Docker does; every sandbox can be connected to every network')
    .option('--ipv6', 'an IPv6 subnet too')
    .option('--label <key=value>', 'a label; may be repeated', repeated)
    .option('-o, --opt <key=value>', 'an option of the driver; may be repeated', repeated)
    .option('--ipam-driver <name>', 'who manages the addresses', 'default')
    .option('--ipam-opt <key=value>', 'an option of the address management; may be repeated', repeated)
    .option('--json', 'print {id, warning}');
  return withSocket(command).action(async (name: string, given: CreateArguments) => {
    const client = new DaemonClient(given.socket);
    const made = await client.post<{ Id: string; Warning?: string }>(
      `${DOCKER_API}/networks/create`,
      bodyOf(name, given),
    );
    if (made.Warning) process.stderr.write(`overlane: ${made.Warning}\n`);
    const text = given.json ? JSON.stringify({ id: made.Id, warning: made.Warning ?? '' }) : made.Id;
    process.stdout.write(`${text}\n`);
  });
}

function bodyOf(name: string, given: CreateArguments): object {
  return {
    Name: name,
    CheckDuplicate: true,
    Driver: given.driver,
    Internal: given.internal === true,
    Attachable: given.attachable === true,
    ...(given.ipv6 === true && { EnableIPv6: true }),
    IPAM: {
      Driver: given.ipamDriver,
      Options: pairs(given.ipamOpt, '--ipam-opt'),
      Config: ipamConfigs({ ...given, auxAddress: pairs(given.auxAddress, '--aux-address') }),
    },
    Options: pairs(given.opt, '--opt'),
    Labels: pairs(given.label, '--label'),
  };
}

/** Making a network: names, subnets, the driver's part, the store; in this order, and back again when one of them refuses. */
import { parseCidr } from '../address.js';
import { OverlaneError } from '../errors.js';
import { listRoutes } from '../netns/addresses.js';
import { type Core, driverOf } from './core.js';
import { newId } from './ids.js';
import type { Pool, PoolRequest } from './ipam/ipam.js';
import type { NetworkOptions, SubnetOptions } from './options.js';
import type { NetworkRecord } from './records.js';

/** Docker has one of each, made with it. */
const SINGLE = new Set(['host', 'null']);

export async function makeNetwork(core: Core, options: NetworkOptions, predefined = false): Promise<NetworkRecord> {
  const driver = driverOf(core, options.driver ?? 'bridge');
  refuseNetwork(core, options.name, driver.name);
  const plan: NetworkRecord = {
    id: newId(),
    name: options.name,
    driver: driver.name,
    scope: driver.scope,
    created: new Date().toISOString(),
    internal: options.internal ?? false,
    attachable: options.attachable ?? false,
    ipv6: options.ipv6 === true || (options.subnets ?? []).some((subnet) => familyOf(subnet) === 6),
    labels: options.labels ?? {},
    options: options.options ?? {},
    ipamOptions: options.ipamOptions ?? {},
    pools: [],
    settled: {},
    predefined,
  };
  const pools = driver.addressed ? requestPools(core, plan, options.subnets ?? []) : refuseSubnets(options);
  let network: NetworkRecord = { ...plan, pools };
  let opened = false;
  try {
    network = { ...network, settled: driver.settle(network) };
    await driver.open(network);
    opened = true;
    core.registry.commit({ put: [{ kind: 'network', record: network }] });
  } catch (error) {
    if (opened) await driver.close(network).catch(() => {});
    for (const { id } of pools) core.ipam.releasePool(id);
    throw error;
  }
  const attributes = { name: network.name, type: driver.name };
  core.emit({ type: 'network', action: 'create', id: network.id, name: network.name, attributes });
  return network;
}

function refuseNetwork(core: Core, name: string, driver: string): void {
  for (const other of core.registry.network.values()) {
    if (other.name === name) {
      throw new OverlaneError(
        'ERR_OVERLANE_EXISTS',
        `network with name ${name} already exists; remove it, or choose another name`,
      );
    }
    if (SINGLE.has(driver) && other.driver === driver) {
      throw new OverlaneError(
        'ERR_OVERLANE_PERMISSION',
        `only one instance of "${driver}" network is allowed; use '${other.name}'`,
      );
    }
  }
}

function refuseSubnets(options: NetworkOptions): Pool[] {
  if ((options.subnets ?? []).length === 0) return [];
  throw new OverlaneError(
    'ERR_OVERLANE_OPTION',
    `a network of driver ${options.driver} has no addresses; leave the subnets out`,
  );
}

/** One pool for each subnet asked for; where a family that the network has is not asked for, one of the default pools. */
function requestPools(core: Core, network: NetworkRecord, subnets: SubnetOptions[]): Pool[] {
  const requests: PoolRequest[] = subnets.map((one) => ({ ...one, ...common(network), family: familyOf(one) }));
  for (const family of [4, 6] as const) {
    if (requests.some((request) => request.family === family)) continue;
    // An IPv6 subnet alone still comes with IPv4, as containers expect it.
    if (family === 4 || network.ipv6) requests.push({ ...common(network), family });
  }
  const reserved = requests.some(({ subnet }) => subnet === undefined) ? usedByHost() : [];
  const pools: Pool[] = [];
  try {
    for (const request of requests) pools.push(core.ipam.requestPool({ ...request, reserved }));
  } catch (error) {
    for (const { id } of pools) core.ipam.releasePool(id);
    throw error;
  }
  return pools;
}

function common(network: NetworkRecord): { owner: string; space: 'local' | 'global' } {
  return { owner: `network ${network.name}`, space: network.scope };
}

function familyOf({ subnet, range, gateway }: SubnetOptions): 4 | 6 {
  return (subnet ?? range ?? gateway ?? '').includes(':') ? 6 : 4;
}

/** Where the host's routes lead: to choose a subnet there would cut the host off from it. */
function usedByHost(): string[] {
  return listRoutes(null)
    .map(({ to }) => to)
    .filter((to) => parseCidr(to).prefix > 0);
}

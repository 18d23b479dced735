/** Endpoints: addresses for them, into a sandbox and out again. All of this happens inside a change (`core.changes`). */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { containerMac, formatIp, formatMac, inSubnet, parseIp, withoutPrefix } from '../address.js';
import { hostIp, stationMac } from '../dataplane/addresses.js';
import { OverlaneError } from '../errors.js';
import { type Core, driverOf, networkOf, sandboxOf } from './core.js';
import { writeSandboxFiles } from './files.js';
import { GATEWAY_NETWORK, GATEWAY_OPTIONS, gatewayNeed, gatewayNetwork } from './gateway.js';
import { newId, shortId } from './ids.js';
import { makeNetwork } from './make-network.js';
import type { EndpointOptions } from './options.js';
import type { EndpointAddress, EndpointRecord, NetworkRecord, SandboxRecord } from './records.js';
import { settleDefaultRoutes } from './routes.js';

/** Reserves addresses and describes an endpoint; nothing is stored. */
export function reserveEndpoint(core: Core, network: NetworkRecord, options: EndpointOptions): EndpointRecord {
  const id = newId();
  const name = options.name ?? `endpoint-${shortId(id)}`;
  const addresses = reserveAddresses(core, network, options, `endpoint ${name}`);
  return {
    id,
    name,
    network: network.id,
    sandbox: null,
    created: new Date().toISOString(),
    mac: macOf(core, network, options, addresses),
    addresses,
    interface: null,
    rank: 0,
    aliases: options.aliases ?? [],
    ports: options.ports ?? [],
    options: options.options ?? {},
  };
}

/** An endpoint in a sandbox, or none. */
export async function connectSandbox(
  core: Core,
  network: NetworkRecord,
  sandbox: SandboxRecord,
  options: EndpointOptions,
): Promise<EndpointRecord> {
  const endpoint = reserveEndpoint(core, network, options);
  try {
    return await joinSandbox(core, endpoint, sandbox);
  } catch (error) {
    releaseEndpoint(core, endpoint);
    throw error;
  }
}

export function releaseEndpoint(core: Core, endpoint: EndpointRecord): void {
  for (const { pool, address } of endpoint.addresses) core.ipam.releaseAddress(pool, withoutPrefix(address));
}

/**
 * One address of each family. What is asked for says which subnets; else they are the first ones, or, when those are full, the next: subnets
 * of both families at the same place in the list belong together.
 */
function reserveAddresses(
  core: Core,
  network: NetworkRecord,
  options: EndpointOptions,
  owner: string,
): EndpointAddress[] {
  const done: EndpointAddress[] = [];
  const take = (address: EndpointAddress) => done.push(address);
  const giveBack = () => {
    for (const { pool, address } of done.splice(0)) core.ipam.releaseAddress(pool, withoutPrefix(address));
  };
  const asked = (options.ips ?? []).map((ip) => formatIp(hostIp(ip, "option 'ips' of createEndpoint")));
  const families = [4, 6].map((family) => network.pools.filter((pool) => pool.family === family));
  const places = Math.max(...families.map(({ length }) => length));
  try {
    for (const ip of asked) take(reserveAsked(core, network, ip, owner));
    const given = families.flatMap((pools) => done.map(({ pool }) => pools.findIndex(({ id }) => id === pool)));
    const start = Math.max(0, ...given);
    for (let place = start; ; place++) {
      const kept = done.length;
      try {
        for (const pools of families) {
          const pool = pools[place];
          if (pool === undefined || pools.some(({ id }) => done.some((one) => one.pool === id))) continue;
          take({ pool: pool.id, address: core.ipam.requestAddress(pool.id, { owner }) });
        }
        return done;
      } catch (error) {
        const full = error instanceof OverlaneError && error.code === 'ERR_OVERLANE_EXHAUSTED';
        if (!full || asked.length > 0 || place + 1 >= places) throw error;
        for (const { pool, address } of done.splice(kept)) core.ipam.releaseAddress(pool, withoutPrefix(address));
      }
    }
  } catch (error) {
    giveBack();
    throw error;
  }
}

function reserveAsked(core: Core, network: NetworkRecord, ip: string, owner: string): EndpointAddress {
  const pool = network.pools.find(({ subnet }) => inSubnet(ip, subnet));
  if (pool !== undefined) return { pool: pool.id, address: core.ipam.requestAddress(pool.id, { owner, ip }) };
  const subnets = network.pools.map(({ subnet }) => subnet).join(', ');
  throw new OverlaneError(
    'ERR_OVERLANE_OPTION',
    `${ip} is in no subnet of network ${network.name}; ${subnets === '' ? 'it has none' : `choose one in ${subnets}`}`,
  );
}

function macOf(
  core: Core,
  network: NetworkRecord,
  options: EndpointOptions,
  addresses: EndpointAddress[],
): string | null {
  const driver = driverOf(core, network.driver);
  if (!driver.addressed) return null;
  const shared = driver.sharedMac?.(network);
  if (shared !== undefined && options.mac !== undefined) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `endpoints of network ${network.name} share the MAC of the parent; leave 'mac' out`,
    );
  }
  if (shared !== undefined) return shared;
  if (options.mac !== undefined) return formatMac(stationMac(options.mac, "option 'mac' of createEndpoint"));
  const first = addresses.map(({ address }) => parseIp(withoutPrefix(address))).find((ip) => ip.length === 4);
  return formatMac(first === undefined ? Buffer.concat([Buffer.of(0x02, 0x42), randomBytes(4)]) : containerMac(first));
}

/** `eth0`, or the first such name that is free in the sandbox. */
function freeInterface(core: Core, sandbox: SandboxRecord): string {
  const taken = new Set(core.registry.endpointsOf(sandbox.id).map((endpoint) => endpoint.interface));
  for (let i = 0; ; i++) if (!taken.has(`eth${i}`)) return `eth${i}`;
}

/** Brings the endpoint into the sandbox, and stores it as joined. What throws has left nothing. */
export async function joinSandbox(
  core: Core,
  endpoint: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<EndpointRecord> {
  const network = networkOf(core, endpoint.network);
  refuseJoin(core, endpoint, network, sandbox);
  const others = core.registry.endpointsOf(sandbox.id);
  const joined: EndpointRecord = {
    ...endpoint,
    sandbox: sandbox.id,
    interface: endpoint.mac === null ? null : freeInterface(core, sandbox),
    rank: (others.at(-1)?.rank ?? 0) + 1,
    ports: await core.context.host.choosePorts(endpoint.ports),
  };
  await driverOf(core, network.driver).check?.(network, joined);
  await enter(core, network, joined, sandbox);
  try {
    core.registry.commit({ put: [{ kind: 'endpoint', record: joined }] });
  } catch (error) {
    await exit(core, network, joined, sandbox);
    throw error;
  }
  try {
    await settleGateway(core, sandbox);
  } catch (error) {
    await leaveSandbox(core, joined, false);
    throw error;
  }
  refresh(core, sandbox);
  core.emit(eventOf('connect', network, sandbox));
  return joined;
}

/** Gives the sandbox its place on the gateway network, or takes it away; with other ports it is a new one. */
async function settleGateway(core: Core, sandbox: SandboxRecord): Promise<void> {
  const { endpoint, wanted, ports } = gatewayNeed(core, sandbox);
  const fits = wanted && isDeepStrictEqual(endpoint?.ports, ports);
  if (endpoint !== null && !fits) await leaveSandbox(core, endpoint, true);
  if (!wanted || (endpoint !== null && fits)) return;
  const network =
    gatewayNetwork(core) ??
    (await makeNetwork(core, { name: GATEWAY_NETWORK, driver: 'bridge', options: GATEWAY_OPTIONS }));
  await connectSandbox(core, network, sandbox, { name: `gateway-${shortId(sandbox.id)}`, ports });
}

/** The way in, also after a restart: the driver's part, and what the controller knows of it. */
export async function enter(
  core: Core,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<void> {
  const result = await driverOf(core, network.driver).join(network, endpoint, sandbox);
  core.joined.set(endpoint.id, result);
}

async function exit(
  core: Core,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<void> {
  core.joined.delete(endpoint.id);
  try {
    await driverOf(core, network.driver).leave(network, endpoint, sandbox);
  } catch (error) {
    core.context.warn(
      `endpoint ${endpoint.name} left network ${network.name}, but not all of it is gone: ${(error as Error).message}`,
    );
  }
}

/** Takes a joined endpoint out of its sandbox. With `remove` it is gone after that, and its addresses are free. */
export async function leaveSandbox(core: Core, endpoint: EndpointRecord, remove: boolean): Promise<EndpointRecord> {
  const network = networkOf(core, endpoint.network);
  const sandbox = sandboxOf(core, endpoint.sandbox!);
  const left: EndpointRecord = { ...endpoint, sandbox: null, interface: null, rank: 0 };
  core.registry.commit(
    remove ? { remove: [{ kind: 'endpoint', id: endpoint.id }] } : { put: [{ kind: 'endpoint', record: left }] },
  );
  await exit(core, network, endpoint, sandbox);
  if (remove) releaseEndpoint(core, endpoint);
  if (network.name !== GATEWAY_NETWORK) await settleGateway(core, sandbox);
  refresh(core, sandbox);
  core.emit(eventOf('disconnect', network, sandbox));
  return left;
}

/** Default routes and files of a sandbox after its endpoints have changed. A namespace that is gone has none to bring up to date. */
export function refresh(core: Core, sandbox: SandboxRecord): void {
  try {
    settleDefaultRoutes(core, sandbox);
    writeSandboxFiles(core.folders.sandboxes, sandbox, core.registry.endpointsOf(sandbox.id));
  } catch (error) {
    core.context.warn(`sandbox ${sandbox.name}: ${(error as Error).message}`);
  }
}

function refuseJoin(core: Core, endpoint: EndpointRecord, network: NetworkRecord, sandbox: SandboxRecord): void {
  const refuse = (message: string) => {
    throw new OverlaneError('ERR_OVERLANE_BUSY', message);
  };
  if (endpoint.sandbox !== null) {
    refuse(
      `endpoint ${endpoint.name} is in sandbox ${sandboxOf(core, endpoint.sandbox).name} already; leave that first`,
    );
  }
  for (const other of core.registry.endpointsOf(sandbox.id)) {
    if (other.network === network.id) refuse(`sandbox ${sandbox.name} is on network ${network.name} already`);
    const driver = networkOf(core, other.network).driver;
    if (driver === 'null' || network.driver === 'null') {
      refuse(
        `sandbox ${sandbox.name} cannot be on network ${network.name}: 'none' and another network exclude each other`,
      );
    }
  }
  if ((sandbox.kind === 'host') !== (network.driver === 'host')) {
    refuse(
      sandbox.kind === 'host'
        ? `sandbox ${sandbox.name} is the host's own namespace; it can be on no network but 'host'`
        : `sandbox ${sandbox.name} has a namespace of its own and cannot be on network '${network.name}'; make one with --network host`,
    );
  }
}

function eventOf(action: 'connect' | 'disconnect', network: NetworkRecord, sandbox: SandboxRecord) {
  const attributes = { name: network.name, type: network.driver, container: sandbox.id };
  return { type: 'network', action, id: network.id, name: network.name, attributes } as const;
}

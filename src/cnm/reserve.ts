/** Endpoints before they are anywhere: the addresses and the MAC that they will have. */
import { randomBytes } from 'node:crypto';
import { containerMac, formatIp, formatMac, inSubnet, parseIp, withoutPrefix } from '../address.js';
import { hostIp, stationMac } from '../dataplane/addresses.js';
import { OverlaneError } from '../errors.js';
import { type Core, driverOf } from './core.js';
import { newId, shortId } from './ids.js';
import type { EndpointOptions } from './options.js';
import type { EndpointAddress, EndpointRecord, NetworkRecord } from './records.js';

/** Reserves addresses and describes an endpoint; nothing is stored. */
export function reserveEndpoint(core: Core, network: NetworkRecord, options: EndpointOptions): EndpointRecord {
  const id = newId();
  const name = options.name ?? `endpoint-${shortId(id)}`;
  const bare: EndpointRecord = {
    id,
    name,
    network: network.id,
    sandbox: null,
    created: new Date().toISOString(),
    mac: null,
    addresses: reserveAddresses(core, network, options, `endpoint ${name}`),
    interface: null,
    rank: 0,
    aliases: options.aliases ?? [],
    ports: options.ports ?? [],
    options: options.options ?? {},
  };
  try {
    return { ...bare, mac: macOf(core, network, options, bare.addresses) };
  } catch (error) {
    releaseEndpoint(core, bare);
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

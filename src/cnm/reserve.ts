/** Endpoints before they are anywhere: the addresses and the MAC that they will have. */
import { randomBytes } from 'node:crypto';
import { containerMac, formatIp, formatMac, inSubnet, parseIp, withoutPrefix } from '../address.js';
import { hostIp, stationMac } from '../dataplane/addresses.js';
import { OverlaneError } from '../errors.js';
import { type Core, driverOf } from './core.js';
import { newId, shortId } from './ids.js';
import type { EndpointOptions } from './options.js';
import type { EndpointAddress, EndpointRecord, NetworkRecord } from './records.js';
import { segmentsOf } from './segments.js';

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
 * One address of each family, in one segment of the network: that of what is asked for, else the first, or, when that is full, the next.
 */
function reserveAddresses(
  core: Core,
  network: NetworkRecord,
  options: EndpointOptions,
  owner: string,
): EndpointAddress[] {
  const done: EndpointAddress[] = [];
  const giveBack = (kept: number) => {
    for (const { pool, address } of done.splice(kept)) core.ipam.releaseAddress(pool, withoutPrefix(address));
  };
  const asked = (options.ips ?? []).map((ip) => formatIp(hostIp(ip, "option 'ips' of createEndpoint")));
  const segments = segmentsOf(network.pools);
  const familyOf = ({ pool }: EndpointAddress) => network.pools.find(({ id }) => id === pool)!.family;
  try {
    for (const ip of asked) done.push(reserveAsked(core, network, ip, owner));
    const given = done.map(({ pool }) => segments.findIndex((pools) => pools.some(({ id }) => id === pool)));
    for (let place = Math.max(0, ...given); ; place++) {
      const kept = done.length;
      try {
        for (const { id, family } of segments[place] ?? []) {
          if (done.some((one) => familyOf(one) === family)) continue;
          done.push({ pool: id, address: core.ipam.requestAddress(id, { owner }) });
        }
        return done;
      } catch (error) {
        const full = error instanceof OverlaneError && error.code === 'ERR_OVERLANE_EXHAUSTED';
        if (!full || asked.length > 0 || place + 1 >= segments.length) throw error;
        giveBack(kept);
      }
    }
  } catch (error) {
    giveBack(0);
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

/** A network as Docker's API shows it (Engine API 1.41, Network). */
import type { Network } from '../../cnm/network.js';
import type { NetworkRecord } from '../../cnm/records.js';
import type { Sandbox } from '../../cnm/sandbox.js';

/** A key of what is sent; undefined leaves it out. */
type Shown = Record<string, unknown>;

/** `nameOf` tells the name of a sandbox. Lists come without the containers, as Docker has it. */
export function networkJson(network: Network, nameOf?: (sandbox: string) => string): Shown {
  const { record } = network;
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: record.scope,
    Driver: record.driver,
    EnableIPv4: true,
    EnableIPv6: record.ipv6,
    IPAM: ipamJson(record),
    Internal: record.internal,
    Attachable: record.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: nameOf === undefined ? {} : containersJson(network, nameOf),
    Options: record.options,
    Labels: record.labels,
  };
}

function ipamJson(record: NetworkRecord): Shown {
  const pools = [...record.pools].sort((a, b) => a.family - b.family);
  return {
    Driver: 'default',
    Options: record.ipamOptions,
    Config: pools.map(({ subnet, range, gateway, aux }) => ({
      Subnet: subnet,
      IPRange: range ?? undefined,
      Gateway: gateway ?? undefined,
      AuxiliaryAddresses: Object.keys(aux).length === 0 ? undefined : aux,
    })),
  };
}

/** By id of the sandbox; an endpoint that is in none by its own, as `ep-…`. */
function containersJson(network: Network, nameOf: (sandbox: string) => string): Shown {
  const entries = network.endpoints.map(({ record }) => {
    const { id, name, sandbox, mac, addresses } = record;
    const of = (six: boolean) => addresses.find(({ address }) => address.includes(':') === six)?.address ?? '';
    const shown = {
      Name: sandbox === null ? name : nameOf(sandbox),
      EndpointID: id,
      MacAddress: mac ?? '',
      IPv4Address: of(false),
      IPv6Address: of(true),
    };
    return [sandbox ?? `ep-${id}`, shown];
  });
  return Object.fromEntries(entries) as Shown;
}

/** Names of sandboxes by id, looked up once for a whole answer. */
export function sandboxNames(sandboxes: Sandbox[]): (id: string) => string {
  const names = new Map(sandboxes.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? '';
}

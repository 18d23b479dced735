/** `/networks`: lists, inspects, makes and removes networks as Docker Engine does. */
import type { Controller } from '../../cnm/controller.js';
import type { Network } from '../../cnm/network.js';
import { HttpError, hasCode } from '../errors.js';
import type { EventLog } from '../event-log.js';
import { Filters } from '../filters.js';
import type { ApiRequest, Reply, Route } from '../route.js';
import { parseTime } from '../times.js';
import { flag } from './lookup.js';
import { readCreate } from './network-create.js';
import { networkJson, sandboxNames } from './network-json.js';

/** Names that no user's network may have. */
const PREDEFINED = new Set(['bridge', 'host', 'none', 'default']);

const LIST_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'];

export function networkRoutes(controller: Controller, events: EventLog): Route[] {
  return [
    { method: 'GET', path: '/networks', handle: ({ query }) => list(controller, query) },
    { method: 'POST', path: '/networks/create', handle: (request) => create(controller, request) },
    { method: 'POST', path: '/networks/prune', handle: ({ query }) => prune(controller, events, query) },
    { method: 'GET', path: '/networks/{id}', handle: (request) => inspect(controller, request) },
    { method: 'DELETE', path: '/networks/{id}', handle: ({ params }) => remove(controller, params['id']!) },
  ];
}

function list(controller: Controller, query: URLSearchParams): Reply {
  const filters = new Filters(query.get('filters'), LIST_FILTERS);
  for (const type of filters.values('type')) {
    if (type !== 'custom' && type !== 'builtin') {
      throw new HttpError(400, `invalid filter: 'type'='${type}'; write custom or builtin`);
    }
  }
  const unused = flag(filters.one('dangling'), "filter 'dangling'");
  let found = controller.networks.filter((network) => {
    const { driver, scope, predefined, labels } = network.record;
    if (unused !== undefined && unused !== (!predefined && network.endpoints.length === 0)) return false;
    return (
      filters.is('driver', driver) &&
      filters.is('scope', scope) &&
      filters.is('type', predefined ? 'builtin' : 'custom') &&
      filters.labels('label', labels)
    );
  });
  found = filters.matching('name', found, ({ name }) => name);
  found = filters.matching('id', found, ({ id }) => id);
  return { status: 200, json: found.map((network) => networkJson(network)) };
}

function inspect(controller: Controller, { params, query }: ApiRequest): Reply {
  // Of a swarm, which there is none of; what it says must be right nevertheless.
  flag(query.get('verbose') ?? undefined, "parameter 'verbose'");
  const network = controller.network(params['id']!);
  const scope = query.get('scope');
  if (scope !== null && scope !== '' && scope !== network.record.scope) {
    throw new HttpError(404, `network ${params['id']} not found`);
  }
  return { status: 200, json: networkJson(network, sandboxNames(controller.sandboxes)) };
}

async function create(controller: Controller, { body }: ApiRequest): Promise<Reply> {
  const options = readCreate(body);
  if (PREDEFINED.has(options.name)) {
    throw new HttpError(403, `operation is not permitted on predefined ${options.name} network`);
  }
  const { id } = await controller.createNetwork(options);
  return { status: 201, json: { Id: id, Warning: '' } };
}

async function remove(controller: Controller, ref: string): Promise<Reply> {
  const network = controller.network(ref);
  const { name, id } = network.record;
  try {
    await network.delete();
  } catch (error) {
    if (!hasCode(error, 'ERR_OVERLANE_BUSY')) throw error;
    throw new HttpError(
      403,
      `error while removing network: network ${name} id ${id} has active endpoints${namesOn(controller, network)}; disconnect them first`,
    );
  }
  return { status: 204 };
}

function namesOn(controller: Controller, network: Network): string {
  const nameOf = sandboxNames(controller.sandboxes);
  const names = network.endpoints.map(({ record }) => (record.sandbox === null ? record.name : nameOf(record.sandbox)));
  if (names.length === 0) return '';
  return ` (${names.slice(0, 10).join(', ')}${names.length > 10 ? ` and ${names.length - 10} more` : ''})`;
}

async function prune(controller: Controller, events: EventLog, query: URLSearchParams): Promise<Reply> {
  const filters = new Filters(query.get('filters'), ['label', 'label!', 'until']);
  const until = filters.one('until');
  const latest = until === undefined ? Number.POSITIVE_INFINITY : parseTime(until, 'until');
  const unwanted = filters.values('label!');
  const names = await controller.pruneNetworks(({ created, labels }) => {
    if (Date.parse(created) > latest || !filters.labels('label', labels)) return false;
    return unwanted.length === 0 || !filters.labels('label!', labels);
  });
  events.add({ type: 'network', action: 'prune', id: '', attributes: { reclaimed: '0' }, time: Date.now() });
  return { status: 200, json: { NetworksDeleted: names } };
}

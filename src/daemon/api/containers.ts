/** `/containers`: sandboxes as Docker shows containers, as far as networks go. */
import type { Controller } from '../../cnm/controller.js';
import type { Sandbox } from '../../cnm/sandbox.js';
import { Filters } from '../filters.js';
import type { Reply, Route } from '../route.js';
import { containerInspect, containerSummary } from './container-json.js';
import { containerOf, flag } from './lookup.js';

export function containerRoutes(controller: Controller): Route[] {
  return [
    { method: 'GET', path: '/containers/json', handle: ({ query }) => list(controller, query) },
    {
      method: 'GET',
      path: '/containers/{id}/json',
      handle: ({ params }) => ({
        status: 200,
        json: containerInspect(controller, containerOf(controller, params['id']!)),
      }),
    },
    {
      method: 'DELETE',
      path: '/containers/{id}',
      handle: async ({ params }) => {
        await containerOf(controller, params['id']!).delete();
        return { status: 204 };
      },
    },
  ];
}

function list(controller: Controller, query: URLSearchParams): Reply {
  // All of them run.
  flag(query.get('all') ?? undefined, "parameter 'all'");
  const filters = new Filters(query.get('filters'), ['id', 'label', 'name', 'network']);
  let found = controller.sandboxes.filter((sandbox) => {
    const networks = networksOf(controller, sandbox);
    return (
      filters.labels('label', sandbox.record.labels) &&
      filters.begins('id', sandbox.id) &&
      filters.is('network', ...networks.flatMap(({ id, name }) => [id, name]))
    );
  });
  found = filters.matching('name', found, ({ name }) => name);
  return { status: 200, json: found.map((sandbox) => containerSummary(controller, sandbox)) };
}

function networksOf(controller: Controller, sandbox: Sandbox): { id: string; name: string }[] {
  return sandbox.endpoints.map(({ record }) => controller.network(record.network));
}

/** The default route of a sandbox: through the endpoint that joined first among those that lead out, for each IP version. */
import { addRoute, removeRoute } from '../netns/addresses.js';
import type { Core, DefaultRoute } from './core.js';
import type { SandboxRecord } from './records.js';

/** Brings the kernel's routes up to date. */
export function settleDefaultRoutes(core: Core, sandbox: SandboxRecord): void {
  if (sandbox.kind === 'host') return;
  const wanted = wantedRoutes(core, sandbox);
  const had = core.defaults.get(sandbox.id) ?? {};
  const links = new Set(core.registry.endpointsOf(sandbox.id).map((endpoint) => endpoint.interface));
  for (const family of [4, 6] as const) {
    const [old, now] = [had[family], wanted[family]];
    if (old?.link === now?.link && old?.via === now?.via) continue;
    // With an interface its routes go.
    if (old !== undefined && links.has(old.link)) removeRoute(sandbox.netns, routeOf(family, old));
    if (now !== undefined) addRoute(sandbox.netns, routeOf(family, now));
  }
  core.defaults.set(sandbox.id, wanted);
}

function routeOf(family: 4 | 6, { link, via }: NonNullable<DefaultRoute[4]>) {
  return { to: family === 4 ? '0.0.0.0/0' : '::/0', link, ...(via === null ? {} : { via }) };
}

function wantedRoutes(core: Core, sandbox: SandboxRecord): DefaultRoute {
  const wanted: DefaultRoute = {};
  for (const endpoint of core.registry.endpointsOf(sandbox.id)) {
    const link = endpoint.interface;
    if (link === null) continue;
    for (const { family, via } of core.joined.get(endpoint.id)?.gateways ?? []) wanted[family] ??= { link, via };
  }
  return wanted;
}

/** Names of interfaces in sandboxes, where others may have made some, too. */
import { listLinks } from '../netns/links.js';
import type { Core } from './core.js';
import type { EndpointRecord, SandboxRecord } from './records.js';

/** `eth0`, or the first such name that is free in the sandbox: neither an endpoint's nor an interface's that somebody else made there. */
export function freeInterface(core: Core, sandbox: SandboxRecord): string {
  const taken = new Set(core.registry.endpointsOf(sandbox.id).map((endpoint) => endpoint.interface));
  for (const { name, alias } of listLinks(sandbox.netns)) if (!isLeaving(core, alias)) taken.add(name);
  for (let i = 0; ; i++) if (!taken.has(`eth${i}`)) return `eth${i}`;
}

/** One of ours whose endpoint has left: the kernel takes its time to remove it. */
function isLeaving({ context, registry }: Core, alias: string): boolean {
  const ours = context.mark('');
  return alias.startsWith(ours) && (registry.endpoint.get(alias.slice(ours.length))?.sandbox ?? null) === null;
}

/**
 * The name that an endpoint's interface has by now: whoever is in the sandbox may have renamed it, or removed it and made another one of
 * that name, which stays theirs.
 */
export function presentInterface(core: Core, endpoint: EndpointRecord, sandbox: SandboxRecord): string | null {
  if (endpoint.interface === null) return null;
  const links = listLinks(sandbox.netns);
  const own = links.find(({ alias }) => alias === core.context.mark(endpoint.id));
  if (own !== undefined) return own.name;
  const other = links.find(({ name }) => name === endpoint.interface);
  return other === undefined || other.mac === endpoint.mac ? endpoint.interface : freeInterface(core, sandbox);
}

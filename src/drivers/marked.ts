/** Interfaces in the kernel, and whose they are: ours carry a mark (see {@link DriverContext.mark}). */
import { OverlaneError } from '../errors.js';
import { deleteLink, listLinks } from '../netns/links.js';
import type { NetnsPath } from '../netns/namespace.js';
import type { DriverContext } from './driver.js';

/** Removes the interfaces of `id` in a namespace, but for the one called `except`; none of them may be open. */
export function removeMarked(context: DriverContext, netns: NetnsPath, id: string, except?: string): void {
  const marked = (netns === null ? context.host.links() : orGone(() => listLinks(netns))) ?? [];
  for (const { name, alias } of marked) {
    if (alias === context.mark(id) && name !== except) orGone(() => deleteLink(netns, name));
  }
}

/** The namespace, or the interface, may go meanwhile. */
function orGone<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof OverlaneError && error.code === 'ERR_OVERLANE_MISSING') return undefined;
    throw error;
  }
}

/** A TAP of somebody else's that nobody has open at the moment would be taken over. `advice`: how to get another name. */
export function refuseForeign(context: DriverContext, name: string, advice: string): void {
  const link = context.host.links().find((one) => one.name === name);
  if (link === undefined || link.alias.startsWith(context.mark(''))) return;
  throw new OverlaneError(
    'ERR_OVERLANE_BUSY',
    `the interface name ${name} is taken on this host; ${advice}, or remove it: ip link del ${name}`,
  );
}

/** What networks are called in the dataplane. */
import { shortId } from '../cnm/ids.js';

/** The bridge that carries a network. */
export function bridgeName({ id }: { id: string }): string {
  return `net-${shortId(id)}`;
}

/** The port of a network's interface of the host. */
export function gatewayPort({ id }: { id: string }): string {
  return `gw-${shortId(id)}`;
}

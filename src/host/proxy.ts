/** The userland proxy: published ports without nftables, and those that translation does not reach. */
import { OverlaneError } from '../errors.js';
import type { HostPort } from './bind.js';
import { checkProxy, type ProxyOptions } from './port-options.js';
import { listenTcp } from './proxy-tcp.js';
import { listenUdp } from './proxy-udp.js';

export type { ProxyOptions } from './port-options.js';

/** Listens until it is closed. The container sees the host's address, not the client's. */
export interface PortProxy extends HostPort, AsyncDisposable {
  /** TCP connections, or UDP clients, now. */
  readonly connections: number;
  /** Ends all connections and lets go of the port. */
  close(): Promise<void>;
}

/**
 * Carries what arrives at a port of the host to a port of a container, in this process.
 *
 * TCP: each direction ends on its own (half-close); an error on one side resets the other. UDP: a socket for each client.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when the port is taken, with its name; `ERR_OVERLANE_PERMISSION`; `ERR_OVERLANE_OPTION`;
 *   `ERR_OVERLANE_UNSUPPORTED` for SCTP; `ERR_OVERLANE_SYSTEM`.
 */
export async function listen(options: ProxyOptions): Promise<PortProxy> {
  const checked = checkProxy(options);
  if (checked.protocol === 'sctp') {
    throw new OverlaneError(
      'ERR_OVERLANE_UNSUPPORTED',
      'Node has no SCTP; publish this port where nftables is available',
    );
  }
  const full = rarely(checked.onTrouble);
  return checked.protocol === 'tcp' ? listenTcp(checked, full) : listenUdp(checked, full);
}

/** Milliseconds between two messages that say the same. */
const PAUSE = 60_000;

function rarely(tell: (message: string) => void): (message: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (message) => {
    const now = performance.now();
    if (now - last < PAUSE) return;
    last = now;
    queueMicrotask(() => tell(message));
  };
}

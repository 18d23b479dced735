/** A driver: what makes a kind of network out of ports and bridges of the dataplane. To add one, copy `null.ts` and name it in `index.ts`. */
import type { EndpointRecord, Json, NetworkRecord, SandboxRecord, Scope } from '../cnm/records.js';
import type { Dataplane } from '../dataplane/dataplane.js';
import { OverlaneError } from '../errors.js';
import type { Host } from '../host/host.js';

/** What drivers work with: one of each for a controller. */
export interface DriverContext {
  readonly dataplane: Dataplane;
  /** The firewall, published ports and sysctls of the host's namespace. */
  readonly host: Host;
  /** Marks what is ours in the kernel (the alias of an interface), so that it is found again: `mark(id)`. */
  mark(id: string): string;
  /** Every network of a driver that exists, to keep names, VNIs and parents apart. */
  networks(driver: string): Iterable<NetworkRecord>;
  /** A line for the log of the controller. */
  warn(message: string): void;
}

/** The next hop of a default route. */
export interface Gateway {
  family: 4 | 6;
  /** Null: everything is on the link. */
  via: string | null;
}

/** What an endpoint has brought into its sandbox. */
export interface Joined {
  /** Where the sandbox's default routes may lead through it. */
  gateways: Gateway[];
  /** The network leads nowhere by itself; the sandbox gets a place on the gateway network for that. Default false. */
  needsGateway?: boolean;
}

/**
 * Everything is asked of a driver one thing at a time. `open` and `join` are also how a network comes back after a crash: what is there
 * already is taken over, not disturbed. What throws has changed nothing.
 */
export interface Driver {
  readonly name: string;
  readonly scope: Scope;
  /** Whether endpoints have interfaces and addresses, so that a network needs subnets. */
  readonly addressed: boolean;
  /** Checks the options of a network to be; makes nothing. What it returns is kept as `network.settled`. */
  settle(network: NetworkRecord): Record<string, Json>;
  /** Makes what the network is on this node. */
  open(network: NetworkRecord): Promise<void>;
  /** Unmakes it; nobody is on it. Goes on where something is gone already. */
  close(network: NetworkRecord): Promise<void>;
  /** Name of the dataplane's port that is the host's end of a network, where there is such; `open` makes it anew when it was deleted. */
  gateway?(network: NetworkRecord): string;
  /** Whether ports of its endpoints can be published on the host. Default: they cannot. */
  publishes?(network: NetworkRecord): boolean;
  /** The one MAC of all its endpoints, where there is such. */
  sharedMac?(network: NetworkRecord): string;
  /** What is to be looked into before an endpoint joins for the first time, such as whether somebody else has its address. */
  check?(network: NetworkRecord, endpoint: EndpointRecord): Promise<void>;
  /** Brings the endpoint's interface (`endpoint.interface`) into the sandbox, with its addresses. */
  join(network: NetworkRecord, endpoint: EndpointRecord, sandbox: SandboxRecord): Promise<Joined>;
  /** Takes it out again. Goes on where something is gone already, such as the namespace. */
  leave(network: NetworkRecord, endpoint: EndpointRecord, sandbox: SandboxRecord): Promise<void>;
  /** Bridges of the dataplane that carry the network on this node, for `overlane inspect`. */
  bridges(network: NetworkRecord): string[];
  /** Name of the dataplane's port of an endpoint that has joined; null: it has none. */
  port(endpoint: EndpointRecord): string | null;
}

/** What `settle` has returned: of the shape that the driver knows. */
export function settledOf<T>({ settled }: NetworkRecord): T {
  return settled as unknown as T;
}

/** The gateways of a network's subnets; none where it is internal. */
export function gatewaysFor({ internal, pools }: NetworkRecord): Gateway[] {
  if (internal) return [];
  return pools.flatMap(({ family, gateway }) => (gateway === null ? [] : [{ family, via: gateway }]));
}

/** For a network that `open` could not bring back yet. */
export function notOpen({ name }: NetworkRecord): OverlaneError {
  return new OverlaneError(
    'ERR_OVERLANE_BUSY',
    `network ${name} could not be brought back after the last start; the log says why. It is tried again every second: mend that, or remove the network and make it again`,
  );
}

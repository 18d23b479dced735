/** The TAP of an endpoint in its sandbox, which outlives this process. */
import { shortId } from '../cnm/ids.js';
import type { EndpointRecord, SandboxRecord } from '../cnm/records.js';
import type { Port } from '../dataplane/port.js';
import { OverlaneError } from '../errors.js';
import { isNamespace } from '../netns/namespace.js';
import { writeSysctl } from '../netns/sysctl.js';
import type { DriverContext } from './driver.js';
import { removeMarked } from './marked.js';

/** Name of the port in the dataplane. */
export function endpointPort(endpoint: { id: string }): string {
  return `ep-${shortId(endpoint.id)}`;
}

/**
 * How containers ask for neighbors: as long as Linux does by default, but more often, as a question that was asked while this process was
 * started anew is not heard, and one second until the next is long.
 */
const NEIGHBOR = [
  ['retrans_time_ms', '200'],
  ['mcast_solicit', '15'],
] as const;

export interface EndpointPortOptions {
  mtu: number;
  /** Default that of the endpoint. */
  mac?: string;
  /** Beside the default route, which is the controller's affair. */
  routes?: { to: string; via: string }[];
  /** IPv6 link-local address; not for those that share a MAC. Default true. */
  linkLocal?: boolean;
}

/** Makes the interface `endpoint.interface` with the endpoint's addresses, or takes over the one that is there. */
export function openEndpointPort(
  context: DriverContext,
  endpoint: EndpointRecord,
  sandbox: SandboxRecord,
  { mtu, mac = endpoint.mac!, routes = [], linkLocal = true }: EndpointPortOptions,
): Port {
  const addresses = endpoint.addresses.map(({ address }) => address);
  // An interface without IPv6 addresses has no link-local one either, as Docker has it.
  const wants6 = addresses.some((address) => address.includes(':'));
  setIpv6(sandbox.netns, wants6, linkLocal);
  const port = context.dataplane.addPort({
    type: 'tap',
    name: endpointPort(endpoint),
    netns: sandbox.netns,
    interface: endpoint.interface!,
    mac,
    addresses,
    routes,
    mtu,
    persistent: true,
    alias: context.mark(endpoint.id),
  });
  try {
    for (const version of wants6 ? ['ipv4', 'ipv6'] : ['ipv4']) {
      for (const [key, value] of NEIGHBOR) {
        writeSysctl(sandbox.netns, `net/${version}/neigh/${endpoint.interface}/${key}`, value);
      }
    }
  } catch (error) {
    port.close();
    throw error;
  }
  return port;
}

function setIpv6(netns: string, wanted: boolean, linkLocal: boolean): void {
  try {
    writeSysctl(netns, 'net.ipv6.conf.default.disable_ipv6', wanted ? '0' : '1');
    // IN6_ADDR_GEN_MODE_EUI64 and _NONE of linux/if_link.h.
    if (wanted) writeSysctl(netns, 'net.ipv6.conf.default.addr_gen_mode', linkLocal ? '0' : '1');
  } catch (error) {
    // A kernel without IPv6 needs not be told.
    const absent = error instanceof OverlaneError && error.code === 'ERR_OVERLANE_MISSING' && isNamespace(netns);
    if (wanted || !absent) throw error;
  }
}

/** Takes the port from the dataplane, and its interface from the sandbox; what is not there is fine. */
export function closeEndpointPort(context: DriverContext, endpoint: EndpointRecord, sandbox: SandboxRecord): void {
  const port = context.dataplane.ports.get(endpointPort(endpoint));
  for (const bridge of port?.bridges ?? []) bridge.detach(port!);
  port?.close();
  // It could not be brought back after the last start, but its interface is there.
  if (port === undefined) removeMarked(context, sandbox.netns, endpoint.id);
}

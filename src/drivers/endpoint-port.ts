/** The TAP of an endpoint in its sandbox, which outlives this process. */
import { shortId } from '../cnm/ids.js';
import type { EndpointRecord, SandboxRecord } from '../cnm/records.js';
import type { Port } from '../dataplane/port.js';
import { writeSysctl } from '../netns/sysctl.js';
import type { DriverContext } from './driver.js';

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
  writeSysctl(sandbox.netns, 'net.ipv6.conf.default.disable_ipv6', wants6 ? '0' : '1');
  // IN6_ADDR_GEN_MODE_EUI64 and _NONE of linux/if_link.h.
  if (wants6) writeSysctl(sandbox.netns, 'net.ipv6.conf.default.addr_gen_mode', linkLocal ? '0' : '1');
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
  const [four, six] = ['ipv4', 'ipv6'].map((version) => `net.${version}.neigh.${endpoint.interface}`);
  for (const conf of wants6 ? [four, six] : [four]) {
    for (const [key, value] of NEIGHBOR) writeSysctl(sandbox.netns, `${conf}.${key}`, value);
  }
  return port;
}

/** Takes the port from the dataplane, and its interface from the sandbox; one that is not there is fine. */
export function closeEndpointPort(context: DriverContext, endpoint: EndpointRecord): void {
  const port = context.dataplane.ports.get(endpointPort(endpoint));
  if (port === undefined) return;
  for (const bridge of port.bridges) bridge.detach(port);
  port.close();
}

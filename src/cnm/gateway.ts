/**
 * The gateway network: the way out for sandboxes that are on networks which lead nowhere by themselves, such as overlays. Docker calls
 * its own docker_gwbridge. Containers on it do not reach each other through it.
 */
import { type Core, networkOf } from './core.js';
import type { EndpointRecord, NetworkRecord, PublishedPort, SandboxRecord } from './records.js';

/** Its name. */
export const GATEWAY_NETWORK = 'overlane_gwbridge';

/** Options that it is made with. */
export const GATEWAY_OPTIONS = {
  'com.docker.network.bridge.name': 'overlane_gw',
  'com.docker.network.bridge.enable_icc': 'false',
};

export interface GatewayNeed {
  /** The endpoint on the gateway network that there is; null: none. */
  endpoint: EndpointRecord | null;
  /** Whether there should be one. */
  wanted: boolean;
  /** What it publishes, for the endpoints that it serves. */
  ports: PublishedPort[];
}

/** What a sandbox needs of the gateway network: nothing while another network leads out, unless ports are published through it. */
export function gatewayNeed(core: Core, sandbox: SandboxRecord): GatewayNeed {
  const endpoints = core.registry.endpointsOf(sandbox.id);
  const own = endpoints.find(({ network }) => networkOf(core, network).name === GATEWAY_NETWORK) ?? null;
  const others = endpoints.filter((endpoint) => endpoint !== own);
  const served = others.filter(({ id }) => core.joined.get(id)?.needsGateway === true);
  const leadsOut = others.some(({ id }) => (core.joined.get(id)?.gateways.length ?? 0) > 0);
  const ports = served.flatMap((endpoint) => endpoint.ports);
  return { endpoint: own, wanted: served.length > 0 && (!leadsOut || ports.length > 0), ports };
}

export function gatewayNetwork(core: Core): NetworkRecord | null {
  for (const network of core.registry.network.values()) if (network.name === GATEWAY_NETWORK) return network;
  return null;
}

/** `/overlane/inspect`: the tables and counters of the dataplane behind networks and sandboxes. */
import type { Controller } from '../../cnm/controller.js';
import type { Network } from '../../cnm/network.js';
import type { Bridge } from '../../dataplane/bridge.js';
import type { Counters, CounterValues } from '../../dataplane/counters.js';
import type { Port } from '../../dataplane/port.js';
import type { Reply, Route } from '../route.js';

export function inspectRoutes(controller: Controller): Route[] {
  return [{ method: 'GET', path: '/overlane/inspect', handle: ({ query }) => inspect(controller, query) }];
}

function inspect(controller: Controller, query: URLSearchParams): Reply {
  const { dataplane } = controller;
  const counters = dataplane.counters();
  const { networks, ports } = selected(controller, query);
  return {
    status: 200,
    json: {
      networks: networks.map((network) => networkView(controller, network)),
      ports: ports.map((port) => portView(port, counters.ports[port.name])),
      counters: totals(counters),
    },
  };
}

/** Everything; or what belongs to a network, or to a sandbox; or to both. */
function selected(controller: Controller, query: URLSearchParams): { networks: Network[]; ports: Port[] } {
  const { dataplane } = controller;
  const [network, sandbox] = [query.get('network') || null, query.get('sandbox') || null];
  let networks = network === null ? controller.networks : [controller.network(network)];
  let ports = [...dataplane.ports.values()];
  if (network !== null) {
    const carried = new Set(networks.flatMap((one) => bridgesOf(controller, one)).flatMap((bridge) => bridge.ports));
    ports = ports.filter((port) => carried.has(port));
  }
  if (sandbox !== null) {
    const { endpoints } = controller.sandbox(sandbox);
    const [on, own] = [
      new Set(endpoints.map(({ record }) => record.network)),
      new Set(endpoints.map(({ port }) => port)),
    ];
    networks = networks.filter(({ id }) => on.has(id));
    ports = ports.filter(({ name }) => own.has(name));
  }
  return { networks, ports };
}

function bridgesOf(controller: Controller, network: Network): Bridge[] {
  const bridges = network.bridges.map((name) => controller.dataplane.bridges.get(name));
  return bridges.filter((bridge) => bridge !== undefined);
}

function networkView(controller: Controller, network: Network) {
  const { id, name, driver } = network.record;
  return { id, name, driver, bridges: bridgesOf(controller, network).map(bridgeView) };
}

function bridgeView(bridge: Bridge) {
  return {
    name: bridge.name,
    underlay: bridge.underlay?.name ?? null,
    mtu: bridge.mtu,
    vnis: bridge.vnis,
    encryption: bridge.encryption,
    ports: bridge.ports.map(({ name }) => name),
    fdb: bridge.fdb(),
    neighbors: bridge.neighbors(),
  };
}

function portView(port: Port, counters: CounterValues | undefined) {
  const { name, type, interface: link, netns, mtu, error } = port;
  return { name, type, interface: link, netns, mtu, error, counters: decimals(counters ?? {}) };
}

/** {@link Counters} without the ports; JSON has no numbers of 64 bits. */
function totals({ ports: _, total, drops, balanced, ...sum }: Counters) {
  const all = Object.fromEntries(Object.entries(sum).map(([name, count]) => [name, String(count)]));
  return { ...all, total: decimals(total), drops: decimals(drops), balanced };
}

/** Without those that are zero. */
function decimals(counters: Record<string, bigint>): Record<string, string> {
  const entries = Object.entries(counters).filter(([, count]) => count !== 0n);
  return Object.fromEntries(entries.map(([name, count]) => [name, String(count)]));
}

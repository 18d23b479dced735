/** What is not there although it should be: networks and endpoints that could not be brought back, and ends of networks that were deleted. */
import type { Dataplane } from '../dataplane/dataplane.js';
import { enter, keepGateway, refresh } from './attach.js';
import { type Core, change, driverOf, networkOf } from './core.js';
import { presentInterface } from './interface-name.js';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.js';

/** Milliseconds between two tries. */
const PERIOD = 1000;

/** By id, with what was said of it last. */
export interface Lost {
  networks: Map<string, string>;
  endpoints: Map<string, string>;
}

/** Opens a network; when that fails it is for the next round, as what is missing (a parent, an address) may come. */
export async function bringNetwork(core: Core, network: NetworkRecord): Promise<void> {
  const known = core.lost.networks.has(network.id);
  try {
    await driverOf(core, network.driver).open(network);
  } catch (error) {
    failed(core, core.lost.networks, network.id, `network ${network.name}`, error);
    return;
  }
  core.lost.networks.delete(network.id);
  if (known) core.context.warn(`network ${network.name} is back`);
}

/** The same of an endpoint; gives whether it is there. */
export async function bringEndpoint(core: Core, endpoint: EndpointRecord, sandbox: SandboxRecord): Promise<boolean> {
  const known = core.lost.endpoints.has(endpoint.id);
  const what = `endpoint ${endpoint.name} of sandbox ${sandbox.name}`;
  try {
    await enter(core, networkOf(core, endpoint.network), withPresentInterface(core, endpoint, sandbox), sandbox);
  } catch (error) {
    failed(core, core.lost.endpoints, endpoint.id, what, error);
    return false;
  }
  core.lost.endpoints.delete(endpoint.id);
  if (known) core.context.warn(`${what} is back`);
  return true;
}

/** The same is not said every second. */
function failed(core: Core, lost: Map<string, string>, id: string, what: string, error: unknown): void {
  const message = `${what} could not be brought back: ${(error as Error).message}; it is tried again every second`;
  if (lost.get(id) !== message) core.context.warn(message);
  lost.set(id, message);
}

function withPresentInterface(core: Core, endpoint: EndpointRecord, sandbox: SandboxRecord): EndpointRecord {
  const name = presentInterface(core, endpoint, sandbox);
  if (name === endpoint.interface) return endpoint;
  const record = { ...endpoint, interface: name };
  core.registry.note({ put: [{ kind: 'endpoint', record }] });
  core.context.warn(`endpoint ${endpoint.name} of sandbox ${sandbox.name} has the interface ${name} now`);
  return record;
}

/** Watches over what is missing, for as long as the controller is open; ends with what is returned. */
export function startRecovery(core: Core): () => void {
  const { dataplane } = core.context;
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    if (running !== null || !isIncomplete(core)) return;
    running = change(core, () => recover(core))
      .catch(
        (error: Error) => core.open && core.context.warn(`what is missing could not be looked after: ${error.message}`),
      )
      .finally(() => {
        running = null;
      }) as Promise<void>;
  }, PERIOD).unref();
  const onFailure = (failures: { port: string; message: string }[]) => {
    for (const { port } of failures) noteFailure(core, dataplane, port);
  };
  dataplane.on('failure', onFailure);
  return () => {
    clearInterval(timer);
    dataplane.off('failure', onFailure);
  };
}

function isIncomplete({ lost, context }: Core): boolean {
  return lost.networks.size + lost.endpoints.size > 0 || context.host.ports.incomplete;
}

/** Somebody has deleted an interface: a network's is made again, and whoever deletes that of a container is left with what he wanted. */
function noteFailure(core: Core, dataplane: Dataplane, port: string): void {
  for (const network of core.registry.network.values()) {
    if (driverOf(core, network.driver).gateway?.(network) !== port) continue;
    core.context.warn(
      `interface ${dataplane.ports.get(port)?.interface} of network ${network.name} was deleted; it is made again`,
    );
    core.lost.networks.set(network.id, '');
    return;
  }
  for (const endpoint of core.registry.endpoint.values()) {
    if (driverOf(core, networkOf(core, endpoint.network).driver).port(endpoint) !== port) continue;
    const network = networkOf(core, endpoint.network).name;
    core.context.warn(
      `interface ${endpoint.interface} of endpoint ${endpoint.name} was deleted in its sandbox; to have it back, disconnect the sandbox from network ${network} and connect it again`,
    );
  }
}

async function recover(core: Core): Promise<void> {
  const { registry, lost, context } = core;
  await context.host.ports.mending(async () => {
    for (const id of [...lost.networks.keys()]) {
      const network = registry.network.get(id);
      if (network === undefined) lost.networks.delete(id);
      else await bringNetwork(core, network);
    }
    const changed = new Set<SandboxRecord>();
    for (const id of [...lost.endpoints.keys()]) {
      const endpoint = registry.endpoint.get(id);
      const sandbox = registry.sandbox.get(endpoint?.sandbox ?? '');
      if (endpoint === undefined || sandbox === undefined) lost.endpoints.delete(id);
      else if (await bringEndpoint(core, endpoint, sandbox)) changed.add(sandbox);
    }
    for (const sandbox of changed) {
      await keepGateway(core, sandbox);
      refresh(core, sandbox);
    }
  });
  await context.host.ports.republish();
}

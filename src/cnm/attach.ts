/** Endpoints: into a sandbox and out again. All of this happens inside a change (`core.changes`). */
import { isDeepStrictEqual } from 'node:util';
import { OverlaneError } from '../errors.js';
import { isNamespace } from '../netns/namespace.js';
import { type Core, driverOf, networkOf, sandboxOf } from './core.js';
import { writeSandboxFiles } from './files.js';
import { GATEWAY_NETWORK, GATEWAY_OPTIONS, gatewayNeed, gatewayNetwork } from './gateway.js';
import { shortId } from './ids.js';
import { freeInterface } from './interface-name.js';
import { makeNetwork } from './make-network.js';
import type { EndpointOptions } from './options.js';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.js';
import { releaseEndpoint, reserveEndpoint } from './reserve.js';
import { settleDefaultRoutes } from './routes.js';

/** An endpoint in a sandbox, or none. */
export async function connectSandbox(
  core: Core,
  network: NetworkRecord,
  sandbox: SandboxRecord,
  options: EndpointOptions,
): Promise<EndpointRecord> {
  refuseGateway(network);
  return connect(core, network, sandbox, options);
}

async function connect(
  core: Core,
  network: NetworkRecord,
  sandbox: SandboxRecord,
  options: EndpointOptions,
): Promise<EndpointRecord> {
  const endpoint = reserveEndpoint(core, network, options);
  try {
    return await joinSandbox(core, endpoint, sandbox);
  } catch (error) {
    releaseEndpoint(core, endpoint);
    throw error;
  }
}

/** Brings the endpoint into the sandbox, and stores it as joined. What throws has left nothing. */
export async function joinSandbox(
  core: Core,
  endpoint: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<EndpointRecord> {
  const network = networkOf(core, endpoint.network);
  refuseJoin(core, endpoint, network, sandbox);
  const others = core.registry.endpointsOf(sandbox.id);
  const joined: EndpointRecord = {
    ...endpoint,
    sandbox: sandbox.id,
    interface: endpoint.mac === null ? null : freeInterface(core, sandbox),
    rank: (others.at(-1)?.rank ?? 0) + 1,
    ports: await core.context.host.ports.choose(endpoint.ports),
  };
  await driverOf(core, network.driver).check?.(network, joined);
  await enter(core, network, joined, sandbox);
  // An endpoint that was stored before is there without a sandbox again, should this fail.
  const before = core.registry.endpoint.get(endpoint.id);
  try {
    core.registry.commit({ put: [{ kind: 'endpoint', record: joined }] });
  } catch (error) {
    await exit(core, network, joined, sandbox);
    throw error;
  }
  try {
    await settleGateway(core, sandbox);
  } catch (error) {
    const { id } = joined;
    core.registry.note(
      before === undefined ? { remove: [{ kind: 'endpoint', id }] } : { put: [{ kind: 'endpoint', record: before }] },
    );
    await exit(core, network, joined, sandbox);
    await keepGateway(core, sandbox);
    refresh(core, sandbox);
    throw error;
  }
  refresh(core, sandbox);
  core.emit(eventOf('connect', network, sandbox));
  return joined;
}

/** Gives the sandbox its place on the gateway network, or takes it away; with other ports it is a new one. */
async function settleGateway(core: Core, sandbox: SandboxRecord): Promise<void> {
  const { endpoint, wanted, ports } = gatewayNeed(core, sandbox);
  const fits = wanted && isDeepStrictEqual(endpoint?.ports, ports);
  if (endpoint !== null && !fits) await leaveSandbox(core, endpoint, true);
  if (!wanted || (endpoint !== null && fits)) return;
  const network =
    gatewayNetwork(core) ??
    (await makeNetwork(core, { name: GATEWAY_NETWORK, driver: 'bridge', options: GATEWAY_OPTIONS }));
  await connect(core, network, sandbox, { name: `gateway-${shortId(sandbox.id)}`, ports });
}

/** As far as it can be had: nobody is there to be told. */
export async function keepGateway(core: Core, sandbox: SandboxRecord): Promise<void> {
  try {
    await settleGateway(core, sandbox);
  } catch (error) {
    core.context.warn(
      `sandbox ${sandbox.name} has no way out by network ${GATEWAY_NETWORK}: ${(error as Error).message}; when that is mended, disconnect it from an overlay network and connect it again`,
    );
  }
}

/** The way in, also after a restart: the driver's part, and what the controller knows of it. */
export async function enter(
  core: Core,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<void> {
  const result = await driverOf(core, network.driver).join(network, endpoint, sandbox);
  core.joined.set(endpoint.id, result);
}

async function exit(
  core: Core,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<void> {
  core.joined.delete(endpoint.id);
  try {
    await driverOf(core, network.driver).leave(network, endpoint, sandbox);
  } catch (error) {
    core.context.warn(
      `endpoint ${endpoint.name} left network ${network.name}, but not all of it is gone: ${(error as Error).message}`,
    );
  }
}

/** Takes a joined endpoint out of its sandbox. With `remove` it is gone after that, and its addresses are free. */
export async function leaveSandbox(core: Core, endpoint: EndpointRecord, remove: boolean): Promise<void> {
  const network = networkOf(core, endpoint.network);
  const sandbox = sandboxOf(core, endpoint.sandbox!);
  const left: EndpointRecord = { ...endpoint, sandbox: null, interface: null, rank: 0 };
  core.registry.commit(
    remove ? { remove: [{ kind: 'endpoint', id: endpoint.id }] } : { put: [{ kind: 'endpoint', record: left }] },
  );
  await exit(core, network, endpoint, sandbox);
  if (remove) releaseEndpoint(core, endpoint);
  if (network.name !== GATEWAY_NETWORK) await keepGateway(core, sandbox);
  refresh(core, sandbox);
  core.emit(eventOf('disconnect', network, sandbox));
}

/** Takes endpoints out of a sandbox that is being removed; none of them is in the store any more. */
export async function leaveAll(core: Core, endpoints: EndpointRecord[], sandbox: SandboxRecord): Promise<void> {
  for (const endpoint of endpoints) {
    const network = networkOf(core, endpoint.network);
    await exit(core, network, endpoint, sandbox);
    releaseEndpoint(core, endpoint);
    core.emit(eventOf('disconnect', network, sandbox));
  }
}

/** Default routes and files of a sandbox after its endpoints have changed. A namespace that is gone has none to bring up to date. */
export function refresh(core: Core, sandbox: SandboxRecord): void {
  const steps = [
    () => settleDefaultRoutes(core, sandbox),
    () => writeSandboxFiles(core.folders.sandboxes, sandbox, core.registry.endpointsOf(sandbox.id)),
  ];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      core.context.warn(`sandbox ${sandbox.name}: ${(error as Error).message}`);
    }
  }
}

/** It is the controller who puts sandboxes there and takes them away again. */
export function refuseGateway({ name }: NetworkRecord): void {
  if (name !== GATEWAY_NETWORK) return;
  throw new OverlaneError(
    'ERR_OVERLANE_PERMISSION',
    `network ${name} is the way out for sandboxes on overlay networks, which are put there by themselves; connect it to a network of your own`,
  );
}

function refuseJoin(core: Core, endpoint: EndpointRecord, network: NetworkRecord, sandbox: SandboxRecord): void {
  const refuse = (message: string) => {
    throw new OverlaneError('ERR_OVERLANE_BUSY', message);
  };
  if (endpoint.sandbox !== null) {
    refuse(
      `endpoint ${endpoint.name} is in sandbox ${sandboxOf(core, endpoint.sandbox).name} already; leave that first`,
    );
  }
  if (sandbox.kind !== 'host' && !isNamespace(sandbox.netns)) {
    throw new OverlaneError(
      'ERR_OVERLANE_MISSING',
      `the namespace ${sandbox.netns} of sandbox ${sandbox.name} is gone; delete the sandbox, and make it again`,
    );
  }
  for (const other of core.registry.endpointsOf(sandbox.id)) {
    if (other.network === network.id) refuse(`sandbox ${sandbox.name} is on network ${network.name} already`);
    const driver = networkOf(core, other.network).driver;
    if (driver === 'null' || network.driver === 'null') {
      refuse(
        `sandbox ${sandbox.name} cannot be on network ${network.name}: 'none' and another network exclude each other`,
      );
    }
  }
  if (endpoint.ports.length > 0 && driverOf(core, network.driver).publishes?.(network) !== true) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `ports cannot be published on network ${network.name}, which is ${network.internal ? 'internal' : `of driver ${network.driver}`}; publish them on a network of driver bridge`,
    );
  }
  if ((sandbox.kind === 'host') !== (network.driver === 'host')) {
    refuse(
      sandbox.kind === 'host'
        ? `sandbox ${sandbox.name} is the host's own namespace; it can be on no network but 'host'`
        : `sandbox ${sandbox.name} has a namespace of its own and cannot be on network '${network.name}'; make one with --network host`,
    );
  }
}

function eventOf(action: 'connect' | 'disconnect', network: NetworkRecord, sandbox: SandboxRecord) {
  const attributes = { name: network.name, type: network.driver, container: sandbox.id };
  return { type: 'network', action, id: network.id, name: network.name, attributes } as const;
}

/** After a restart: what the store holds is made again or taken over, and what is ours but in no record is removed. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { withoutPrefix } from '../address.js';
import { OverlaneError } from '../errors.js';
import { deleteLink, listLinks } from '../netns/links.js';
import { deleteNamespace, isNamespace } from '../netns/namespace.js';
import { enter, refresh } from './attach.js';
import { type Core, driverOf, networkOf } from './core.js';
import { removeSandboxFiles } from './files.js';
import { shortId } from './ids.js';
import { makeNetwork } from './make-network.js';
import type { EndpointRecord, SandboxRecord } from './records.js';
import { makeNamespace } from './sandbox.js';

export async function restore(core: Core, defaultBridge: boolean): Promise<void> {
  forgetPending(core);
  restoreAddresses(core);
  for (const sandbox of [...core.registry.sandbox.values()]) restoreNamespace(core, sandbox);
  sweepNamespaces(core);
  sweepLinks(core);
  await core.context.host.restoring(async () => {
    for (const network of core.registry.network.values()) {
      await attempt(core, `network ${network.name}`, () => driverOf(core, network.driver).open(network));
    }
    for (const sandbox of core.registry.sandbox.values()) await restoreEndpoints(core, sandbox);
  });
  await makePredefined(core, defaultBridge);
}

/** Sandboxes that were being made: their namespaces and interfaces are swept with the rest. */
function forgetPending({ registry }: Core): void {
  for (const { id, pending } of [...registry.sandbox.values()]) {
    if (!pending) continue;
    const endpoints = registry.endpointsOf(id).map((endpoint) => ({ kind: 'endpoint', id: endpoint.id }) as const);
    registry.commit({ remove: [...endpoints, { kind: 'sandbox', id }] });
  }
}

function restoreAddresses({ registry, ipam }: Core): void {
  ipam.restore(
    [...registry.network.values()].flatMap((network) =>
      network.pools.map((pool) => ({
        owner: `network ${network.name}`,
        pool,
        addresses: registry.endpointsOf(network.id).flatMap((endpoint) => addressesIn(endpoint, pool.id)),
      })),
    ),
  );
}

function addressesIn({ name, addresses }: EndpointRecord, pool: string): { ip: string; owner: string }[] {
  return addresses
    .filter((one) => one.pool === pool)
    .map(({ address }) => ({ ip: withoutPrefix(address), owner: `endpoint ${name}` }));
}

/** A namespace of ours that is gone (the machine was started anew) is made again; a given one took its endpoints with it. */
function restoreNamespace(core: Core, sandbox: SandboxRecord): void {
  if (sandbox.kind === 'host' || isNamespace(sandbox.netns)) return;
  if (sandbox.kind === 'own') {
    // The file it was mounted on may be there still.
    deleteNamespace(sandbox.netns);
    makeNamespace(sandbox);
    return;
  }
  const lost = core.registry.endpointsOf(sandbox.id);
  core.registry.commit({
    remove: [
      ...lost.map(({ id }) => ({ kind: 'endpoint', id }) as const),
      { kind: 'sandbox', id: sandbox.id } as const,
    ],
  });
  for (const endpoint of lost) {
    for (const { pool, address } of endpoint.addresses) core.ipam.releaseAddress(pool, withoutPrefix(address));
  }
  removeSandboxFiles(core.folders.sandboxes, sandbox.id);
  core.context.warn(
    `the namespace ${sandbox.netns} of sandbox ${sandbox.name} is gone; the sandbox and its ${lost.length} endpoints were removed`,
  );
  core.emit({
    type: 'sandbox',
    action: 'lost',
    id: sandbox.id,
    name: sandbox.name,
    attributes: { netns: sandbox.netns },
  });
}

/** What a crash left of sandboxes that nobody was told of, or that were being removed. */
function sweepNamespaces({ folders, registry }: Core): void {
  const ours = new Set([...registry.sandbox.keys()].map(shortId));
  for (const name of entries(folders.namespaces)) {
    if (!ours.has(name)) deleteNamespace(path.join(folders.namespaces, name));
  }
  for (const id of entries(folders.sandboxes)) {
    if (!registry.sandbox.has(id)) removeSandboxFiles(folders.sandboxes, id);
  }
}

/** Interfaces with our mark, in the host's namespace and in the sandboxes, that belong to nothing. */
function sweepLinks(core: Core): void {
  const { registry, context } = core;
  const ours = context.mark('');
  const namespaces = [
    null,
    ...[...registry.sandbox.values()].filter(({ kind }) => kind !== 'host').map(({ netns }) => netns),
  ];
  for (const netns of namespaces) {
    for (const { name, alias } of listLinks(netns)) {
      if (!alias.startsWith(ours)) continue;
      const id = alias.slice(ours.length);
      const joined = registry.endpoint.get(id)?.sandbox ?? null;
      if (netns === null ? registry.network.has(id) : joined !== null) continue;
      deleteLink(netns, name);
    }
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function restoreEndpoints(core: Core, sandbox: SandboxRecord): Promise<void> {
  for (const endpoint of core.registry.endpointsOf(sandbox.id)) {
    await attempt(core, `endpoint ${endpoint.name} of sandbox ${sandbox.name}`, () =>
      enter(core, networkOf(core, endpoint.network), endpoint, sandbox),
    );
  }
  refresh(core, sandbox);
}

/** One thing that cannot come back (a parent that is gone, a port that is taken) must not keep the others away. */
async function attempt(core: Core, what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    // Nothing would come back without it.
    if (error instanceof OverlaneError && error.code === 'ERR_OVERLANE_PERMISSION') throw error;
    core.context.warn(`${what} could not be brought back: ${(error as Error).message}`);
  }
}

async function makePredefined(core: Core, defaultBridge: boolean): Promise<void> {
  const has = (name: string) => [...core.registry.network.values()].some((network) => network.name === name);
  for (const [name, driver] of [
    ['host', 'host'],
    ['none', 'null'],
  ] as const) {
    if (!has(name)) await makeNetwork(core, { name, driver }, true);
  }
  const options = { 'com.docker.network.bridge.name': 'overlane0' };
  if (defaultBridge && !has('bridge')) await makeNetwork(core, { name: 'bridge', driver: 'bridge', options }, true);
}

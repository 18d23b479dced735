/** A sandbox: a network namespace, and what programs in it need to find of the network. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { netnsPath } from '../dataplane/link-options.js';
import { OverlaneError } from '../errors.js';
import { createNamespace, deleteNamespace, isNamespace, namespaceId } from '../netns/namespace.js';
import { writeSysctl } from '../netns/sysctl.js';
import { connectSandbox, leaveSandbox } from './attach.js';
import { type Core, change, sandboxOf } from './core.js';
import { Endpoint } from './endpoint.js';
import { removeSandboxFiles, type SandboxFiles, sandboxFiles, writeSandboxFiles } from './files.js';
import { newId, shortId } from './ids.js';
import type { SandboxOptions } from './options.js';
import type { SandboxRecord } from './records.js';

/** The namespace of this process, as long as it lives. */
const HOST_NAMESPACE = '/proc/self/ns/net';

/** Made by {@link Controller.createSandbox}. */
export class Sandbox {
  readonly id: string;
  readonly #core: Core;

  /** @internal */
  constructor(core: Core, id: string) {
    this.#core = core;
    this.id = id;
  }

  /** All there is to know of it. Throws `ERR_OVERLANE_MISSING` when it has been removed. */
  get record(): Readonly<SandboxRecord> {
    return sandboxOf(this.#core, this.id);
  }

  get name(): string {
    return this.record.name;
  }

  /** Path of its network namespace, as others than this process find it. */
  get netns(): string {
    const { kind, netns } = this.record;
    return kind === 'host' ? `/proc/${process.pid}/ns/net` : netns;
  }

  /** Those that joined first at the front. */
  get endpoints(): Endpoint[] {
    return this.#core.registry.endpointsOf(this.id).map(({ id }) => new Endpoint(this.#core, id));
  }

  /** Paths of its resolv.conf, hosts and hostname. */
  get files(): SandboxFiles {
    return sandboxFiles(this.#core.folders.sandboxes, this.id);
  }

  /** Removes it: its endpoints leave and are removed, and a namespace that was made for it goes. */
  async delete(): Promise<void> {
    await change(this.#core, async () => removeSandbox(this.#core, this.record));
  }
}

/** Makes the namespace and what is in it, then stores the record; or nothing. */
function makeSandbox(core: Core, options: SandboxOptions): SandboxRecord {
  const id = newId();
  const kind = options.host ? 'host' : options.netns === undefined ? 'own' : 'given';
  const record: SandboxRecord = {
    id,
    pending: (options.networks ?? []).length > 0,
    name: options.name ?? `sandbox-${shortId(id)}`,
    created: new Date().toISOString(),
    kind,
    netns: {
      own: path.join(core.folders.namespaces, shortId(id)),
      given: netnsPath(options.netns)!,
      host: HOST_NAMESPACE,
    }[kind],
    hostname: options.hostname ?? shortId(id),
    labels: options.labels ?? {},
    dns: { servers: [], search: [], options: [], ...options.dns },
    hosts: options.hosts ?? {},
  };
  refuseNames(core, record);
  if (kind === 'given') refuseNamespace(core, record);
  try {
    if (kind === 'own') makeNamespace(record);
    writeSandboxFiles(core.folders.sandboxes, record, []);
    core.registry.commit({ put: [{ kind: 'sandbox', record }] });
  } catch (error) {
    unmake(core, record);
    throw error;
  }
  return record;
}

/** A sandbox on its first networks, or none. */
export async function createSandbox(core: Core, options: SandboxOptions): Promise<SandboxRecord> {
  const made = makeSandbox(core, options);
  const record: SandboxRecord = { ...made, pending: false };
  try {
    for (const { network, ...rest } of options.networks ?? []) await connectSandbox(core, network.record, made, rest);
    if (made.pending) core.registry.commit({ put: [{ kind: 'sandbox', record }] });
  } catch (error) {
    await removeSandbox(core, made);
    throw error;
  }
  const { id, name, netns } = record;
  core.emit({ type: 'sandbox', action: 'create', id, name, attributes: { netns } });
  return record;
}

function refuseNames(core: Core, { name }: SandboxRecord): void {
  for (const other of core.registry.sandbox.values()) {
    if (other.name !== name) continue;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `sandbox with name ${name} already exists; remove it, or choose another name`,
    );
  }
}

/** Two sandboxes in one namespace would fight over its names of interfaces and its default route. */
function refuseNamespace(core: Core, record: SandboxRecord): void {
  if (!isNamespace(record.netns)) {
    throw new OverlaneError(
      'ERR_OVERLANE_MISSING',
      `${record.netns} is no network namespace; make it with 'ip netns add', or leave 'netns' out to have one made`,
    );
  }
  const id = namespaceId(record.netns);
  if (id === namespaceId(null)) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `${record.netns} is the namespace of the host; make a sandbox with 'host' for that`,
    );
  }
  for (const other of core.registry.sandbox.values()) {
    if (other.kind === 'host' || !isNamespace(other.netns) || namespaceId(other.netns) !== id) continue;
    throw new OverlaneError('ERR_OVERLANE_EXISTS', `${record.netns} is the namespace of sandbox ${other.name} already`);
  }
}

/** With the sysctls that Docker sets in a container of its own user. */
export function makeNamespace({ netns }: SandboxRecord): void {
  mkdirSync(path.dirname(netns), { recursive: true, mode: 0o755 });
  createNamespace(netns);
  writeSysctl(netns, 'net.ipv4.ip_unprivileged_port_start', '0');
  writeSysctl(netns, 'net.ipv4.ping_group_range', '0 2147483647');
}

function unmake(core: Core, record: SandboxRecord): void {
  if (record.kind === 'own') deleteNamespace(record.netns);
  removeSandboxFiles(core.folders.sandboxes, record.id);
}

export async function removeSandbox(core: Core, record: SandboxRecord): Promise<void> {
  for (const endpoint of core.registry.endpointsOf(record.id)) await leaveSandbox(core, endpoint, true);
  core.registry.commit({ remove: [{ kind: 'sandbox', id: record.id }] });
  core.defaults.delete(record.id);
  try {
    unmake(core, record);
  } catch (error) {
    core.context.warn(`sandbox ${record.name} was removed, but not all of it is gone: ${(error as Error).message}`);
  }
  if (record.pending) return;
  core.emit({ type: 'sandbox', action: 'destroy', id: record.id, name: record.name, attributes: {} });
}

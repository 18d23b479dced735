/** What the classes of the container network model share. */
import type { Driver, DriverContext, Joined } from '../drivers/driver.js';
import { OverlaneError } from '../errors.js';
import { suggestion } from '../suggest.js';
import type { ControllerEvent } from './events.js';
import type { Ipam } from './ipam/ipam.js';
import type { Mutex } from './mutex.js';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.js';
import type { Lost } from './recovery.js';
import type { Registry } from './registry.js';

export interface Folders {
  /** Of namespaces: gone after a reboot, as they are. */
  namespaces: string;
  /** Of the files of sandboxes. */
  sandboxes: string;
}

export interface Core {
  readonly registry: Registry;
  readonly ipam: Ipam;
  readonly drivers: ReadonlyMap<string, Driver>;
  readonly context: DriverContext;
  readonly folders: Folders;
  /** Changes come one after another. */
  readonly changes: Mutex;
  /** Of endpoints that have joined. */
  readonly joined: Map<string, Joined>;
  /** What could not be brought back yet. */
  readonly lost: Lost;
  /** The way out of each sandbox, by IP version. */
  readonly defaults: Map<string, DefaultRoute>;
  /** False after `close()`. */
  open: boolean;
  emit(event: Omit<ControllerEvent, 'time'>): void;
}

/** The default routes that a sandbox has, `interface via gateway`; undefined: none. */
export interface DefaultRoute {
  4?: { link: string; via: string | null };
  6?: { link: string; via: string | null };
}

export function refuseClosed(core: Core): void {
  if (!core.open) throw new OverlaneError('ERR_OVERLANE_CLOSED', 'the controller is closed; open another one');
}

/** Runs a change when those before it have ended. */
export function change<T>(core: Core, work: () => Promise<T>): Promise<T> {
  return core.changes.run(async () => {
    refuseClosed(core);
    return work();
  });
}

export function driverOf(core: Core, name: string): Driver {
  const driver = core.drivers.get(name);
  if (driver !== undefined) return driver;
  throw new OverlaneError('ERR_OVERLANE_MISSING', `driver ${name} not found${suggestion(name, core.drivers.keys())}`);
}

export function networkOf(core: Core, id: string): NetworkRecord {
  return found(core.registry.network.get(id), 'network', id);
}

export function sandboxOf(core: Core, id: string): SandboxRecord {
  return found(core.registry.sandbox.get(id), 'sandbox', id);
}

export function endpointOf(core: Core, id: string): EndpointRecord {
  return found(core.registry.endpoint.get(id), 'endpoint', id);
}

function found<T>(record: T | undefined, noun: string, id: string): T {
  if (record !== undefined) return record;
  throw new OverlaneError('ERR_OVERLANE_MISSING', `${noun} ${id.slice(0, 12)} has been removed`);
}

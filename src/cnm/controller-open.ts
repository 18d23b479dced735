/** Opening a controller: dataplane, store, IPAM and drivers, and what comes back after a restart. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { Dataplane } from '../dataplane/dataplane.js';
import type { DataplaneOptions } from '../dataplane/dataplane-options.js';
import type { DriverContext } from '../drivers/driver.js';
import { type DriverSettings, makeDrivers } from '../drivers/index.js';
import { Host } from '../host/host.js';
import type { Core } from './core.js';
import type { ControllerEvent } from './events.js';
import { DefaultIpam, type DefaultIpamOptions } from './ipam/default-ipam.js';
import { ulaOf } from './ipam/ula.js';
import { Mutex } from './mutex.js';
import { Registry } from './registry.js';
import { restore } from './restore.js';
import type { Store } from './store.js';

/** Options of {@link Controller.open}. */
export interface ControllerOptions {
  /** Where networks, sandboxes and endpoints are remembered; closed with the controller. */
  store: Store;
  /** Folder of the files of sandboxes; default `/var/lib/overlane`. One controller each. */
  folder?: string;
  /** Folder of the namespaces of sandboxes, which need not outlive a reboot; default `/run/overlane`. One controller each. */
  runFolder?: string;
  /** Of the dataplane that is made for it; default one worker. */
  dataplane?: DataplaneOptions;
  ipam?: DefaultIpamOptions;
  drivers?: DriverSettings;
  /** Make a network `bridge` at the first start, as Docker has it. Default false. */
  defaultBridge?: boolean;
  /** `auto` (default): nftables where the machine has it, else a proxy for published ports; `none`: never nftables. */
  firewall?: 'auto' | 'none';
}

interface Tell {
  event: (event: Omit<ControllerEvent, 'time'>) => void;
  warning: (message: string) => void;
}

export async function openCore(
  options: ControllerOptions,
  tell: Tell,
): Promise<{ core: Core; close: () => Promise<void> }> {
  const { store, folder = '/var/lib/overlane', runFolder = '/run/overlane' } = options;
  const dataplane = new Dataplane(options.dataplane ?? { workers: [{}] });
  const undo: (() => unknown)[] = [() => dataplane.close()];
  try {
    const tag = tagOf(runFolder);
    const host = new Host({ tag, firewall: options.firewall ?? 'auto', warn: tell.warning });
    undo.unshift(() => host.close());
    const registry = new Registry(store);
    const context: DriverContext = {
      dataplane,
      host,
      mark: (id) => `overlane ${tag} ${id}`,
      networks: function* (driver) {
        for (const network of registry.network.values()) if (network.driver === driver) yield network;
      },
      warn: tell.warning,
    };
    const core: Core = {
      registry,
      ipam: new DefaultIpam({ ula: ulaOf(store), ...options.ipam }),
      drivers: makeDrivers(context, options.drivers ?? {}),
      context,
      folders: { namespaces: path.join(runFolder, 'netns'), sandboxes: path.join(folder, 'sandboxes') },
      changes: new Mutex(),
      joined: new Map(),
      defaults: new Map(),
      open: true,
      emit: tell.event,
    };
    await restore(core, options.defaultBridge ?? false);
    // Last: what containers send meanwhile waits in their interfaces until all of them are back, and so no ARP request goes unheard.
    await dataplane.start();
    return {
      core,
      close: async () => {
        await host.close();
        await dataplane.close();
        registry.close();
      },
    };
  } catch (error) {
    for (const step of undo) await step();
    throw error;
  }
}

/** Tells controllers of one machine apart, the same after a restart: eight hexadecimal digits. */
function tagOf(runFolder: string): string {
  return createHash('sha256').update(path.resolve(runFolder)).digest('hex').slice(0, 8);
}

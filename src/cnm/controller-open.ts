/** Opening a controller: dataplane, store, IPAM and drivers, and what comes back after a restart. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Dataplane } from '../dataplane/dataplane.js';
import type { DataplaneOptions } from '../dataplane/dataplane-options.js';
import type { DriverContext } from '../drivers/driver.js';
import { type DriverSettings, makeDrivers } from '../drivers/index.js';
import { OverlaneError } from '../errors.js';
import { Host } from '../host/host.js';
import type { Core } from './core.js';
import type { ControllerEvent } from './events.js';
import { DefaultIpam, type DefaultIpamOptions } from './ipam/default-ipam.js';
import { ulaOf } from './ipam/ula.js';
import { Mutex } from './mutex.js';
import { startRecovery } from './recovery.js';
import { Registry } from './registry.js';
import { restore } from './restore.js';
import type { Store } from './store.js';

/** Options of {@link Controller.open}. */
export interface ControllerOptions {
  /** Where networks, sandboxes and endpoints are remembered; closed with the controller, also when that cannot be opened. */
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
  const ends: (() => unknown)[] = [() => store.close()];
  const close = async () => {
    // One that fails must not keep the others from their end.
    const failures: unknown[] = [];
    for (const end of ends.splice(0).reverse())
      await Promise.resolve()
        .then(end)
        .catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    refusePowerless();
    const dataplane = new Dataplane(options.dataplane ?? { workers: [{}] });
    ends.push(() => dataplane.close());
    const tag = tagOf(runFolder);
    const host = new Host({ tag, firewall: options.firewall ?? 'auto', warn: tell.warning });
    ends.push(() => host.close());
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
      lost: { networks: new Map(), endpoints: new Map() },
      defaults: new Map(),
      open: true,
      emit: tell.event,
    };
    await restore(core, options.defaultBridge ?? false);
    // Last: what containers send meanwhile waits in their interfaces until all of them are back, and so no ARP request goes unheard.
    await dataplane.start();
    ends.push(startRecovery(core));
    return { core, close };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

/** CAP_NET_ADMIN and CAP_SYS_ADMIN of linux/capability.h. */
const NEEDED = [
  ['CAP_NET_ADMIN', 12n],
  ['CAP_SYS_ADMIN', 21n],
] as const;

/** Now, and not when the first container comes. */
function refusePowerless(): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const missing = NEEDED.filter(([, bit]) => ((BigInt(`0x${effective}`) >> bit) & 1n) === 0n).map(([name]) => name);
  if (missing.length === 0) return;
  throw new OverlaneError(
    'ERR_OVERLANE_PERMISSION',
    `container networks need ${missing.join(' and ')}, which this process does not have; run it as root, or give it to the program (setcap(8), AmbientCapabilities= of systemd)`,
  );
}

/** Tells controllers of one machine apart, the same after a restart: eight hexadecimal digits. */
function tagOf(runFolder: string): string {
  return createHash('sha256').update(path.resolve(runFolder)).digest('hex').slice(0, 8);
}

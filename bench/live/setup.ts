/** What a setup is: two containers that reach each other over one kind of network. Copy `setups/veth.ts` for a new one. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab, Namespace } from './lab.js';

/** The two containers, the same in every setup. */
export const CONTAINERS = [
  { mac: '02:42:0a:63:00:02', ip: '10.99.0.2', ip6: 'fd99::2' },
  { mac: '02:42:0a:63:00:03', ip: '10.99.0.3', ip6: 'fd99::3' },
] as const;

/** The hosts' addresses on the underlay. */
export const HOSTS = ['192.168.77.1', '192.168.77.2'] as const;
export const UNDERLAY_MTU = 1500;
/** What VXLAN over IPv4 leaves of it; with ESP, padded to 4 bytes, by profile. */
export const OVERLAY_MTU = 1450;
export const ENCRYPTED_MTU = { strong: 1408, docker: 1424 } as const;
export const VNI = 4097;
export const VXLAN_PORT = 4789;

export interface Setup {
  /** As it appears in the report, and what `--only` matches. */
  name: string;
  /** One line for the report. */
  about: string;
  /**
   * `overlay`: two hosts and what runs between them; `local`: both containers on one host; `ceiling`: no network in
   * between. A setup is compared with those of its kind, and with the ceiling.
   */
  kind: 'overlay' | 'local' | 'ceiling';
  /** overlane itself. */
  own?: boolean;
  /** Name of the setup of overlane that does the same without encryption: it is compared with that, too. */
  plain?: string;
  /** Left out by `--no-peers` and by `--quick`. */
  peer?: boolean;
  /** Part of the small set that `--quick` runs. */
  quick?: boolean;
  /** Why it cannot come up here, with the command that helps; null: it can. */
  missing(): string | null;
  /** Builds it from what `lab` gives; the lab takes everything back. */
  up(lab: Lab): Promise<Ends>;
}

/** The containers' namespaces: `a` is the client, `b` the server, at `CONTAINERS[1]`. */
export interface Ends {
  a: Namespace;
  b: Namespace;
}

/** `kernel vxlan` → `kernel-vxlan`, for names in the file system. */
export function slug(setup: Setup): string {
  return setup.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** The addresses of a container, with prefix lengths. */
export function addressesOf(container: { ip: string; ip6: string }): string[] {
  return [`${container.ip}/24`, `${container.ip6}/64`];
}

/** Milliseconds until a setup must carry a ping. */
const REACH_LIMIT = 5000;

/** Waits until `a` reaches `b`; throws when that takes too long, or when one of the setup's daemons ends. */
export async function reach(lab: Lab, { a }: Ends): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([lab.signal, done.signal]);
  const died = lab.daemons.map(({ process }) => process.until(/(?!)/, signal));
  for (const each of died) each.catch(() => {});
  try {
    await Promise.race([pinged(a, signal), ...died]);
  } finally {
    done.abort();
  }
}

async function pinged(a: Namespace, signal: AbortSignal): Promise<void> {
  const limit = performance.now() + REACH_LIMIT;
  while (!(await a.run('ping', ['-n', '-q', '-c', '1', '-W', '0.3', CONTAINERS[1].ip]).then(Boolean, () => false))) {
    signal.throwIfAborted();
    if (performance.now() > limit) throw new Error(`no answer to ping within ${REACH_LIMIT / 1000} s`);
    await sleep(50, undefined, { signal });
  }
}

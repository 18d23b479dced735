/** What the dataplane trials share: a dataplane with a traffic source, run in steady state and held to account. */
import type { Bridge, Dataplane, EncryptionOptions, Port } from 'overlane';
import { macText, stationIp, stationMac, type Vtep } from './traffic.js';
import type { Product, Workload } from './trial.js';

/** Packets a call of `run()`: 5 to 50 ms of work, where nothing is encrypted. */
const BATCH = 1_000_000;
/** How far the virtual clock moves in a batch, so that FDB entries are refreshed as in life. Far below the ageing time. */
const BATCH_NS = 10_000_000n;

/**
 * Packets of 10,000 that may be flooded in steady state: a hash table of fixed buckets refuses a few MACs (counted as
 * fdb_refused_table) long before it is full, and what is sent to those is flooded for ever.
 */
const FLOODED_IN_10000 = 1n;

/** The VTEPs behind the underlay: several, so that a cache of the last one has something to miss. */
export const REMOTE_VTEPS: Vtep[] = Array.from({ length: 16 }, (_, i) => ({
  mac: [0x02, 0, 0, 0, 1, i],
  ip: [192, 168, 77, 16 + i],
}));

export const LOCAL_VTEP: Vtep = { mac: [0x02, 0, 0, 0, 0, 1], ip: [192, 168, 77, 1] };

export const VNI = 4096;

/** FDB slots for `macs` addresses: the default size of the product, or twice what is needed. */
export function fdbEntriesFor(macs: number): number {
  return Math.max(131072, 2 * macs);
}

/** A queue that holds `bytes` of frames, and whatever is kept beside each of them. */
export function queueFor(bytes: number, frames: number): number {
  return Math.max(2 ** 20, bytes + frames * 64);
}

/** One end of an overlay: a bridge whose underlay sends through `wire`. */
export interface OverlayLab {
  lab: Dataplane;
  bridge: Bridge;
  wire: Port;
}

export interface OverlayOptions {
  /** Default: cleartext. */
  encryption?: EncryptionOptions | undefined;
  /** The wire receives what is injected again and again. Default true. */
  loop?: boolean;
}

/** An overlay whose control plane told it `peers` stations of side b, behind `REMOTE_VTEPS` in turn. */
export function overlayLab(
  { api }: Product,
  peers: number,
  wireQueueBytes: number,
  { encryption, loop = true }: OverlayOptions = {},
): OverlayLab {
  const fdbEntries = fdbEntriesFor(2 * peers);
  const neighborEntries = Math.max(65536, 2 * peers);
  const lab = new api.Dataplane({ mode: 'manual', clock: 'virtual', fdbEntries, neighborEntries });
  const wire = lab.addPort({ type: 'memory', name: 'wire', loop, discard: true, queueBytes: wireQueueBytes });
  const underlay = lab.addUnderlay({
    type: 'frame',
    port: wire,
    mac: macText(LOCAL_VTEP.mac),
    local: LOCAL_VTEP.ip.join('.'),
    neighbors: REMOTE_VTEPS.map(({ ip, mac }) => ({ ip: ip.join('.'), mac: macText(mac) })),
  });
  const bridge = lab.addBridge({ name: 'lab', vni: VNI, underlay, ...(encryption && { encryption }) });
  for (let i = 0; i < peers; i++) {
    const vtep = Uint8Array.from(REMOTE_VTEPS[i % REMOTE_VTEPS.length]!.ip);
    bridge.addPeer({ mac: stationMac('b', i), ip: Uint8Array.from(stationIp('b', i)), vtep });
  }
  return { lab, bridge, wire };
}

/** Runs `lab` with its own virtual clock; `packets`: where a port loops. Returns how many were received. */
export function runner(lab: Dataplane): (packets?: number) => number {
  let now = 0n;
  return (packets) => {
    const received = lab.run(packets === undefined ? { now } : { now, packets });
    now += BATCH_NS;
    return received;
  };
}

/**
 * Looks at the counters, and returns a check: every packet received since was transmitted, none dropped and next to none
 * flooded, and each of `counters` counted every one of them. It throws where that is not so.
 */
export function watch(lab: Dataplane, counters: readonly string[]): () => void {
  const before = lab.counters().total;
  return () => {
    const { total: after, balanced } = lab.counters();
    const since = (name: string) => (after[name] ?? 0n) - (before[name] ?? 0n);
    const received = since('rx_packets');
    const wrong = Object.keys(after).filter((name) => name.startsWith('drop_') && since(name) > 0n);
    if (since('flooded') * 10000n > received * FLOODED_IN_10000) wrong.push('flooded');
    for (const name of ['tx_packets', ...counters]) if (since(name) !== received) wrong.push(name);
    if (!balanced) wrong.push('cloned', 'consumed');
    if (wrong.length === 0) return;
    const list = wrong.map((name) => `${name} ${since(name)}`).join(', ');
    throw new Error(`of ${received} packets not every one was forwarded as it should be: ${list}`);
  };
}

export interface SteadyOptions {
  /** What has to count every packet; default nothing. */
  counters?: readonly string[];
  /** Packets a batch; default a million. */
  batch?: number;
}

/** Runs `lab` for ever with what loops in its ports. `learned` packets go first: after them nothing is flooded any more. */
export function steady(
  lab: Dataplane,
  learned: number,
  { counters = [], batch = BATCH }: SteadyOptions = {},
): Workload {
  const carry = runner(lab);
  carry(learned);
  return { batch: () => carry(batch), check: watch(lab, counters), close: () => void lab.close() };
}

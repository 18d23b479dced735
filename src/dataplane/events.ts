/** What a dataplane tells its listeners, and how it is told: in batches, each kind as one event. */
import type { EventEmitter } from 'node:events';
import { formatIp } from '../address.js';
import type { ErrorCode } from '../errors.js';
import { access, type KeyLimit, type Keyring } from '../keyring/keyring.js';
import type { NativeEvent } from '../native.js';
import { family } from './addresses.js';
import { taggedVlan } from './bridge-entries.js';
import { MAX_MTU } from './mtu.js';
import type { CounterRow, State } from './state.js';
import type { Underlay } from './underlay.js';

/** Somebody asked, by ARP or ND, for an address that no neighbor is known to have, or sent packets there through a router. */
export interface Miss {
  /** Name of the bridge that the address belongs to. */
  bridge: string;
  /** Name of the port, or `udp` underlay, that the request or packet came in on. */
  port: string;
  /** 802.1Q VLAN, or null for the untagged network. */
  vlan: number | null;
  /** The address asked for. */
  ip: string;
  /** Nanoseconds on the dataplane's clock. */
  timestamp: bigint;
}

/** The path to a VTEP carries less than the underlay's MTU: a router said so, or the kernel found out. */
export interface PathMtu {
  /** Name of the underlay. */
  underlay: string;
  /** IP of the VTEP. */
  peer: string;
  /** Bytes of the largest outer IP packet that arrives there. */
  mtu: number;
}

/** The interface behind a live port has changed. */
export interface LinkChange {
  /** Name of the port, or `udp` underlay. */
  port: string;
  /** `up`; `down`: set down, or without a carrier; `gone`: removed, or moved to another namespace. */
  state: 'up' | 'down' | 'gone';
  /** Bytes of the largest IP packet now. */
  mtu: number;
}

/** A port has failed: what is sent there is dropped, as `drop_port_error`, and nothing is received. */
export interface PortFailure {
  /** Name of the port, or `udp` underlay. */
  port: string;
  code: ErrorCode;
  message: string;
}

/** Packets of encrypted bridges that cannot be sealed or opened. */
export interface EncryptionTrouble {
  /** Name of the underlay. */
  underlay: string;
  /** Name of the keyring. */
  keyring: string;
  /** Ids of its keys, in the order of their roles. */
  keyIds: number[];
  /** IP of the VTEP. */
  peer: string;
  /**
   * `no-key`: nothing to send with. `limit-near`, `exhausted`: the key has sealed most, or all, of the packets that it may. `engine`: the engine
   * failed. `stale`: packets from before this process started.
   */
  reason: 'no-key' | 'exhausted' | 'limit-near' | 'engine' | 'stale';
  /** What it means, and what to do. */
  message: string;
}

/**
 * Events of a dataplane, each with its arguments. Listeners are called when the workers have something to tell, in manual mode at the
 * end of `run()`; each gets all that happened since, in order. What a slow listener loses is counted in `miss_lost` and `event_lost`.
 */
export interface DataplaneEvents {
  /** Addresses that nobody is known to have. Answer with `addPeer()` or `addNeighbor()`. */
  miss: [misses: Miss[]];
  /** VTEPs whose path carries less than was thought. Lower the MTU of the stations behind, or that of the network. */
  mtu: [paths: PathMtu[]];
  /** Interfaces that went up, down or away, or have another MTU. */
  link: [links: LinkChange[]];
  /** Ports that failed. */
  failure: [failures: PortFailure[]];
  /** Encrypted packets that do not come through. Those about a key's limit reach the keyring, too. */
  encryption: [troubles: EncryptionTrouble[]];
}

type Batches = { [K in keyof DataplaneEvents]: DataplaneEvents[K][0] } & {
  limits: { ring: Keyring; limit: KeyLimit }[];
};

/** Takes what happened from the native side, in readable form. What is about ports that are no more is left out. */
export function takeEvents(state: State): Batches {
  const batches: Batches = { link: [], failure: [], mtu: [], miss: [], encryption: [], limits: [] };
  const rows = new Map(state.rows().map((row) => [row.row, row]));
  for (const event of state.native.events()) {
    const row = rows.get(event.port);
    if (event.kind === 'miss') batches.miss.push(readMiss(state, event, row?.name ?? ''));
    else if (event.kind === 'encryption') readTrouble(state, event, batches);
    else if (row !== undefined) readOther(state, event, row, batches);
  }
  return batches;
}

function readMiss(state: State, event: NativeEvent, port: string): Miss {
  return {
    bridge: state.bridges.at(event.bridge)?.name ?? '',
    port,
    vlan: taggedVlan(event.vlan),
    ip: formatIp(event.ip),
    timestamp: event.timestamp,
  };
}

function readOther(state: State, event: NativeEvent, row: CounterRow, batches: Batches): void {
  const { name: port, owner, twin } = row;
  const mtu = Math.min(event.value, MAX_MTU);
  if (event.kind === 'mtu') {
    const peer = formatIp(event.ip);
    for (const underlay of state.underlays.byName.values()) {
      if (!rowsOf(underlay).includes(event.port) || underlay.family !== family(event.ip)) continue;
      batches.mtu.push({ underlay: underlay.name, peer, mtu });
    }
    return;
  }
  if (event.kind === 'link') {
    // Of the same interface as the underlay's own, which tells.
    if (twin) return;
    if (event.state !== 'gone') owner.linkChanged(mtu);
    batches.link.push({ port, state: event.state, mtu });
    return;
  }
  const failure = state.native.portError(event.port);
  if (failure !== null) batches.failure.push({ port, ...failure });
}

/** The native ports that an underlay is on. */
function rowsOf(underlay: Underlay): number[] {
  if (underlay.type === 'frame') return [underlay.port.index];
  return [underlay.row, ...underlay.twins.map((twin) => twin.row!)];
}

const ADVICE: Record<EncryptionTrouble['reason'], string> = {
  'no-key': 'there is no key to send with; the keyring is closed',
  exhausted:
    'the key has sealed as many packets as it may, and nothing more is sent; install() a new key everywhere, and rotate()',
  'limit-near': 'the key has sealed most of the packets that it may; install() a new key everywhere, and rotate()',
  engine: "the crypto engine failed, and packets are dropped; give the keyring the engine 'openssl'",
  stale:
    'packets are older than this process: replayed recordings, or the clocks of both ends differ by more than a minute; check the time service',
};

function readTrouble(state: State, event: NativeEvent, batches: Batches): void {
  const ring = state.keyrings.at(event.value);
  const { reason } = event;
  if (ring === undefined || reason === '') return;
  const peer = formatIp(event.ip);
  const bridges = [...state.bridges.byName.values()].filter(({ keyring }) => keyring === ring);
  const found = bridges.find(({ underlay }) => underlay !== null && rowsOf(underlay).includes(event.port));
  const underlay = found?.underlay?.name ?? '';
  const keyIds = ring.keys.map(({ id }) => id);
  const message = `keyring '${ring.name}', VTEP ${peer}: ${ADVICE[reason]}`;
  batches.encryption.push({ underlay, keyring: ring.name, keyIds, peer, reason, message });
  if (reason === 'limit-near' || reason === 'exhausted')
    batches.limits.push({ ring, limit: { reason, underlay, peer } });
}

/**
 * Calls the listeners of every kind that has something, causes first.
 *
 * @returns what listeners threw, in order: one of them does not keep the others from their batch.
 */
export function emitAll(emitter: EventEmitter<DataplaneEvents>, batches: Batches): unknown[] {
  const { link, failure, mtu, miss, encryption, limits } = batches;
  const thrown: unknown[] = [];
  const attempt = (emit: () => void) => {
    try {
      emit();
    } catch (error) {
      thrown.push(error);
    }
  };
  if (link.length > 0) attempt(() => emitter.emit('link', link));
  if (failure.length > 0) attempt(() => emitter.emit('failure', failure));
  if (encryption.length > 0) attempt(() => emitter.emit('encryption', encryption));
  for (const { ring, limit } of limits) attempt(() => access.limit(ring, limit));
  if (mtu.length > 0) attempt(() => emitter.emit('mtu', mtu));
  if (miss.length > 0) attempt(() => emitter.emit('miss', miss));
  return thrown;
}

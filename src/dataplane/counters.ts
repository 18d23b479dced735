/** Counters as the public sees them: by name, as bigint. The names and sentences are those of `native/core/counters.def`. */
import { addon, type NativeDataplane } from '../native.js';
import type { State } from './state.js';

/** Counters by name, such as `rx_packets` or `drop_mtu`; {@link describeCounters} tells what each means. */
export type CounterValues = {
  rx_packets: bigint;
  rx_bytes: bigint;
  tx_packets: bigint;
  tx_bytes: bigint;
  cloned: bigint;
  originated: bigint;
  segmented: bigint;
  consumed: bigint;
  coalesced: bigint;
  waiting: bigint;
} & Record<string, bigint>;

/** What became of every packet: `received + originated + cloned + segmented = transmitted + consumed + coalesced + waiting + dropped`. */
export interface Accounting {
  /** Packets that ports received. */
  received: bigint;
  /** Packets that overlane made itself: requests for the MACs of next hops, and answers. */
  originated: bigint;
  /** Copies made to flood or replicate. */
  cloned: bigint;
  /** Further packets that super-frames were cut into. */
  segmented: bigint;
  /** Packets that ports transmitted. */
  transmitted: bigint;
  /** Packets for overlane itself. */
  consumed: bigint;
  /** Packets that became part of a super-frame. */
  coalesced: bigint;
  /** Packets that wait now for the MAC of a next hop. */
  waiting: bigint;
  /** The sum of all drop counters. */
  dropped: bigint;
}

/** What `Dataplane.counters()` gives. */
export interface Counters extends Accounting {
  /** All ports together, those closed since included. */
  total: CounterValues;
  /** The open ports and `udp` underlays by name. A packet's fate is counted where it was received, except for `tx_…`. */
  ports: Record<string, CounterValues>;
  /** The drop counters of `total` that are not zero. */
  drops: Record<string, bigint>;
  /** Whether the accounting sum holds; false is a defect of overlane. While live workers carry packets, those under way may be missing. */
  balanced: boolean;
}

/** Name, kind and meaning of one counter. */
export interface CounterDescription {
  name: string;
  /** `drop`: why a packet was dropped; `port`: the four of every port; `stage`: packets a stage handled; `event`: anything else. */
  kind: 'drop' | 'port' | 'stage' | 'event';
  /** One sentence. */
  about: string;
}

/** All counters there are, in order. */
export function describeCounters(): CounterDescription[] {
  return addon.counterNames.map((counter) => ({ ...counter }) as CounterDescription);
}

const dropNames = addon.counterNames.filter(({ kind }) => kind === 'drop').map(({ name }) => name);

/** The accounting of one set of counters: `total`, where the law holds, or those of a port. */
export function accounting(values: CounterValues): Accounting {
  return {
    received: values.rx_packets,
    originated: values.originated,
    cloned: values.cloned,
    segmented: values.segmented,
    transmitted: values.tx_packets,
    consumed: values.consumed,
    coalesced: values.coalesced,
    waiting: values.waiting,
    dropped: dropNames.reduce((sum, name) => sum + (values[name] ?? 0n), 0n),
  };
}

/** Whether nothing was lost or made up on the way. */
export function isBalanced(sum: Accounting): boolean {
  const came = sum.received + sum.originated + sum.cloned + sum.segmented;
  return came === sum.transmitted + sum.consumed + sum.coalesced + sum.waiting + sum.dropped;
}

export function readCounters(side: NativeDataplane, state: State): Counters {
  const rows = side.counters();
  const width = addon.counterNames.length;
  const total = rowOf(rows, 0, 0);
  for (let start = 0; start < rows.length; start += width) {
    addon.counterNames.forEach(({ name }, i) => {
      total[name] = total[name]! + rows[start + i]!;
    });
  }
  const byName = Object.fromEntries(state.rows().map(({ name, row }) => [name, rowOf(rows, row * width, width)]));
  const sum = accounting(total);
  const drops = Object.fromEntries(dropNames.filter((name) => total[name] !== 0n).map((name) => [name, total[name]!]));
  return { ...sum, total, ports: byName, drops, balanced: isBalanced(sum) };
}

/** A row by name; with a `width` of 0, zeros. */
function rowOf(rows: BigUint64Array, start: number, width: number): CounterValues {
  const entries = addon.counterNames.map(({ name }, i) => [name, i < width ? rows[start + i]! : 0n]);
  return Object.fromEntries(entries) as CounterValues;
}

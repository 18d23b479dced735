/** Options of `new Dataplane()`. */

import { addon, type NativeDataplaneOptions } from '../native.js';
import Type from '../schema.js';
import { checkOptions, expects, oneOf, optionError, optionsOf, whole } from './check.js';

/** How many packet buffers are allocated, once, when the dataplane is made. A flood needs one for every copy of a burst. */
export interface PacketPoolOptions {
  /** Buffers of 2 KiB, for frames up to 2048 bytes; default 4096; at least 2 × `burst`, at most 2^20. */
  small?: number;
  /** Buffers of 64 KiB, for larger ones; default 512; at least `burst`, at most 2^16. */
  large?: number;
}

/** A thread that carries packets. */
export interface WorkerOptions {
  /** The processor that it runs on, counted from 0; default: the system chooses, again and again. */
  cpu?: number;
}

/** Options of `new Dataplane()`. */
export interface DataplaneOptions {
  /**
   * `live` (default): from `start()` to `close()` workers, which are threads, carry packets. `manual`: packets move when `run()` is
   * called, in the calling thread.
   */
  mode?: 'live' | 'manual';
  /**
   * Goes with the mode. `real`, live: nanoseconds since 1970. `virtual`, manual: time is what `run({ now })` says, or what the captures'
   * timestamps say.
   */
  clock?: 'virtual' | 'real';
  /** Live: the threads that carry packets, 1 to 64; default one, unpinned. Each has its own tables and packet buffers. */
  workers?: WorkerOptions[];
  /**
   * Live: microseconds that a worker goes on polling after a burst before it sleeps, 0 to 1,000,000; default 20. It does while bursts come
   * close together (less than five times as long apart on average). More saves the time to wake up, and costs the processor.
   */
  spin?: number;
  /**
   * The FDB (MAC table): `bucket` (default), one cache line a bucket, made for speed; `map`, an ordinary hash map, as the reference to
   * compare with. Both behave the same until the table is full.
   */
  fdb?: 'bucket' | 'map';
  /** MAC addresses that the FDB holds, over all bridges; default 131072; 1 to 2^24. Memory is taken at once. */
  fdbEntries?: number;
  /** IP addresses that the neighbor table holds, over all bridges; default 65536; 1 to 2^24. */
  neighborEntries?: number;
  /**
   * Packets that one burst carries through the stages; default 64; 1 to 256. The sources of a burst are learned before any of it is
   * forwarded, so the size may decide whether the first packets to a new station are flooded.
   */
  burst?: number;
  packets?: PacketPoolOptions;
  /** Seeds the hash functions, 0 (default) to 2^64 − 1. Runs with the same seed and inputs give the same bytes. */
  seed?: number | bigint;
}

const LARGEST_TABLE = 2 ** 24;
const LARGEST_SEED = 2n ** 64n - 1n;

/** The parts of the schema that a topology file has too, at its top level. */
export const tuning = {
  clock: Type.Optional(oneOf('virtual', 'real')),
  workers: Type.Optional(
    expects(
      'a list of 1 to 64 workers, such as [{ cpu: 1 }]',
      Type.Array(optionsOf<WorkerOptions>({ cpu: Type.Optional(whole(0, 4095)) }), { minItems: 1, maxItems: 64 }),
    ),
  ),
  spin: Type.Optional(whole(0, 1_000_000, ' microseconds')),
  fdb: Type.Optional(oneOf(...addon.fdbKinds)),
  fdbEntries: Type.Optional(whole(1, LARGEST_TABLE, ' entries')),
  neighborEntries: Type.Optional(whole(1, LARGEST_TABLE, ' entries')),
  burst: Type.Optional(whole(1, 256, ' packets')),
  packets: Type.Optional(
    expects(
      'an object { small, large }',
      optionsOf<PacketPoolOptions>({
        small: Type.Optional(whole(1, 2 ** 20, ' buffers')),
        large: Type.Optional(whole(1, 2 ** 16, ' buffers')),
      }),
    ),
  ),
  seed: Type.Optional(
    expects(
      'a whole number from 0 to 2^64 - 1 (a bigint above 2^53)',
      Type.Union([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Type.BigInt()]),
    ),
  ),
};

const schema = optionsOf<DataplaneOptions>({ mode: Type.Optional(oneOf('live', 'manual')), ...tuning });

/** Validated, with every default filled in. Without workers: manual mode. */
export function dataplaneOptions(options: DataplaneOptions): Omit<NativeDataplaneOptions, 'notify'> {
  checkOptions(schema, options, 'Dataplane');
  refuseOtherMode(options);
  const { fdb = 'bucket', fdbEntries = 131072, neighborEntries = 65536, burst = 64, packets = {}, seed = 0n } = options;
  const { small = 4096, large = 512 } = packets;
  if (small < 2 * burst) {
    throw optionError(
      `option 'packets.small' of Dataplane must be at least twice the burst (${2 * burst}), not ${small}`,
    );
  }
  if (large < burst) {
    throw optionError(`option 'packets.large' of Dataplane must be at least the burst (${burst}), not ${large}`);
  }
  const wideSeed = BigInt(seed);
  if (wideSeed < 0n || wideSeed > LARGEST_SEED) {
    throw optionError(`option 'seed' of Dataplane must be from 0 to 2^64 - 1, not ${seed}`);
  }
  const { spin = 20 } = options;
  return {
    burst,
    fdbKind: addon.fdbKinds.indexOf(fdb),
    fdbEntries,
    neighborEntries,
    smallPackets: small,
    largePackets: large,
    seed: wideSeed,
    workers: options.mode === 'manual' ? [] : (options.workers ?? [{}]).map(({ cpu = -1 }) => ({ cpu })),
    spinNs: BigInt(spin) * 1000n,
  };
}

/** What belongs to the other mode would do nothing, and somebody expects that it does. */
function refuseOtherMode({ mode, clock, workers, spin }: DataplaneOptions): void {
  if (mode !== 'manual') {
    if (clock !== 'virtual') return;
    throw optionError(
      "clock 'virtual' is for manual mode, and this dataplane is live; give mode 'manual', or leave it out",
    );
  }
  const wish =
    clock === 'real' ? "clock 'real'" : workers !== undefined ? "'workers'" : spin !== undefined ? "'spin'" : null;
  if (wish === null) return;
  throw optionError(`${wish} is for a live dataplane, and mode is 'manual'; leave one of them out`);
}

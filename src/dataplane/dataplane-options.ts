/** Options of `new Dataplane()`. */
import Type from 'typebox';
import { OverlaneError } from '../errors.js';
import { addon, type NativeDataplaneOptions } from '../native.js';
import { checkOptions, expects, oneOf, optionError, optionsOf, whole } from './check.js';

/** How many packet buffers are allocated, once, when the dataplane is made. A flood needs one for every copy of a burst. */
export interface PacketPoolOptions {
  /** Buffers of 2 KiB, for frames up to 2048 bytes; default 4096; at least 2 × `burst`, at most 2^20. */
  small?: number;
  /** Buffers of 64 KiB, for larger ones; default 512; at least `burst`, at most 2^16. */
  large?: number;
}

/** Options of `new Dataplane()`. */
export interface DataplaneOptions {
  /** `manual`: packets move when `run()` is called, in the calling thread. The only mode of this version. */
  mode: 'manual';
  /** `virtual` (default): time is what `run({ now })` says, or what the captures' timestamps say. */
  clock?: 'virtual';
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

const schema = optionsOf<DataplaneOptions>({ mode: Type.Optional(oneOf('manual')), ...tuning });

/** Validated, with every default filled in. */
export function dataplaneOptions(options: DataplaneOptions): NativeDataplaneOptions {
  refuseLive(options);
  checkOptions(schema, options, 'Dataplane');
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
  const fdbKind = addon.fdbKinds.indexOf(fdb);
  return { burst, fdbKind, fdbEntries, neighborEntries, smallPackets: small, largePackets: large, seed: wideSeed };
}

/** Workers and the real clock are words of the API that this version does not know how to serve. */
function refuseLive(options: DataplaneOptions): void {
  if (typeof options !== 'object' || options === null) return;
  const { mode, clock, workers } = options as { mode?: unknown; clock?: unknown; workers?: unknown };
  const wish =
    workers !== undefined
      ? "'workers'"
      : clock === 'real'
        ? "clock 'real'"
        : mode === undefined
          ? "a missing 'mode'"
          : null;
  if (wish === null) return;
  throw new OverlaneError(
    'ERR_OVERLANE_UNSUPPORTED',
    `${wish} asks for a live dataplane; this version has mode 'manual' with clock 'virtual': new Dataplane({ mode: 'manual' })`,
  );
}

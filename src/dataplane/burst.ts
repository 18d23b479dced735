/** A burst: many frames in one buffer, the unit in which packets cross between JavaScript and the native core. */
import { burstArrays } from './frames.js';

/** Frames in order: frame i is `data.subarray(offsets[i], offsets[i] + lengths[i])`, for i from 0 to `count` - 1. */
export interface Burst {
  /** The frames' bytes, each from its Ethernet header on, without FCS; usually back to back. */
  data: Uint8Array;
  /** Where each frame begins, in bytes from the start of `data`; at least `count` elements. */
  offsets: Uint32Array;
  /** Length of each frame, in bytes; at least `count` elements. */
  lengths: Uint32Array;
  /** Number of frames. */
  count: number;
  /** Length of each frame on the wire, in bytes: above `lengths[i]` where a capture cut the frame. Absent: nothing was cut. */
  wireLengths?: Uint32Array;
  /** Time of each frame, in nanoseconds since 1970-01-01T00:00:00Z. Absent: no times are known. */
  timestamps?: BigInt64Array;
}

/**
 * Copies frames into one burst.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` when an element is not a Uint8Array.
 */
export function burstOf(frames: readonly Uint8Array[]): Burst {
  return burstArrays(frames, 'burstOf');
}

/** The frames of a burst one by one, as views into `burst.data`: copy what must outlive a change of it. */
export function* frames(burst: Burst): Generator<Uint8Array, void, undefined> {
  for (let i = 0; i < burst.count; i++) {
    const offset = burst.offsets[i]!;
    yield burst.data.subarray(offset, offset + burst.lengths[i]!);
  }
}

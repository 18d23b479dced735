/** A stretch of a frame that is still to be read. */
import type { Buffer } from 'node:buffer';
import type { DecodedFrame, Layer, Malformed } from './frame.js';

export interface Stretch {
  /** The bytes that were captured. */
  readonly bytes: Buffer;
  /** Bytes that the wire had, never under `bytes.length`. */
  readonly length: number;
}

/** What follows the first `count` bytes. */
export function after(stretch: Stretch, count: number): Stretch {
  return { bytes: stretch.bytes.subarray(count), length: Math.max(0, stretch.length - count) };
}

/** The first `length` bytes: what follows is padding, or another's. */
export function upTo(stretch: Stretch, length: number): Stretch {
  return length >= stretch.length ? stretch : { bytes: stretch.bytes.subarray(0, length), length };
}

/** Notes what is wrong; returns undefined, for `return fail(…)`. */
export function fail(frame: DecodedFrame, layer: Layer, reason: Malformed): undefined {
  frame.error = { layer, reason };
}

/** A header of `needed` bytes is not in the captured bytes: malformed, unless the wire had it and the capture cut it off. */
export function failShort(
  frame: DecodedFrame,
  layer: Layer,
  reason: Malformed,
  rest: Stretch,
  needed: number,
): undefined {
  if (rest.length < needed) fail(frame, layer, reason);
}

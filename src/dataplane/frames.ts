/** Frames on their way to the native side: the arrays of a burst, known to have the right types and lengths. */
import type { Burst } from './burst.js';
import { optionError, shown } from './check.js';

export interface BurstArrays {
  data: Uint8Array;
  offsets: Uint32Array;
  lengths: Uint32Array;
  count: number;
}

/**
 * Takes a burst, or packs a list of frames into one. A burst costs four checks, whatever its size: that each offset and length lies
 * inside `data` is checked natively, frame by frame.
 */
export function burstArrays(frames: Burst | readonly Uint8Array[], where: string): BurstArrays {
  if (Array.isArray(frames)) return pack(frames as readonly Uint8Array[], where);
  if (typeof frames !== 'object' || frames === null) {
    throw optionError(`${where} takes a burst or a list of Uint8Array, not ${shown(frames)}`);
  }
  const { data, offsets, lengths, count } = frames as Burst;
  if (!(data instanceof Uint8Array))
    throw optionError(`${where}: 'data' of the burst must be a Uint8Array, not ${shown(data)}`);
  for (const [name, array] of [
    ['offsets', offsets],
    ['lengths', lengths],
  ] as const) {
    if (!(array instanceof Uint32Array)) {
      throw optionError(`${where}: '${name}' of the burst must be a Uint32Array, not ${shown(array)}`);
    }
  }
  const most = Math.min(offsets.length, lengths.length);
  if (Number.isInteger(count) && count >= 0 && count <= most) return { data, offsets, lengths, count };
  throw optionError(
    `${where}: 'count' of the burst must be a whole number from 0 to ${most}, the frames it describes, not ${shown(count)}`,
  );
}

function pack(frames: readonly Uint8Array[], where: string): BurstArrays {
  const offsets = new Uint32Array(frames.length);
  const lengths = new Uint32Array(frames.length);
  let total = 0;
  frames.forEach((frame, i) => {
    if (!(frame instanceof Uint8Array))
      throw optionError(`${where}: frame ${i} must be a Uint8Array, not ${shown(frame)}`);
    offsets[i] = total;
    lengths[i] = frame.length;
    total += frame.length;
  });
  if (total > 0xffff_ffff)
    throw optionError(`${where}: ${total} bytes are more than one burst can hold (4 GiB); split the list`);
  const data = new Uint8Array(total);
  frames.forEach((frame, i) => {
    data.set(frame, offsets[i]);
  });
  return { data, offsets, lengths, count: frames.length };
}

/** The timestamps of a burst, if it has any. */
export function burstTimes(
  frames: Burst | readonly Uint8Array[],
  count: number,
  where: string,
): BigInt64Array | undefined {
  const times = (frames as Partial<Burst>).timestamps;
  if (times === undefined || (times instanceof BigInt64Array && times.length >= count)) return times;
  throw optionError(
    `${where}: 'timestamps' of the burst must be a BigInt64Array with one for each of the ${count} frames`,
  );
}

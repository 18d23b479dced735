/** Options of `Dataplane.run()`. */

import type { NativeDataplane } from '../native.js';
import Type from '../schema.js';
import { checkOptions, expects, optionError, optionsOf, whole } from './check.js';
import type { Port } from './port.js';

/** Options of `Dataplane.run()`. */
export interface RunOptions {
  /**
   * The time during this run, nanoseconds, not before that of the last run. Default: the clock follows the captures' timestamps, and
   * stands still where there are none.
   */
  now?: bigint;
  /** Stop after this many packets, give or take a burst. Default: when every input is empty. */
  packets?: number;
}

const LATEST = 2n ** 63n - 1n;

const schema = optionsOf<RunOptions>({
  now: Type.Optional(expects('nanoseconds as a bigint, such as 0n', Type.BigInt())),
  packets: Type.Optional(whole(1, Number.MAX_SAFE_INTEGER, ' packets')),
});

/** What the native `run` takes. */
export function readRunOptions(
  options: RunOptions,
  side: NativeDataplane,
  ports: Iterable<Port>,
): { now: bigint; packets: number } {
  checkOptions(schema, options, 'run');
  const { now, packets } = options;
  if (now !== undefined && (now < 0n || now > LATEST))
    throw optionError(`option 'now' of run must be from 0n to 2^63 - 1, not ${now}`);
  if (now !== undefined && now < side.now()) {
    throw optionError(
      `option 'now' of run is ${now}, but the clock is at ${side.now()} already; time does not go back`,
    );
  }
  const endless = [...ports].find((port) => port.loop);
  if (packets === undefined && endless !== undefined) {
    throw optionError(
      `port '${endless.name}' loops, so its input never ends; give run a number of packets, as in { packets: 65536 }`,
    );
  }
  return { now: now ?? -1n, packets: packets ?? Number.MAX_SAFE_INTEGER };
}

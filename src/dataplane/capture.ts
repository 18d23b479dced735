/** Capture files as bursts: pcap and pcapng are read, pcapng is written. */

import { type ErrorCode, OverlaneError } from '../errors.js';
import { addon, type NativeCaptureReader, type NativeCaptureWriter } from '../native.js';
import Type from '../schema.js';
import type { Burst } from './burst.js';
import { checkOptions, expects, optionError, optionsOf, shown, whole } from './check.js';
import { burstArrays } from './frames.js';

/** A burst from a capture always carries wire lengths and timestamps. */
export type CapturedBurst = Required<Burst>;

export interface ReadCaptureOptions {
  /** Most frames in a burst, 1 to 65536; default 256. A burst also ends at about 4 MiB. */
  burst?: number;
  /** Ends the reading between two bursts, with the signal's reason. */
  signal?: AbortSignal;
}

const ETHERNET = 1;
/** What the native side says of a pcapng file that describes no interface; it holds no frames either. */
const UNKNOWN = 0xffff_ffff;

/** Link types that turn up where Ethernet was expected (draft-ietf-opsawg-pcaplinktype). */
const LINK_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'BSD loopback'],
  [9, 'PPP'],
  [12, 'raw IP'],
  [101, 'raw IP'],
  [105, 'IEEE 802.11'],
  [108, 'OpenBSD loopback'],
  [113, 'Linux cooked'],
  [117, 'OpenBSD pflog'],
  [127, 'IEEE 802.11 with radiotap'],
  [189, 'USB'],
  [195, 'IEEE 802.15.4'],
  [201, 'Bluetooth HCI'],
  [220, 'USB'],
  [228, 'raw IPv4'],
  [229, 'raw IPv6'],
  [239, 'NFLOG'],
  [253, 'netlink'],
  [271, 'vsock'],
  [276, 'Linux cooked v2'],
]);

const COOKED: ReadonlySet<number> = new Set([113, 276]);

const BURST_SIZE = whole(1, 65536, ' frames');
const READ_OPTIONS = optionsOf<ReadCaptureOptions>({
  burst: Type.Optional(BURST_SIZE),
  signal: Type.Optional(expects('an AbortSignal', Type.Unknown())),
});

/**
 * Reads an Ethernet capture, burst by burst, in the order of the file:
 * `for (const burst of readCapture('underlay.pcap')) …`. The file is opened by the first step and closed when the loop
 * ends, also when it is left early. Memory stays bounded whatever the file's size.
 *
 * @param path pcap or pcapng, either byte order, any time resolution; a FIFO works; `-` is standard input.
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` no such file; `ERR_OVERLANE_PERMISSION`; `ERR_OVERLANE_CAPTURE` not a capture,
 *   not Ethernet, cut off or corrupt (the frames before the damage are given first); `ERR_OVERLANE_SYSTEM` I/O error;
 *   `ERR_OVERLANE_OPTION` at once.
 */
export function readCapture(path: string, options: ReadCaptureOptions = {}): Generator<CapturedBurst, void, undefined> {
  checkPath(path, 'readCapture');
  const { burst, signal } = checkOptions(READ_OPTIONS, options, 'readCapture');
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw optionError(`option 'signal' of readCapture must be an AbortSignal, not ${shown(signal)}`);
  }
  return bursts(path, burst, signal);
}

function* bursts(
  path: string,
  size: number | undefined,
  signal: AbortSignal | undefined,
): Generator<CapturedBurst, void, undefined> {
  signal?.throwIfAborted();
  const reader = new CaptureReader(path);
  try {
    for (let burst = reader.read(size); burst !== null; burst = reader.read(size)) {
      yield burst;
      signal?.throwIfAborted();
    }
  } finally {
    reader.close();
  }
}

/** An open Ethernet capture; `readCapture` is the short way. Close it, or declare it with `using`. */
export class CaptureReader {
  readonly #path: string;
  readonly #native: NativeCaptureReader;

  /**
   * Opens the file and looks as far as its first frame (on a pipe this waits for it).
   *
   * @throws {OverlaneError} as {@link readCapture}
   */
  constructor(path: string) {
    checkPath(path, 'CaptureReader');
    this.#path = path;
    this.#native = ours(() => new addon.CaptureReader(path));
    try {
      this.#checkLinkType();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * The next frames, at most `max` (1 to 65536, default 256) and about 4 MiB; null at the end of the file.
   *
   * @throws {OverlaneError} as {@link readCapture}; `ERR_OVERLANE_CLOSED` after close()
   */
  read(max = 256): CapturedBurst | null {
    if (!Number.isInteger(max) || max < 1 || max > 65536) {
      throw optionError(`'max' of CaptureReader.read must be a whole number from 1 to 65536 frames, not ${shown(max)}`);
    }
    const burst = ours(() => this.#native.read(max));
    if (burst !== null) this.#checkLinkType();
    return burst;
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Again after every burst: a pcapng file may hold several interfaces. */
  #checkLinkType(): void {
    const linkType = this.#native.linkType();
    if (linkType !== ETHERNET && linkType !== UNKNOWN) throw notEthernet(this.#path, linkType);
  }
}

/**
 * A pcapng file of Ethernet frames with nanosecond timestamps. The same frames give the same bytes on every machine. Close it, or
 * declare it with `using`: the last frames are written then.
 */
export class CaptureWriter {
  readonly #native: NativeCaptureWriter;

  /**
   * Creates the file, or empties it.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_MISSING` no such directory; `ERR_OVERLANE_PERMISSION`; `ERR_OVERLANE_SYSTEM`
   */
  constructor(path: string) {
    checkPath(path, 'CaptureWriter');
    this.#native = ours(() => new addon.CaptureWriter(path));
  }

  /**
   * Appends frames, each at most 262144 bytes. Absent timestamps and those before 1970 become 0.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_SYSTEM` disk full or the like: the file then ends with the last frame that was written
   *   whole, and every later call throws; `ERR_OVERLANE_OPTION` a frame outside `data`; `ERR_OVERLANE_CLOSED` after close()
   */
  write(burst: Burst | readonly Uint8Array[]): void {
    const arrays = burstArrays(burst, 'CaptureWriter.write');
    const { wireLengths = arrays.lengths, timestamps = new BigInt64Array(arrays.count) } = burst as Burst;
    if (!(wireLengths instanceof Uint32Array) || wireLengths.length < arrays.count) {
      throw optionError(
        `CaptureWriter.write: 'wireLengths' of the burst must be a Uint32Array of at least ${arrays.count} elements`,
      );
    }
    if (!(timestamps instanceof BigInt64Array) || timestamps.length < arrays.count) {
      throw optionError(
        `CaptureWriter.write: 'timestamps' of the burst must be a BigInt64Array of at least ${arrays.count} elements`,
      );
    }
    ours(() => this.#native.write({ ...arrays, wireLengths, timestamps }));
  }

  /** Writes what is buffered and closes the file. @throws {OverlaneError} `ERR_OVERLANE_SYSTEM` */
  close(): void {
    ours(() => this.#native.close());
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The error for a capture of another link type, which says how to get an Ethernet one. */
function notEthernet(path: string, linkType: number): OverlaneError {
  const name = LINK_TYPES.get(linkType);
  const what = `link type ${linkType}${name === undefined ? '' : `, ${name}`}`;
  const advice = COOKED.has(linkType)
    ? "capture on one interface instead of 'any'"
    : 'capture on an Ethernet interface';
  return new OverlaneError(
    'ERR_OVERLANE_CAPTURE',
    `${path === '-' ? 'standard input' : path} is not an Ethernet capture (${what}): ${advice}`,
  );
}

function checkPath(path: string, where: string): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return;
  throw optionError(`the path given to ${where} must be the name of a file, not ${shown(path)}`);
}

/** The native messages are whole sentences with the path in them; they only need our class. */
function ours<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const { code, message } = cause as { code?: ErrorCode; message: string };
    throw new OverlaneError(code ?? 'ERR_OVERLANE_SYSTEM', message, { cause });
  }
}

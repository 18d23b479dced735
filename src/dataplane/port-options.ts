/** Options of `addPort()`. */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { OverlaneError } from '../errors.js';
import type { NativeMemoryPortOptions, NativePcapPortOptions } from '../native.js';
import Type from '../schema.js';
import { suggestion } from '../suggest.js';
import { checkOptions, expects, flag, name, oneOf, optionError, optionsOf, shown, whole } from './check.js';
import { isLive, LIVE_PORT_TYPES, type LivePortOptions } from './live-port-options.js';
import { MAX_MTU, MIN_MTU } from './mtu.js';

/** A port in memory: `inject()` puts frames in, `drain()` takes what was transmitted. */
export interface MemoryPortOptions {
  type: 'memory';
  /** Unique among the ports; default `memory0`, `memory1`, … */
  name?: string;
  /** Bytes of the largest IP packet that it transmits, 68 to 65535; default 65535: no link limits it. */
  mtu?: number;
  /** Bytes that the injected frames, and those to be drained, may each take up; default 64 MiB; 64 KiB to 4 GiB. */
  queueBytes?: number;
  /** Receive what was injected again and again: a traffic source for benchmarks, to be run with a packet count. Default false. */
  loop?: boolean;
  /** Count what is transmitted and let it go, so that `drain()` gives nothing. Default false. */
  discard?: boolean;
}

/** A port that receives the frames of one capture and transmits into another. It has `read`, `write`, or both. */
export interface PcapPortOptions {
  type: 'pcap';
  /** Unique among the ports; default `pcap0`, `pcap1`, … */
  name?: string;
  /** The capture to receive from: pcap or pcapng, Ethernet, in either byte order. `-` is standard input. */
  read?: string;
  /** The capture to transmit into: pcapng, nanoseconds, replaced if it exists. */
  write?: string;
  /** Bytes of the largest IP packet that it transmits, 68 to 65535; default 65535. */
  mtu?: number;
}

/** Options of `addPort()`, told apart by `type`. */
export type PortOptions = MemoryPortOptions | PcapPortOptions | LivePortOptions;

/** The name of standard input as a capture. */
export const STDIN = '-';

const PORT_TYPES = ['memory', 'pcap', ...LIVE_PORT_TYPES];
const mtu = Type.Optional(whole(MIN_MTU, MAX_MTU, ' bytes'));
const path = Type.Optional(expects('a path of at least one character', Type.String({ minLength: 1 })));

export const memoryPort = optionsOf<MemoryPortOptions>({
  type: oneOf('memory'),
  name: Type.Optional(name),
  mtu,
  queueBytes: Type.Optional(whole(2 ** 16, 2 ** 32, ' bytes')),
  loop: Type.Optional(flag),
  discard: Type.Optional(flag),
});

export const pcapPort = optionsOf<PcapPortOptions>({
  type: oneOf('pcap'),
  name: Type.Optional(name),
  read: path,
  write: path,
  mtu,
});

/** Throws unless `options.type` is a type of port. `where` names the function in the message. */
export function checkPortType(options: unknown, where: string): void {
  checkType(options, where, 'port', PORT_TYPES);
}

/** `type` first, because it decides which other options there are. */
export function checkType(options: unknown, where: string, noun: string, types: string[]): void {
  const type = typeof options === 'object' && options !== null ? (options as { type?: unknown }).type : undefined;
  if (typeof type !== 'string') {
    const known = types.map((word) => `'${word}'`).join(', ');
    throw optionError(`option 'type' of ${where} must be one of ${known}, not ${shown(type)}`);
  }
  if (!types.includes(type)) throw optionError(`unknown ${noun} type '${type}' of ${where}${suggestion(type, types)}`);
}

/** Throws where a dataplane with that many live workers, 0 in manual mode, cannot have such a port. */
export function refuseMode(options: PortOptions, workers: number): void {
  const { type } = options;
  if (workers === 0) {
    if (!isLive(options)) return;
    throw optionError(`port type '${type}' needs a live dataplane, but this one is in manual mode; leave out 'mode'`);
  }
  if (type === 'pcap' && options.read !== undefined) {
    throw optionError(
      "a live dataplane cannot 'read' a capture, whose time is another; leave it out, or use mode 'manual'",
    );
  }
  if (workers === 1 || type === 'tap' || type === 'packet') return;
  throw new OverlaneError(
    'ERR_OVERLANE_UNSUPPORTED',
    `port type '${type}' works with one worker only, and this dataplane has ${workers}; use one worker`,
  );
}

/** Validated, with every default but the name filled in. */
export function memoryPortOptions(options: MemoryPortOptions, portName: string): NativeMemoryPortOptions {
  checkOptions(memoryPort, options, 'addPort');
  const { mtu = MAX_MTU, queueBytes = 2 ** 26, loop = false, discard = false } = options;
  return { name: portName, mtu, queueBytes, loop, discard };
}

/** Validated: what is to be read can be, and is not what is to be written. */
export function pcapPortOptions(options: PcapPortOptions, portName: string): NativePcapPortOptions {
  checkOptions(pcapPort, options, 'addPort');
  const { mtu = MAX_MTU, read = null, write = null } = options;
  if (read === null && write === null) {
    throw optionError(
      "a pcap port needs 'read', 'write' or both: say which capture to receive from or to transmit into",
    );
  }
  if (read !== null && read !== STDIN) look('read', read);
  if (write !== null) writable(write);
  if (read !== null && write !== null && canonical(read) === canonical(write)) {
    throw optionError(`'read' and 'write' of a pcap port are the same file, ${read}; write to another one`);
  }
  return { name: portName, mtu, read, write };
}

function writable(file: string): void {
  const folder = dirname(resolve(file));
  if (!look('write to', folder).isDirectory()) throw optionError(`cannot write to ${file}: ${folder} is not a folder`);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw optionError(`cannot write to ${file}: it is a folder; give the path of a file`);
}

function look(verb: 'read' | 'write to', file: string): Stats {
  try {
    const found = statSync(file);
    if (verb === 'read' && found.isDirectory()) throw optionError(`cannot read ${file}: it is a folder, not a capture`);
    return found;
  } catch (cause) {
    if (cause instanceof OverlaneError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      const hint = verb === 'read' ? 'no such file; check the path' : 'no such folder; make it first';
      throw new OverlaneError('ERR_OVERLANE_MISSING', `cannot ${verb} ${file}: ${hint}`, { cause });
    }
    const denied = code === 'EACCES' || code === 'EPERM';
    throw new OverlaneError(
      denied ? 'ERR_OVERLANE_PERMISSION' : 'ERR_OVERLANE_SYSTEM',
      `cannot ${verb} ${file}: ${message}`,
      {
        cause,
      },
    );
  }
}

/** One spelling for one file, links followed; the file itself need not exist yet. */
export function canonical(file: string): string {
  const full = resolve(file);
  const found = statSync(full, { throwIfNoEntry: false });
  if (found?.isFile()) return `${found.dev}:${found.ino}`;
  if (found !== undefined) return realpathSync(full);
  return resolve(realpathSync(dirname(full)), basename(full));
}

/** Topology files: a dataplane as YAML or JSON. `docs/topology.md` is the reference; `topology-build.ts` makes the dataplane. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import { dotted, findMistake, name, shown } from './dataplane/check.js';
import { checkEncryption } from './dataplane/encryption-options.js';
import { checkPortType, checkType } from './dataplane/port-options.js';
import { UNDERLAY_TYPES } from './dataplane/underlay-options.js';
import { type ErrorCode, OverlaneError } from './errors.js';
import { refuseShared } from './keyring/key-file.js';
import { redact } from './keyring/secret.js';
import { attachmentSchema, partSchemas, type TopologyOptions, topologySchema } from './topology-options.js';

/** A topology that was read and whose keys and types are right; whether it makes sense is found out by building it. */
export interface Topology {
  options: TopologyOptions;
  /** The name for messages. */
  file: string;
  /** The folder that relative paths start from. */
  folder: string;
  /** `file:line:column: the.path` of a value. */
  locate(path: string[]): string;
}

/**
 * Reads a topology file.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is no such file; `ERR_OVERLANE_PERMISSION` when there are keys in it and others
 *   than its owner may read or write it; else as {@link parseTopology}.
 */
export function readTopology(file: string): Topology {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (cause) {
    throw unreadable(file, cause);
  }
  try {
    const topology = parseTopology(readFileSync(fd, 'utf8'), { file, folder: dirname(file) });
    if (holdsKeys(topology.options)) refuseShared(file, fd);
    return topology;
  } catch (cause) {
    throw cause instanceof OverlaneError ? cause : unreadable(file, cause);
  } finally {
    closeSync(fd);
  }
}

function unreadable(file: string, cause: unknown): OverlaneError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const ours: ErrorCode = code === 'ENOENT' ? 'ERR_OVERLANE_MISSING' : 'ERR_OVERLANE_SYSTEM';
  const hint = code === 'ENOENT' ? 'no such file; check the path' : message;
  return new OverlaneError(ours, `cannot read the topology ${file}: ${hint}`, { cause });
}

/** Keys in the topology itself. */
function holdsKeys({ bridges = {} }: TopologyOptions): boolean {
  return Object.values(bridges).some(
    ({ encryption }) => encryption !== undefined && typeof encryption.keys !== 'string',
  );
}

/**
 * Parses a topology: YAML 1.2 or JSON.
 *
 * @param source - the text.
 * @param origin - `file`: its name in messages, default `topology`; `folder`: where relative paths start, default the working directory.
 * @throws {OverlaneError} `ERR_OVERLANE_TOPOLOGY`, saying where, for syntax, repeated or unknown keys and wrong types.
 */
export function parseTopology(source: string, { file = 'topology', folder = '.' } = {}): Topology {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    const { line, col } = lines.linePos(syntax.pos[0]);
    throw topologyError(`${file}:${line}:${col}: ${syntax.message}`);
  }
  const locate = (path: string[]) => {
    const { line, col } = lines.linePos(offsetOf(document, path));
    return [`${file}:${line}:${col}`, dotted(path)].filter((part) => part !== '').join(': ');
  };
  const options = toObject(document, file);
  const topology = { options, file, folder, locate };
  checkAll(topology);
  return topology;
}

function toObject(document: Document.Parsed, file: string): TopologyOptions {
  let value: unknown;
  try {
    value = document.toJS();
  } catch (cause) {
    throw topologyError(`${file}: ${(cause as Error).message}`, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as TopologyOptions;
  throw topologyError(`${file}: a topology is an object with ports, underlays, bridges and peers, not ${shown(value)}`);
}

/** Where a value, or the key that leads to it, begins in the text. */
function offsetOf(document: Document.Parsed, path: string[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item: Pair) => String(isScalar(item.key) ? item.key.value : item.key) === key);
      offset = startOf(pair?.key) ?? offset;
      node = pair?.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = startOf(node) ?? offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function checkAll(topology: Topology): void {
  const { options } = topology;
  check(topology, topologySchema, options, []);
  for (const [kind, entries] of Object.entries({
    ports: options.ports,
    underlays: options.underlays,
    bridges: options.bridges,
  })) {
    for (const key of Object.keys(entries ?? {})) {
      const mistake = findMistake(name, key);
      if (mistake !== null) throw topologyError(`${topology.locate([kind, key])}: the name ${mistake.problem}`);
    }
  }
  for (const [key, port] of Object.entries(options.ports ?? {})) {
    relocate(topology, ['ports', key], () => checkPortType(port, 'the port'));
    check(topology, partSchemas[port.type], port, ['ports', key]);
  }
  for (const [key, underlay] of Object.entries(options.underlays ?? {})) {
    relocate(topology, ['underlays', key], () => checkType(underlay, 'the underlay', 'underlay', UNDERLAY_TYPES));
    check(topology, partSchemas[underlay.type], underlay, ['underlays', key]);
  }
  for (const [key, bridge] of Object.entries(options.bridges ?? {})) {
    check(topology, partSchemas.bridge, bridge, ['bridges', key]);
    const { encryption } = bridge;
    if (encryption !== undefined) {
      relocate(topology, ['bridges', key, 'encryption'], () => checkEncryption(encryption));
    }
    bridge.ports?.forEach((port, i) => {
      if (typeof port !== 'string') check(topology, attachmentSchema, port, ['bridges', key, 'ports', String(i)]);
    });
  }
  options.peers?.forEach((peer, i) => {
    check(topology, partSchemas.peer, peer, ['peers', String(i)]);
  });
}

function check(topology: Topology, against: typeof topologySchema, value: unknown, path: string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw topologyError(`${topology.locate(path)}: must be an object, not ${shown(value)}`);
  }
  const mistake = findMistake(against, value);
  if (mistake === null) return;
  const where = topology.locate([...path, ...mistake.path]);
  throw topologyError(mistake.unknown ? `${where}: unknown key${mistake.problem}` : `${where}: ${mistake.problem}`);
}

/** Codes that say the file is wrong; the others say that the system, or this version, does not go along. */
const OPTION_CODES = new Set<ErrorCode>(['ERR_OVERLANE_OPTION', 'ERR_OVERLANE_EXISTS', 'ERR_OVERLANE_BUSY']);

/** Runs a call on behalf of a place in the file; its errors say which place. */
export function relocate<T>(topology: Topology, path: string[], call: () => T): T {
  try {
    return call();
  } catch (cause) {
    if (!(cause instanceof OverlaneError)) throw cause;
    const code = OPTION_CODES.has(cause.code) ? 'ERR_OVERLANE_TOPOLOGY' : cause.code;
    throw new OverlaneError(code, `${topology.locate(path)}: ${cause.message}`, { cause });
  }
}

/** A file may hold keys, and what is wrong in it be next to one. */
export function topologyError(text: string, cause?: unknown): OverlaneError {
  const message = redact(text);
  return new OverlaneError('ERR_OVERLANE_TOPOLOGY', message, cause === undefined || message !== text ? {} : { cause });
}

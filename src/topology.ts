/** Topology files: a dataplane as YAML or JSON. `docs/topology.md` is the reference; `topology-build.ts` makes the dataplane. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import { type AttachOptions, attachBasics, type NeighborOptions, neighborOptions } from './dataplane/bridge-entries.js';
import { type BridgeOptions, bridgeBasics, vlan, vni } from './dataplane/bridge-options.js';
import { dotted, expects, findMistake, name, optionsOf, shown, text } from './dataplane/check.js';
import { type DataplaneOptions, tuning } from './dataplane/dataplane-options.js';
import { checkEncryption, type EncryptionOptions } from './dataplane/encryption-options.js';
import {
  livePorts,
  type PacketPortOptions,
  type TapPortOptions,
  type XdpPortOptions,
} from './dataplane/live-port-options.js';
import {
  checkPortType,
  checkType,
  type MemoryPortOptions,
  memoryPort,
  type PcapPortOptions,
  pcapPort,
} from './dataplane/port-options.js';
import {
  type FrameUnderlayOptions,
  frameUnderlayBasics,
  type UdpUnderlayOptions,
  UNDERLAY_TYPES,
  udpUnderlayBasics,
} from './dataplane/underlay-options.js';
import { type ErrorCode, OverlaneError } from './errors.js';
import { refuseShared } from './keyring/key-file.js';
import { redact } from './keyring/secret.js';
import Type from './schema.js';

/**
 * Options of `addPort()`; the port's name is the key. In a live port, `interface` or `name`, which mean the same here, is the interface;
 * default the key.
 */
export type TopologyPort =
  | Omit<MemoryPortOptions, 'name' | 'loop'>
  | Omit<PcapPortOptions, 'name'>
  | TopologyTap
  | PacketPortOptions
  | XdpPortOptions;

/** What a topology makes ends with it. */
type TopologyTap = Omit<TapPortOptions, 'persistent' | 'alias'>;

/** Options of `addUnderlay()`, with the name of a port; the underlay's own name is the key. */
export interface TopologyFrameUnderlay extends Omit<FrameUnderlayOptions, 'name' | 'port'> {
  port: string;
}

/** An underlay; its own name is the key. */
export type TopologyUnderlay = TopologyFrameUnderlay | Omit<UdpUnderlayOptions, 'name'>;

/** Options of `attach()`, with the name of a port. */
export interface TopologyAttachment extends AttachOptions {
  port: string;
}

/** A static local FDB entry. */
export interface TopologyFdb {
  mac: string;
  port: string;
  vlan?: number;
}

/** Options of `addBridge()`, with the name of an underlay, and what is on the bridge; its own name is the key. */
export interface TopologyBridge extends Omit<BridgeOptions, 'name' | 'underlay' | 'encryption'> {
  underlay?: string;
  /** `keys`: a key file, or the keys themselves, and then only the owner may read the topology. Bridges with equal ones share a keyring. */
  encryption?: EncryptionOptions;
  /** Names of ports, or options of `attach()` with the name as `port`. */
  ports?: (string | TopologyAttachment)[];
  fdb?: TopologyFdb[];
  neighbors?: NeighborOptions[];
}

/** Options of `addPeer()`, with the VNI in place of the VLAN. */
export interface TopologyPeer {
  vni: number;
  mac: string;
  ip?: string;
  vtep: string;
  /** Which bridge, where several have that VNI. */
  bridge?: string;
}

/** What a topology file holds. */
export interface TopologyOptions extends Omit<DataplaneOptions, 'mode'> {
  ports?: Record<string, TopologyPort>;
  underlays?: Record<string, TopologyUnderlay>;
  bridges?: Record<string, TopologyBridge>;
  peers?: TopologyPeer[];
}

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

const named = (what: string) =>
  Type.Optional(expects(`an object of ${what} by name`, Type.Record(Type.String(), Type.Unknown())));

const schema = optionsOf<TopologyOptions>({
  ...tuning,
  ports: named('ports'),
  underlays: named('underlays'),
  bridges: named('bridges'),
  peers: Type.Optional(expects('a list of peers', Type.Array(Type.Unknown()))),
});

const { name: _portName, loop: _loop, ...memoryBasics } = memoryPort.properties;
const { persistent: _persistent, alias: _alias, ...tapBasics } = livePorts.tap.properties;
const { name: _pcapName, ...pcapBasics } = pcapPort.properties;
const attachment = optionsOf<TopologyAttachment>({ port: text, ...attachBasics });

const schemas = {
  memory: optionsOf<Omit<MemoryPortOptions, 'name' | 'loop'>>(memoryBasics as never),
  pcap: optionsOf<Omit<PcapPortOptions, 'name'>>(pcapBasics as never),
  ...livePorts,
  tap: optionsOf<TopologyTap>(tapBasics as never),
  frame: optionsOf<TopologyFrameUnderlay>({ ...frameUnderlayBasics, port: text }),
  udp: optionsOf<Omit<UdpUnderlayOptions, 'name'>>(udpUnderlayBasics),
  bridge: optionsOf<TopologyBridge>({
    ...bridgeBasics,
    underlay: Type.Optional(text),
    ports: Type.Optional(expects('a list of port names', Type.Array(Type.Unknown()))),
    fdb: Type.Optional(
      expects(
        'a list of { mac, port }',
        Type.Array(optionsOf<TopologyFdb>({ mac: text, port: text, vlan: Type.Optional(vlan) })),
      ),
    ),
    neighbors: Type.Optional(expects('a list of { ip, mac }', Type.Array(neighborOptions))),
  }),
  peer: optionsOf<TopologyPeer>({ vni, mac: text, ip: Type.Optional(text), vtep: text, bridge: Type.Optional(text) }),
};

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
  check(topology, schema, options, []);
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
    check(topology, schemas[port.type], port, ['ports', key]);
  }
  for (const [key, underlay] of Object.entries(options.underlays ?? {})) {
    relocate(topology, ['underlays', key], () => checkType(underlay, 'the underlay', 'underlay', UNDERLAY_TYPES));
    check(topology, schemas[underlay.type], underlay, ['underlays', key]);
  }
  for (const [key, bridge] of Object.entries(options.bridges ?? {})) {
    check(topology, schemas.bridge, bridge, ['bridges', key]);
    const { encryption } = bridge;
    if (encryption !== undefined) {
      relocate(topology, ['bridges', key, 'encryption'], () => checkEncryption(encryption));
    }
    bridge.ports?.forEach((port, i) => {
      if (typeof port !== 'string') check(topology, attachment, port, ['bridges', key, 'ports', String(i)]);
    });
  }
  options.peers?.forEach((peer, i) => {
    check(topology, schemas.peer, peer, ['peers', String(i)]);
  });
}

function check(topology: Topology, against: typeof schema, value: unknown, path: string[]): void {
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

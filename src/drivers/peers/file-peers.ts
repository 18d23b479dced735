/** Peers from a file that an administrator or another program writes, on every node. */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { containerMac, formatIp, formatMac } from '../../address.js';
import { hostIp, stationMac } from '../../dataplane/addresses.js';
import { checkOptions, expects, optionsOf, text } from '../../dataplane/check.js';
import { OverlaneError } from '../../errors.js';
import Type from '../../schema.js';
import type { Peer, PeerNetwork, PeerSource, PeerWatch } from './peer-source.js';

/** Milliseconds between two looks at the file. */
const INTERVAL = 500;

/** A peer as the file has it. */
interface Row {
  ip: string;
  /** Default `02:42` and the IPv4 address. */
  mac?: string;
  vtep: string;
}

const row = optionsOf<Row>({ ip: text, mac: Type.Optional(text), vtep: text });
const schema = optionsOf<{ networks: Record<string, Row[]> }>({
  networks: expects(
    'an object of network names, each with a list of { ip, mac, vtep }',
    Type.Record(Type.String(), Type.Array(row)),
  ),
});

/**
 * YAML or JSON: `networks: { web: [{ ip: 10.0.9.3, vtep: 192.168.78.2 }] }`, with `mac` where it is not `02:42` and the IPv4 address. It is
 * read again when it changes; one that is then wrong changes nothing, and `onError` is told.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING`, `ERR_OVERLANE_PERMISSION` or `ERR_OVERLANE_OPTION` when it cannot be read at first.
 */
export class FilePeers implements PeerSource {
  readonly #file: string;
  readonly #onError: (message: string) => void;
  readonly #listeners = new Map<(peers: readonly Peer[]) => void, string>();
  #peers: Map<string, Peer[]>;
  readonly #changed = () => this.#reload();

  constructor(file: string, onError: (message: string) => void = () => {}) {
    this.#file = path.resolve(file);
    this.#onError = onError;
    this.#peers = readPeers(this.#file);
    watchFile(this.#file, { interval: INTERVAL, persistent: false }, this.#changed);
  }

  /** What is announced is the business of who writes the file. */
  watch(network: PeerNetwork, listener: (peers: readonly Peer[]) => void): PeerWatch {
    this.#listeners.set(listener, network.name);
    listener(this.#peers.get(network.name) ?? []);
    return { announce: () => {}, withdraw: () => {}, close: () => this.#listeners.delete(listener) };
  }

  close(): void {
    unwatchFile(this.#file, this.#changed);
    this.#listeners.clear();
  }

  #reload(): void {
    try {
      this.#peers = readPeers(this.#file);
    } catch (error) {
      this.#onError(`${(error as Error).message}; the peers stay as they were`);
      return;
    }
    for (const [listener, name] of this.#listeners) listener(this.#peers.get(name) ?? []);
  }
}

function readPeers(file: string): Map<string, Peer[]> {
  const where = `the peers file ${file}`;
  let content: unknown;
  try {
    content = parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new OverlaneError(
        'ERR_OVERLANE_MISSING',
        `${where} does not exist; write one, with 'networks: {}' in it at least`,
        { cause },
      );
    if (code === 'EACCES')
      throw new OverlaneError('ERR_OVERLANE_PERMISSION', `${where} cannot be read: permission denied`, { cause });
    throw new OverlaneError('ERR_OVERLANE_OPTION', `${where} is no YAML: ${(cause as Error).message}`, { cause });
  }
  const { networks } = checkOptions(schema, content as { networks: Record<string, Row[]> }, where);
  return new Map(
    Object.entries(networks).map(([name, rows]) => [
      name,
      rows.map((one, i) => peerOf(one, `${where}, ${name}[${i}]`)),
    ]),
  );
}

function peerOf({ ip, mac, vtep }: Row, where: string): Peer {
  const bytes = hostIp(ip, `${where}: ip`);
  if (mac === undefined && bytes.length === 16) {
    throw new OverlaneError('ERR_OVERLANE_OPTION', `${where}: a peer with an IPv6 address needs its 'mac'`);
  }
  return {
    ip: formatIp(bytes),
    mac: formatMac(mac === undefined ? containerMac(bytes) : stationMac(mac, `${where}: mac`)),
    vtep: formatIp(hostIp(vtep, `${where}: vtep`)),
  };
}

/** An underlay: the network that carries the VXLAN packets. */
import { formatIp, formatMac } from '../address.js';
import { OverlaneError } from '../errors.js';
import type { NativeDataplane } from '../native.js';
import { checkOptions } from './check.js';
import type { Family } from './mtu.js';
import type { Port } from './port.js';
import { busy, closed, type State } from './state.js';
import { type FrameUnderlayConfig, type NextHopOptions, nextHop, nextHopOptions } from './underlay-options.js';
import { atomically, native } from './undo.js';

/** Made by {@link Dataplane.addUnderlay}. */
export class Underlay {
  /** Unique among the underlays of the dataplane. */
  readonly name: string;
  readonly type = 'frame';
  readonly port: Port;
  /** IP version of the outer headers. */
  readonly family: Family;
  /** MAC of this end, such as `02:00:00:00:00:02`. */
  readonly mac: string;
  /** IP of this VTEP. */
  readonly local: string;
  /** UDP port of VXLAN. */
  readonly udpPort: number;
  /** Bytes of the largest outer IP packet. */
  readonly mtu: number;
  /** @internal Row of the native tables. */
  readonly index: number;
  readonly #state: State;
  readonly #local: Uint8Array;
  #closed = false;

  /** @internal */
  constructor(state: State, index: number, name: string, config: FrameUnderlayConfig) {
    this.#state = state;
    this.#local = config.local;
    this.index = index;
    this.name = name;
    this.port = config.port;
    this.family = config.family;
    this.mac = formatMac(config.mac);
    this.local = formatIp(config.local);
    this.udpPort = config.udpPort;
    this.mtu = config.mtu;
    state.use(config.port).underlays.add(this);
  }

  /**
   * Adds or replaces the MAC of a next hop: of a VTEP in the same network, or of the router that leads to it.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION` for an address that is none, or of the other IP version.
   */
  addNeighbor(neighbor: NextHopOptions): this {
    const side = this.#open();
    checkOptions(nextHop, neighbor, 'addNeighbor');
    const { ip, mac } = nextHopOptions(neighbor, this.#local, 'addNeighbor');
    native(`underlay '${this.name}'`, () => side.addUnderlayNeighbor(this.index, ip, mac));
    return this;
  }

  /**
   * Takes the underlay out of the dataplane; its port stays.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` while a bridge uses it.
   */
  close(): void {
    if (this.#closed || this.#state.closed) return;
    for (const bridge of this.#state.bridges.byName.values()) {
      if (bridge.underlay === this)
        throw busy(`underlay '${this.name}' carries bridge '${bridge.name}'; close the bridge first`);
    }
    native(`underlay '${this.name}'`, () => this.#state.native.removeUnderlay(this.index));
    this.#closed = true;
    this.#state.underlays.delete(this);
    this.#state.use(this.port).underlays.delete(this);
  }

  #open(): NativeDataplane {
    const side = this.#state.native;
    if (this.#closed) throw closed('underlay', this.name);
    return side;
  }
}

/** Makes an underlay of validated options, with its next hops, or nothing. */
export function openUnderlay(state: State, name: string, config: FrameUnderlayConfig): Underlay {
  const { port, mac, local, udpPort, ttl, mtu, sendChecksum, verifyChecksum, neighbors } = config;
  state.claim(port, 'underlay');
  for (const other of state.use(port).underlays) {
    if (other.local === formatIp(local) && other.udpPort === udpPort) {
      throw new OverlaneError(
        'ERR_OVERLANE_EXISTS',
        `underlay '${other.name}' receives for ${other.local} port ${udpPort} on port '${port.name}' already; ` +
          'use it, or give another local address or UDP port',
      );
    }
  }
  const options = { name, port: port.index, mac, local, udpPort, ttl, mtu, sendChecksum, verifyChecksum };
  return atomically((step) => {
    const index = step(
      () => native(`underlay '${name}'`, () => state.native.addFrameUnderlay(options)),
      (added) => state.native.removeUnderlay(added),
    );
    for (const hop of neighbors)
      native(`underlay '${name}'`, () => state.native.addUnderlayNeighbor(index, hop.ip, hop.mac));
    return state.underlays.add(new Underlay(state, index, name, config));
  });
}

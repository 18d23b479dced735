/** An underlay: the network that carries the VXLAN packets. */
import { formatIp, formatMac } from '../address.js';
import type { NativeDataplane } from '../native.js';
import { family } from './addresses.js';
import { checkOptions } from './check.js';
import type { Family } from './mtu.js';
import type { Port } from './port.js';
import { busy, closed, type State } from './state.js';
import { type FrameUnderlayConfig, type NextHopOptions, nextHop, nextHopOptions } from './underlay-options.js';
import { native } from './undo.js';

/** Made by {@link Dataplane.addUnderlay}; `type` tells which. */
export type Underlay = FrameUnderlay | UdpUnderlay;

interface Facts {
  local: Uint8Array;
  udpPort: number;
  mtu: number;
}

interface UdpFacts extends Facts {
  netns: string | null;
  row: number;
  /** No MTU was asked for. */
  followsLink: boolean;
}

/** What underlays of either type have. */
abstract class UnderlayBase {
  /** Unique among the underlays of the dataplane. */
  readonly name: string;
  /** IP version of the outer headers. */
  readonly family: Family;
  /** IP of this VTEP. */
  readonly local: string;
  /** UDP port of VXLAN. */
  readonly udpPort: number;
  /** @internal Row of the native tables. */
  readonly index: number;
  /** @internal */
  protected readonly state: State;
  #mtu: number;
  #closed = false;

  /** @internal */
  constructor(state: State, index: number, name: string, facts: Facts) {
    this.state = state;
    this.index = index;
    this.name = name;
    this.family = family(facts.local);
    this.local = formatIp(facts.local);
    this.udpPort = facts.udpPort;
    this.#mtu = facts.mtu;
  }

  /** Bytes of the largest outer IP packet; of a `udp` underlay without the option `mtu`, as its interface has it. */
  get mtu(): number {
    return this.#mtu;
  }

  /** @internal */
  protected set mtu(value: number) {
    this.#mtu = value;
  }

  /**
   * Takes the underlay out of the dataplane. The port of a `frame` underlay stays; a `udp` one closes its sockets.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` while a bridge uses it.
   */
  close(): void {
    if (this.#closed || this.state.closed) return;
    for (const bridge of this.state.bridges.byName.values()) {
      if (bridge.underlay?.index === this.index)
        throw busy(`underlay '${this.name}' carries bridge '${bridge.name}'; close the bridge first`);
    }
    native(`underlay '${this.name}'`, () => this.remove(this.state.native));
    this.#closed = true;
  }

  /** @internal Out of the tables, here and natively. */
  protected abstract remove(side: NativeDataplane): void;

  /** @internal */
  protected open(): NativeDataplane {
    const side = this.state.native;
    if (this.#closed) throw closed('underlay', this.name);
    return side;
  }
}

/** An underlay of complete outer frames through a port. */
export class FrameUnderlay extends UnderlayBase {
  readonly type = 'frame';
  readonly port: Port;
  /** MAC of this end, such as `02:00:00:00:00:02`. */
  readonly mac: string;
  readonly #local: Uint8Array;

  /** @internal */
  constructor(state: State, index: number, name: string, config: FrameUnderlayConfig) {
    super(state, index, name, config);
    this.#local = config.local;
    this.port = config.port;
    this.mac = formatMac(config.mac);
    state.use(config.port).underlays.add(this);
  }

  /**
   * Adds or replaces the MAC of a next hop: of a VTEP in the same network, or of the router that leads to it.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION` for an address that is none, or of the other IP version.
   */
  addNeighbor(neighbor: NextHopOptions): this {
    const side = this.open();
    checkOptions(nextHop, neighbor, 'addNeighbor');
    const { ip, mac } = nextHopOptions(neighbor, this.#local, 'addNeighbor');
    native(`underlay '${this.name}'`, () => side.addUnderlayNeighbor(this.index, ip, mac));
    return this;
  }

  /** @internal */
  protected override remove(side: NativeDataplane): void {
    side.removeUnderlay(this.index);
    this.state.underlays.delete(this);
    this.state.use(this.port).underlays.delete(this);
  }
}

/** An underlay of UDP sockets. Its counters stand among those of the ports, under its name. */
export class UdpUnderlay extends UnderlayBase {
  readonly type = 'udp';
  /** Path of the network namespace of the sockets; null: that of this process. */
  readonly netns: string | null;
  /** @internal The native port that it brings: its row of counters. */
  readonly row: number;
  readonly #followsLink: boolean;

  /** @internal */
  constructor(state: State, index: number, name: string, facts: UdpFacts) {
    super(state, index, name, facts);
    this.#followsLink = facts.followsLink;
    this.netns = facts.netns;
    this.row = facts.row;
  }

  /** @internal The interface has another MTU now. */
  linkChanged(mtu: number): void {
    if (this.#followsLink) this.mtu = mtu;
  }

  /** Why it no longer sends or receives; null while all is well. */
  get error(): string | null {
    return this.open().portError(this.row)?.message ?? null;
  }

  /** @internal */
  protected override remove(side: NativeDataplane): void {
    side.removeUnderlay(this.index);
    side.removePort(this.row);
    this.state.underlays.delete(this);
  }
}

/** An underlay: the network that carries the VXLAN packets. */
import { formatIp, formatMac } from '../address.js';
import { OverlaneError } from '../errors.js';
import type { Profile } from '../keyring/secret.js';
import type { NativeDataplane, NativeFrameUnderlayOptions, NativeUdpUnderlayOptions } from '../native.js';
import { family } from './addresses.js';
import { checkOptions } from './check.js';
import type { Family } from './mtu.js';
import type { Port } from './port.js';
import { busy, closed, type State } from './state.js';
import { closeTwin, openFrameTwin, openUdpTwin, type Twin } from './twin.js';
import {
  type FrameUnderlayConfig,
  type NextHop,
  type NextHopOptions,
  nextHop,
  nextHopOptions,
} from './underlay-options.js';
import { native, type Step } from './undo.js';

/** Made by {@link Dataplane.addUnderlay}; `type` tells which. */
export type Underlay = FrameUnderlay | UdpUnderlay;

interface Facts {
  name: string;
  local: Uint8Array;
  udpPort: number;
  espPort: number;
  mtu: number;
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
  /** UDP port of ESP, of encrypted bridges with profile `strong`. */
  readonly espPort: number;
  /** @internal Row of the native tables. */
  readonly index: number;
  /** @internal */
  protected readonly state: State;
  readonly #twins = new Map<Profile, Twin>();
  #mtu: number;
  #closed = false;

  /** @internal */
  constructor(state: State, index: number, facts: Facts) {
    this.state = state;
    this.index = index;
    this.name = facts.name;
    this.family = family(facts.local);
    this.local = formatIp(facts.local);
    this.udpPort = facts.udpPort;
    this.espPort = facts.espPort;
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
    native(`underlay '${this.name}'`, () => {
      for (const twin of this.#twins.values()) closeTwin(this.state.native, twin);
      this.#twins.clear();
      this.remove(this.state.native);
    });
    this.#closed = true;
  }

  /** @internal Those that are open. */
  get twins(): Twin[] {
    return [...this.#twins.values()];
  }

  /** @internal The twin for a profile, opened where it is not yet; then taking the step back closes it. */
  twin(step: Step, profile: Profile): Twin {
    const known = this.#twins.get(profile);
    if (known !== undefined) return known;
    const side = this.open();
    this.#refuseSharedEsp(profile);
    return step(
      () => {
        const twin = this.openTwin(side, profile);
        this.#twins.set(profile, twin);
        return twin;
      },
      (twin) => {
        this.#twins.delete(profile);
        closeTwin(side, twin);
      },
    );
  }

  /** ESP has neither a VNI nor, in `docker`, a port outside: one underlay of an address receives it. */
  #refuseSharedEsp(profile: Profile): void {
    for (const other of this.state.underlays.byName.values()) {
      if (other.local !== this.local || !other.twins.some((twin) => twin.profile === profile)) continue;
      if (profile === 'strong' && other.espPort !== this.espPort) continue;
      if (this.wire() !== other.wire()) continue;
      throw new OverlaneError(
        'ERR_OVERLANE_EXISTS',
        `underlay '${other.name}' receives ESP (profile '${profile}') for ${this.local} already; put the bridge there` +
          (profile === 'strong' ? ", or give one of them another 'espPort'" : ', or use another local address'),
      );
    }
  }

  /** @internal Underlays that share it hear the same packets. */
  abstract wire(): unknown;

  /** @internal */
  protected abstract openTwin(side: NativeDataplane, profile: Profile): Twin;

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
  readonly #given: NativeFrameUnderlayOptions;
  /** The configured next hops, by IP. */
  readonly #neighbors = new Map<string, NextHop>();

  /** @internal */
  constructor(state: State, index: number, config: FrameUnderlayConfig, given: NativeFrameUnderlayOptions) {
    super(state, index, given);
    this.#given = given;
    for (const hop of config.neighbors) this.#neighbors.set(formatIp(hop.ip), hop);
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
    const hop = nextHopOptions(neighbor, this.#given.local, 'addNeighbor');
    for (const { index } of [this, ...this.twins])
      native(`underlay '${this.name}'`, () => side.addUnderlayNeighbor(index, hop.ip, hop.mac));
    this.#neighbors.set(formatIp(hop.ip), hop);
    return this;
  }

  /** @internal */
  override wire(): unknown {
    return this.port;
  }

  /** @internal */
  protected override openTwin(side: NativeDataplane, profile: Profile): Twin {
    return openFrameTwin(side, profile, this.#given, this.#neighbors.values());
  }

  /** @internal */
  protected override remove(side: NativeDataplane): void {
    side.removeUnderlay(this.index);
    this.state.underlays.delete(this);
    this.state.use(this.port).underlays.delete(this);
  }
}

/**
 * An underlay of UDP sockets. Its counters stand among those of the ports, under its name; those of its encrypted bridges' sockets under its
 * name and `/esp`, or `/esp-ip` for profile `docker`.
 */
export class UdpUnderlay extends UnderlayBase {
  readonly type = 'udp';
  /** Path of the network namespace of the sockets; null: that of this process. */
  readonly netns: string | null;
  /** @internal The native port that it brings: its row of counters. */
  readonly row: number;
  readonly #given: NativeUdpUnderlayOptions;

  /** @internal `mtu` is that of the interface where `given` asks for none. */
  constructor(state: State, index: number, facts: { row: number; mtu: number }, given: NativeUdpUnderlayOptions) {
    super(state, index, { ...given, mtu: facts.mtu });
    this.#given = given;
    this.netns = given.netns;
    this.row = facts.row;
  }

  /** @internal The interface has another MTU now. */
  linkChanged(mtu: number): void {
    if (this.#given.mtu === 0) this.mtu = mtu;
  }

  /** Why it no longer sends or receives; null while all is well. */
  get error(): string | null {
    const side = this.open();
    for (const row of [this.row, ...this.twins.map((twin) => twin.row!)]) {
      const failure = side.portError(row);
      if (failure !== null) return failure.message;
    }
    return null;
  }

  /** @internal */
  override wire(): unknown {
    return this.netns;
  }

  /** @internal */
  protected override openTwin(side: NativeDataplane, profile: Profile): Twin {
    return openUdpTwin(side, profile, this.#given);
  }

  /** @internal */
  protected override remove(side: NativeDataplane): void {
    side.removeUnderlay(this.index);
    side.removePort(this.row, false);
    this.state.underlays.delete(this);
  }
}

/** A bridge: a learning switch between local ports and, over an underlay, remote stations; or a macvlan or ipvlan network. */
import { OverlaneError } from '../errors.js';
import type { Keyring } from '../keyring/keyring.js';
import type { NativeDataplane } from '../native.js';
import { hostIp, type IpAddress, stationMac } from './addresses.js';
import {
  type AttachOptions,
  type FdbEntry,
  type FdbOptions,
  fdbEntries,
  fdbOptions,
  floodVlans,
  type MacOptions,
  macOptions,
  type NeighborEntry,
  type NeighborOptions,
  neighborEntries,
  neighborOptions,
  type PeerOptions,
  peerOptions,
  taggedVlan,
  type VlanOptions,
  vlanOptions,
  vtepAddress,
} from './bridge-entries.js';
import { type Forwarding, onlyLearning } from './bridge-forwarding.js';
import { Members } from './bridge-members.js';
import { type BridgeConfig, domainVlan } from './bridge-options.js';
import { checkOptions } from './check.js';
import { type BridgeEncryption, describeEncryption } from './encryption-options.js';
import { MAX_MTU, vxlanMtu } from './mtu.js';
import type { Port } from './port.js';
import { Remotes } from './remotes.js';
import { closed, type State } from './state.js';
import type { Underlay } from './underlay.js';
import { native } from './undo.js';

/** Made by {@link Dataplane.addBridge}. Changes take effect with the next burst. */
export class Bridge {
  /** Unique among the bridges of the dataplane. */
  readonly name: string;
  /** Null: a local bridge. */
  readonly underlay: Underlay | null;
  /** @internal Null: cleartext. */
  readonly keyring: Keyring | null;
  /** @internal Row of the native tables. */
  readonly index: number;
  readonly #state: State;
  readonly #config: BridgeConfig;
  readonly #remotes: Remotes;
  readonly #members: Members;
  #closed = false;

  /** @internal */
  constructor(state: State, index: number, name: string, config: BridgeConfig, keyring: Keyring | null) {
    this.#state = state;
    this.#config = config;
    this.#remotes = new Remotes(state.native, index, name);
    this.index = index;
    this.name = name;
    this.underlay = config.underlay;
    this.keyring = keyring;
    this.#members = new Members(state, this, config, this.#remotes);
  }

  /** Bytes of the largest IP packet that reaches a remote station: what {@link vxlanMtu} leaves of the underlay's MTU; 65535 without one. */
  get mtu(): number {
    const { underlay, keyring } = this;
    return underlay === null ? MAX_MTU : vxlanMtu(underlay.mtu, underlay.family, keyring?.profile ?? null);
  }

  /** How it is encrypted; null: it is not. */
  get encryption(): BridgeEncryption | null {
    return this.keyring === null ? null : describeEncryption(this.keyring);
  }

  /** Its VNIs, each with the VLAN that is mapped to it; null for untagged frames, or for all where there is no VLAN map. */
  get vnis(): { vlan: number | null; vni: number }[] {
    const remote = this.#config.options.domains.filter(({ vni }) => vni !== -1);
    return remote.map(({ vlan, vni }) => ({ vlan: taggedVlan(vlan), vni }));
  }

  /** The attached ports. */
  get ports(): Port[] {
    return this.#members.ports;
  }

  /** macvlan and ipvlan: the parent; null: the network is isolated. */
  get uplink(): Port | null {
    return this.#members.uplink;
  }

  /** How it finds out where a frame belongs. */
  get forwarding(): Forwarding {
    return this.#config.forwarding;
  }

  /** @internal Whether it has a VLAN map. */
  get mapped(): boolean {
    return this.#config.tagged;
  }

  /**
   * Attaches a port, or a VLAN of it.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_BUSY` when it, or that VLAN of it, is attached to a bridge, or it carries an
   *   underlay, or the bridge has its uplink, or its only container; `ERR_OVERLANE_EXISTS` when a MAC or address is somebody else's;
   *   `ERR_OVERLANE_LIMIT` when a table is full.
   */
  attach(port: Port, options: AttachOptions = {}): this {
    this.#open();
    this.#members.attach(port, options);
    return this;
  }

  /** Detaches a port from this bridge; every MAC and address on it is forgotten. Throws `ERR_OVERLANE_MISSING` when it is not attached here. */
  detach(port: Port): this {
    this.#open();
    this.#attached(port, 'the port to detach');
    this.#members.detach(port);
    return this;
  }

  /**
   * Tells of a remote station. Given again with another VTEP, the station has moved; with another IP, it has one more; an IP that
   * another peer had is this one's from now on.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_EXISTS` when the MAC is a static local one; `ERR_OVERLANE_LIMIT` when a
   *   table is full.
   */
  addPeer(peer: PeerOptions): this {
    this.#open();
    checkOptions(peerOptions, peer, 'addPeer');
    const vlan = this.nativeVlan(peer.vlan, 'addPeer');
    const mac = stationMac(peer.mac, "option 'mac' of addPeer");
    const ip = peer.ip === undefined ? null : hostIp(peer.ip, "option 'ip' of addPeer");
    const vtep = this.#vtep(peer.vtep, "option 'vtep' of addPeer");
    this.#members.refuseStation(vlan, mac);
    this.#remotes.addPeer({ vlan, mac, ip, vtep });
    return this;
  }

  /** Forgets a peer and its IPs; and its VTEP, when no other peer is behind that. Returns whether there was one. */
  removePeer(peer: MacOptions): boolean {
    this.#open();
    checkOptions(macOptions, peer, 'removePeer');
    const vlan = this.nativeVlan(peer.vlan, 'removePeer');
    return this.#remotes.removePeer(vlan, stationMac(peer.mac, "option 'mac' of removePeer"));
  }

  /** Adds a static local entry: the MAC is on that port, does not age, and is refused as a source anywhere else. */
  addFdb(entry: FdbOptions): this {
    const side = this.#open();
    checkOptions(fdbOptions, entry, 'addFdb');
    const { port } = entry;
    this.#attached(port, "option 'port' of addFdb");
    if (this.#members.needsStations) this.#members.refuseUplink(port, 'addFdb');
    else onlyLearning(this, 'addFdb');
    const vlan = this.nativeVlan(entry.vlan, 'addFdb');
    const mac = stationMac(entry.mac, "option 'mac' of addFdb");
    this.#remotes.refusePeer(vlan, mac);
    native(`bridge '${this.name}'`, () => side.addFdb(this.index, vlan, mac, port.index, null));
    this.#members.addStation(vlan, mac, port);
    return this;
  }

  /** Forgets a MAC, static or learned. Returns whether it was known. A peer's is removed with `removePeer()`. */
  removeFdb(entry: MacOptions): boolean {
    const side = this.#open();
    checkOptions(macOptions, entry, 'removeFdb');
    const vlan = this.nativeVlan(entry.vlan, 'removeFdb');
    const mac = stationMac(entry.mac, "option 'mac' of removeFdb");
    this.#remotes.refusePeer(vlan, mac);
    this.#members.removeStation(vlan, mac);
    return native(`bridge '${this.name}'`, () => side.removeFdb(this.index, vlan, mac));
  }

  /** Tells which MAC an IP has, local or remote, for proxy ARP and ND. An IP that is known already gets the new MAC. */
  addNeighbor(neighbor: NeighborOptions): this {
    this.#open();
    checkOptions(neighborOptions, neighbor, 'addNeighbor');
    onlyLearning(this, 'addNeighbor');
    const vlan = this.nativeVlan(neighbor.vlan, 'addNeighbor');
    const ip = hostIp(neighbor.ip, "option 'ip' of addNeighbor");
    this.#remotes.addNeighbor(vlan, ip, stationMac(neighbor.mac, "option 'mac' of addNeighbor"));
    return this;
  }

  /** Forgets a neighbor, told or snooped. Returns whether it was known. */
  removeNeighbor(ip: IpAddress, options: VlanOptions = {}): boolean {
    this.#open();
    checkOptions(vlanOptions, options, 'removeNeighbor');
    const vlan = this.nativeVlan(options.vlan, 'removeNeighbor');
    return this.#remotes.removeNeighbor(vlan, hostIp(ip, 'removeNeighbor'));
  }

  /**
   * Flood-and-learn bridges: copies BUM frames to one more VTEP, and learns from it. `vlan` restricts that to one VLAN of the map.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_OPTION` on a bridge that is told its peers.
   */
  addVtep(vtep: IpAddress, options: VlanOptions = {}): this {
    this.#open();
    this.#remotes.addFlood(floodVlans(this.name, this.#config, options, 'addVtep'), this.#vtep(vtep, 'addVtep'));
    return this;
  }

  /** Flood-and-learn bridges: stops that, and forgets the MACs learned from it. Returns whether it was there. */
  removeVtep(vtep: IpAddress, options: VlanOptions = {}): boolean {
    this.#open();
    return this.#remotes.removeFlood(
      floodVlans(this.name, this.#config, options, 'removeVtep'),
      this.#vtep(vtep, 'removeVtep'),
    );
  }

  /**
   * Bridges that are told their peers: accepts frames of the untagged network from this VTEP without a peer behind it, such as what the
   * router of another node has routed into this network. Returns whether that is new.
   */
  acceptVtep(vtep: IpAddress): boolean {
    this.#open();
    return this.#remotes.accept(this.nativeVlan(undefined, 'acceptVtep'), this.#vtep(vtep, 'acceptVtep'));
  }

  /** Takes that back. Returns whether it was accepted. */
  refuseVtep(vtep: IpAddress): boolean {
    this.#open();
    return this.#remotes.refuse(this.nativeVlan(undefined, 'refuseVtep'), this.#vtep(vtep, 'refuseVtep'));
  }

  /** Its part of the FDB: static and learned entries, by VLAN and MAC. */
  fdb(): FdbEntry[] {
    return fdbEntries(this.#open().fdb(this.index), this.#state);
  }

  /** ipvlan: gives a container one more address. `ERR_OVERLANE_EXISTS` when one of this bridge has it. */
  addAddress(port: Port, ip: IpAddress): this {
    this.#open();
    this.#attached(port, 'the port of addAddress');
    this.#members.addAddress(port, ip);
    return this;
  }

  /** ipvlan: takes an address from the container that has it. Returns whether one had it. */
  removeAddress(ip: IpAddress): boolean {
    this.#open();
    return this.#members.removeAddress(ip);
  }

  /** Its part of the neighbor table, by VLAN and IP; of ipvlan, the addresses of its containers. */
  neighbors(): NeighborEntry[] {
    return neighborEntries(this.#open().neighbors(this.index), this.#state);
  }

  /** Takes the bridge out of the dataplane, with its entries and interfaces of routers; its ports are free again. */
  close(): void {
    if (this.#closed || this.#state.closed) return;
    const side = this.#state.native;
    const where = `bridge '${this.name}'`;
    for (const port of this.ports) this.#members.detach(port);
    for (const router of this.#state.routers.byName.values()) router.forget(this);
    native(where, () => side.removeBridge(this.index));
    this.#closed = true;
    this.#state.bridges.delete(this);
    if (this.keyring !== null) this.#state.keyrings.release(this.keyring);
  }

  #open(): NativeDataplane {
    const side = this.#state.native;
    if (this.#closed) throw closed('bridge', this.name);
    return side;
  }

  #attached(port: Port, what: string): void {
    this.#state.ports.own(port, what);
    if (this.#members.has(port)) return;
    throw new OverlaneError(
      'ERR_OVERLANE_MISSING',
      `port '${port.name}' is not attached to bridge '${this.name}'; attach it first`,
    );
  }

  /** @internal The native VLAN of one of its networks. */
  nativeVlan(vlan: number | undefined, where: string): number {
    return domainVlan(this.name, this.#config, vlan, where);
  }

  #vtep(value: IpAddress, what: string): Uint8Array {
    return vtepAddress(value, what, this.name, this.underlay);
  }

  /** @internal The VTEPs that the options named. */
  addConfiguredVteps(): void {
    const vlans = this.#config.options.domains.filter(({ vni }) => vni !== -1).map(({ vlan }) => vlan);
    for (const ip of this.#config.vteps ?? []) this.#remotes.addFlood(vlans, ip);
  }
}

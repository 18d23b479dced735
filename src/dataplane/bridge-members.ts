/** Who is on a bridge: its ports, the stations and addresses that they were given, and the uplink. */
import { formatIp, formatMac } from '../address.js';
import { OverlaneError } from '../errors.js';
import { hostIp, type IpAddress, stationMac } from './addresses.js';
import type { Bridge } from './bridge.js';
import { type AttachOptions, attachOptions } from './bridge-entries.js';
import { isIpvlan, isMacvlan, refuseOtherMac } from './bridge-forwarding.js';
import { type BridgeConfig, domainVlan, UNTAGGED } from './bridge-options.js';
import { checkOptions, optionError } from './check.js';
import type { Port } from './port.js';
import { type Remotes, stationKey } from './remotes.js';
import { busy, claimVlan, type State } from './state.js';
import { atomically, native } from './undo.js';

/** The addresses that an attachment brings. */
interface Given {
  /** Of the station on it. */
  mac: Uint8Array | null;
  /** Of the router behind an uplink of ipvlan-l3. */
  router: Uint8Array | null;
  addresses: Uint8Array[];
}

export class Members {
  readonly #state: State;
  readonly #bridge: Bridge;
  readonly #config: BridgeConfig;
  readonly #remotes: Remotes;
  /** Static local entries: which port each is on. */
  readonly #stations = new Map<string, Port>();
  /** ipvlan: whose each address is. */
  readonly #addresses = new Map<string, Port>();
  #uplink: Port | null = null;

  constructor(state: State, bridge: Bridge, config: BridgeConfig, remotes: Remotes) {
    this.#state = state;
    this.#bridge = bridge;
    this.#config = config;
    this.#remotes = remotes;
  }

  get ports(): Port[] {
    return [...this.#state.ports.byName.values()].filter((port) => this.has(port));
  }

  get uplink(): Port | null {
    return this.#uplink;
  }

  /** macvlan: whether each container has a MAC that was told. */
  get needsStations(): boolean {
    const { forwarding } = this.#config;
    return isMacvlan(forwarding) && forwarding !== 'macvlan-passthru';
  }

  refuseUplink(port: Port, verb: string): void {
    if (port !== this.#uplink) return;
    throw optionError(`${verb} is for containers; port '${port.name}' is the uplink of bridge '${this.#bridge.name}'`);
  }

  has(port: Port): boolean {
    return this.#state.use(port).bridges.has(this.#bridge);
  }

  attach(port: Port, options: AttachOptions): void {
    this.#state.ports.own(port, 'the port to attach');
    checkOptions(attachOptions, options, 'attach');
    const { vlan = UNTAGGED, uplink = false } = options;
    claimVlan(this.#state, port, this.#bridge, vlan);
    if (vlan !== UNTAGGED && this.#bridge.mapped) {
      throw optionError(
        `option 'vlan' of attach: bridge '${this.#bridge.name}' has a VLAN map, which says what becomes of tags; leave 'vlan' out, or use a bridge without 'vlans'`,
      );
    }
    const { isolated = false, learning = this.#config.options.learning } = options;
    const fdbLimit = this.#fdbLimit(options);
    const given = this.#given(port, options);
    const side = this.#state.native;
    const where = `bridge '${this.#bridge.name}', port '${port.name}'`;
    const { index } = this.#bridge;
    const how = { isolated, learning, fdbLimit, vlan, uplink, uplinkMac: given.router };
    atomically((step) => {
      step(
        () => native(where, () => side.attach(index, port.index, how)),
        () => side.detach(index, port.index),
      );
      const { mac } = given;
      if (mac !== null) native(where, () => side.addFdb(index, UNTAGGED, mac, port.index, null));
      for (const ip of given.addresses) native(where, () => side.addAddress(index, port.index, ip));
    });
    if (given.mac !== null) this.addStation(UNTAGGED, given.mac, port);
    for (const ip of given.addresses) this.#addresses.set(formatIp(ip), port);
    if (uplink) this.#uplink = port;
    this.#state.use(port).bridges.set(this.#bridge, vlan);
  }

  detach(port: Port): void {
    const { name, index } = this.#bridge;
    native(`bridge '${name}'`, () => this.#state.native.detach(index, port.index));
    this.#state.use(port).bridges.delete(this.#bridge);
    for (const of of [this.#stations, this.#addresses]) {
      for (const [key, at] of of) if (at === port) of.delete(key);
    }
    if (this.#uplink === port) this.#uplink = null;
  }

  #fdbLimit({ fdbLimit = this.#config.options.portFdbLimit }: AttachOptions): number {
    const most = this.#config.options.fdbLimit;
    if (fdbLimit <= most) return fdbLimit;
    throw optionError(`option 'fdbLimit' of attach is ${fdbLimit}, more than the bridge's, ${most}`);
  }

  /** What the options say of addresses, if the forwarding has such members. */
  #given(port: Port, options: AttachOptions): Given {
    const { forwarding } = this.#config;
    const { uplink = false } = options;
    this.#refuseOptions(
      options,
      forwarding === 'learning' ? ['uplink', 'addresses'] : ['isolated', 'learning', 'fdbLimit'],
    );
    if (uplink && this.#uplink !== null) {
      throw busy(
        `bridge '${this.#bridge.name}' has the uplink '${this.#uplink.name}' already; detach it first, or attach the port without 'uplink'`,
      );
    }
    if (uplink)
      this.#refuseOptions(options, forwarding === 'ipvlan-l3' ? ['addresses'] : ['mac', 'addresses'], 'an uplink');
    else if (forwarding === 'macvlan-passthru') this.#refuseSecondContainer(options);
    else if (isMacvlan(forwarding)) this.#refuseOptions(options, ['addresses']);
    else if (isIpvlan(forwarding))
      this.#refuseOptions(options, ['mac'], 'a container, which shares that of addBridge,');
    const mac = options.mac === undefined ? null : stationMac(options.mac, "option 'mac' of attach");
    const none = { mac: null, router: null, addresses: [] };
    if (uplink)
      return {
        ...none,
        router: this.#needed(mac, forwarding === 'ipvlan-l3', "of the router: the host's end of the uplink"),
      };
    if (isIpvlan(forwarding)) return { ...none, addresses: this.#containerAddresses(port, options) };
    this.#needed(mac, this.needsStations, 'of the container');
    if (mac !== null) this.#refuseTaken(mac);
    return { ...none, mac };
  }

  #refuseOptions(options: AttachOptions, names: (keyof AttachOptions)[], who = 'a port'): void {
    const surplus = names.find((name) => options[name] !== undefined && options[name] !== false);
    if (surplus === undefined) return;
    const { forwarding, name } = this.#bridge;
    throw optionError(
      `option '${surplus}' of attach is not for ${who} of bridge '${name}', whose forwarding is '${forwarding}'; leave it out`,
    );
  }

  #refuseSecondContainer(options: AttachOptions): void {
    this.#refuseOptions(options, ['mac', 'addresses']);
    const first = this.ports.find((port) => port !== this.#uplink);
    if (first === undefined) return;
    throw busy(
      `bridge '${this.#bridge.name}' passes everything through to port '${first.name}', and can have no other container; detach that first`,
    );
  }

  #needed(mac: Uint8Array | null, needed: boolean, whose: string): Uint8Array | null {
    if (mac !== null || !needed) return mac;
    throw optionError(
      `attach to bridge '${this.#bridge.name}', whose forwarding is '${this.#bridge.forwarding}', needs 'mac', that ${whose}`,
    );
  }

  /** The MAC is nobody else's, here or behind a VTEP. */
  #refuseTaken(mac: Uint8Array): void {
    const vlan = domainVlan(this.#bridge.name, this.#config, undefined, 'attach with a MAC');
    this.refuseStation(vlan, mac);
    this.#remotes.refusePeer(vlan, mac);
  }

  #containerAddresses(port: Port, { addresses }: AttachOptions): Uint8Array[] {
    if (addresses === undefined) {
      throw optionError(
        `attach to bridge '${this.#bridge.name}', whose forwarding is '${this.#bridge.forwarding}', needs 'addresses', those of the container, or 'uplink: true'`,
      );
    }
    refuseOtherMac(port, this.#config.options.mac!);
    const ips = addresses.map((ip, i) => hostIp(ip, `option 'addresses[${i}]' of attach`));
    const seen = new Set<string>();
    for (const ip of ips) {
      this.#refuseAddress(ip);
      if (seen.has(formatIp(ip)))
        throw optionError(`option 'addresses' of attach has ${formatIp(ip)} twice; leave one out`);
      seen.add(formatIp(ip));
    }
    return ips;
  }

  /** ipvlan: one more address for a container. */
  addAddress(port: Port, value: IpAddress): void {
    this.#onlyIpvlan('addAddress');
    const { name, index } = this.#bridge;
    this.refuseUplink(port, 'addAddress');
    const ip = hostIp(value, 'addAddress');
    this.#refuseAddress(ip);
    native(`bridge '${name}', port '${port.name}'`, () => this.#state.native.addAddress(index, port.index, ip));
    this.#addresses.set(formatIp(ip), port);
  }

  /** Returns whether a container had it. */
  removeAddress(value: IpAddress): boolean {
    this.#onlyIpvlan('removeAddress');
    const ip = hostIp(value, 'removeAddress');
    if (!this.#addresses.has(formatIp(ip))) return false;
    native(`bridge '${this.#bridge.name}'`, () => this.#state.native.removeAddress(this.#bridge.index, ip));
    return this.#addresses.delete(formatIp(ip));
  }

  #onlyIpvlan(verb: string): void {
    if (isIpvlan(this.#config.forwarding)) return;
    throw optionError(
      `${verb} is for bridges whose forwarding is 'ipvlan-l2' or 'ipvlan-l3'; that of '${this.#bridge.name}' is '${this.#config.forwarding}'`,
    );
  }

  #refuseAddress(ip: Uint8Array): void {
    const owner = this.#addresses.get(formatIp(ip));
    if (owner === undefined) return;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `${formatIp(ip)} is an address of port '${owner.name}' of bridge '${this.#bridge.name}'; choose another, or remove it there with removeAddress`,
    );
  }

  addStation(vlan: number, mac: Uint8Array, port: Port): void {
    this.#stations.set(stationKey(vlan, mac), port);
  }

  removeStation(vlan: number, mac: Uint8Array): void {
    this.#stations.delete(stationKey(vlan, mac));
  }

  refuseStation(vlan: number, mac: Uint8Array): void {
    const port = this.#stations.get(stationKey(vlan, mac));
    if (port === undefined) return;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `${formatMac(mac)} is static on port '${port.name}' of bridge '${this.#bridge.name}'; remove that entry with removeFdb first`,
    );
  }
}

/** A router between bridges: the gateway of their containers, the same on every node. */
import { type Cidr, formatIp, formatMac } from '../address.js';
import { OverlaneError } from '../errors.js';
import type { NativeDataplane } from '../native.js';
import type { Bridge } from './bridge.js';
import { taggedVlan, type VlanOptions, vlanOptions } from './bridge-entries.js';
import { checkOptions } from './check.js';
import {
  formatCidr,
  interfaceOptions,
  overlap,
  type RouterInterfaceOptions,
  type RouterOptions,
  routerMac,
} from './router-options.js';
import { closed, type State } from './state.js';
import { native } from './undo.js';

/** One network that a router is the gateway of. */
export interface RouterInterface {
  bridge: Bridge;
  /** 802.1Q VLAN of the bridge's map; null: the untagged network. */
  vlan: number | null;
  /** Addresses with prefix lengths, as given but in canonical form. */
  addresses: string[];
  /** Bytes of the largest IP packet that is routed into it. */
  mtu: number;
}

interface Connected {
  bridge: Bridge;
  vlan: number;
  addresses: Cidr[];
  mtu: number;
}

/**
 * Made by {@link Dataplane.addRouter}. Routes IPv4 and IPv6 between the networks it has an interface in, in one hop: the node of the sender
 * routes, and bridges towards the receiver, local or behind a VTEP. All nodes have the same routers, so all need all of the bridges, and each
 * bridge has to know the VTEPs of the nodes that send into it: `vteps`, or a peer behind each.
 *
 * Where a packet goes next is what the neighbor table of its network says: `addPeer()`, `addNeighbor()`, or `arpSnooping`. An address that
 * is not in it raises a `miss`, and its sender is told that the host is unreachable. The gateway answers ARP, neighbor solicitations and
 * echo requests for its addresses, and nothing else. Packets are not fragmented: one that is bigger than the MTU of where it goes is refused
 * with ICMP, whether or not it may be fragmented. ICMP errors are limited to 1000 a second for each router and worker. There are no other
 * routes than those to the networks connected, and no router advertisements.
 */
export class Router {
  /** Unique among the routers of the dataplane. */
  readonly name: string;
  /** Its MAC on every interface. */
  readonly mac: string;
  /** Its IPv6 link-local address on every interface: `fe80::` and the EUI-64 of its MAC. */
  readonly linkLocal: string;
  /** @internal Row of the native tables. */
  readonly index: number;
  readonly #state: State;
  #interfaces: Connected[] = [];
  #closed = false;

  /** @internal */
  constructor(state: State, index: number, name: string, mac: Uint8Array) {
    this.#state = state;
    this.index = index;
    this.name = name;
    this.mac = formatMac(mac);
    this.linkLocal = formatIp(eui64(mac));
  }

  /** What it is connected to, in the order of `addInterface()`. */
  get interfaces(): RouterInterface[] {
    return this.#interfaces.map(({ bridge, vlan, addresses, mtu }) => ({
      bridge,
      vlan: taggedVlan(vlan),
      addresses: addresses.map(formatCidr),
      mtu,
    }));
  }

  /**
   * Makes the network of a bridge, or of one VLAN of its map, a connected one, and the router its gateway.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when the network has a gateway, of this router or another, or a subnet overlaps one of
   *   another interface of this router; `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_CLOSED`.
   */
  addInterface(bridge: Bridge, options: RouterInterfaceOptions): this {
    const side = this.#open();
    this.#state.bridges.own(bridge, 'the bridge of addInterface');
    const { addresses, mtu } = interfaceOptions(options, bridge.mtu);
    const vlan = bridge.nativeVlan(options.vlan, 'addInterface');
    this.#refuseSecond(bridge, vlan);
    this.#refuseOverlap(addresses);
    const rows = addresses.map(({ address: ip, prefix: length }) => ({ ip, length }));
    native(`router '${this.name}'`, () => side.addInterface(bridge.index, vlan, this.index, rows, mtu));
    this.#interfaces.push({ bridge, vlan, addresses, mtu });
    return this;
  }

  /** Takes an interface away. Returns whether there was one. One goes with its bridge, too. */
  removeInterface(bridge: Bridge, options: VlanOptions = {}): boolean {
    const side = this.#open();
    this.#state.bridges.own(bridge, 'the bridge of removeInterface');
    checkOptions(vlanOptions, options, 'removeInterface');
    const vlan = bridge.nativeVlan(options.vlan, 'removeInterface');
    const found = this.#interfaces.find((one) => one.bridge === bridge && one.vlan === vlan);
    if (found === undefined) return false;
    native(`router '${this.name}'`, () => side.removeInterface(bridge.index, vlan));
    this.#interfaces = this.#interfaces.filter((one) => one !== found);
    return true;
  }

  /** Takes the router out of the dataplane, with its interfaces; the bridges stay. Closing again does nothing. */
  close(): void {
    if (this.#closed || this.#state.closed) return;
    native(`router '${this.name}'`, () => this.#state.native.removeRouter(this.index));
    this.#closed = true;
    this.#interfaces = [];
    this.#state.routers.delete(this);
  }

  /** @internal The bridge is about to close, which takes the interfaces away. */
  forget(bridge: Bridge): void {
    this.#interfaces = this.#interfaces.filter((one) => one.bridge !== bridge);
  }

  /** @internal */
  has(bridge: Bridge, vlan: number): boolean {
    return this.#interfaces.some((one) => one.bridge === bridge && one.vlan === vlan);
  }

  #open(): NativeDataplane {
    const side = this.#state.native;
    if (this.#closed) throw closed('router', this.name);
    return side;
  }

  #refuseSecond(bridge: Bridge, vlan: number): void {
    for (const router of this.#state.routers.byName.values()) {
      if (!router.has(bridge, vlan)) continue;
      const network = taggedVlan(vlan) === null ? '' : `, VLAN ${vlan},`;
      throw new OverlaneError(
        'ERR_OVERLANE_EXISTS',
        `bridge '${bridge.name}'${network} has an interface of router '${router.name}' already; take that away with removeInterface first`,
      );
    }
  }

  #refuseOverlap(addresses: readonly Cidr[]): void {
    for (const other of this.#interfaces) {
      for (const known of other.addresses) {
        const clash = addresses.find((address) => overlap(address, known));
        if (clash === undefined) continue;
        throw new OverlaneError(
          'ERR_OVERLANE_EXISTS',
          `the subnet of ${formatCidr(clash)} overlaps that of ${formatCidr(known)} on bridge '${other.bridge.name}'; ` +
            'give the networks of a router different subnets, or use another router',
        );
      }
    }
  }
}

/** The link-local address of a MAC (RFC 4291, section 2.5.6 and appendix A). */
function eui64(mac: Uint8Array): Uint8Array {
  const [a = 0, b, c, ...rest] = mac;
  return Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b!, c!, 0xff, 0xfe, ...rest);
}

export function openRouter(state: State, options: RouterOptions): Router {
  const side = state.native;
  const mac = routerMac(options);
  const name = state.routers.nameFor(options.name, 'router');
  const index = native(`router '${name}'`, () => side.addRouter(mac));
  return state.routers.add(new Router(state, index, name, mac));
}

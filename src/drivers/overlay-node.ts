/** One overlay network on one node: bridges over the underlay, the router between them, and the peers on other nodes. */
import { formatIp, inSameSubnet, inSubnet, withoutPrefix } from '../address.js';
import type { Pool } from '../cnm/ipam/ipam.js';
import type { EndpointRecord } from '../cnm/records.js';
import { hostIp, type IpAddress } from '../dataplane/addresses.js';
import type { Bridge } from '../dataplane/bridge.js';
import type { EncryptionOptions } from '../dataplane/encryption-options.js';
import type { Port } from '../dataplane/port.js';
import type { Router } from '../dataplane/router.js';
import { OverlaneError } from '../errors.js';
import type { Keyring } from '../keyring/keyring.js';
import type { DriverContext } from './driver.js';
import type { Peer, PeerSource, PeerWatch } from './peers/peer-source.js';

/** Settings of the driver `overlay` on a node. */
export interface OverlaySettings {
  /** Address of this node's VTEP. */
  vtep: IpAddress;
  /** UDP port of VXLAN on every node; default 4789. */
  port?: number;
  peers: PeerSource;
  /** Keys of encrypted networks; default none: there can be no encrypted ones. */
  encryption?: Keyring | EncryptionOptions;
}

export interface OverlayPlan {
  /** Of bridges and router in the dataplane. */
  name: string;
  /** What peers know it by. */
  network: string;
  segments: { vni: number; pools: Pool[] }[];
  encrypted: boolean;
  mtu: number | null;
}

interface Segment {
  vni: number;
  pools: Pool[];
  bridge: Bridge;
}

/** The underlay of all overlay networks of a node. */
const UNDERLAY = 'overlay';

export class OverlayNode {
  /** Bytes of the largest IP packet in the network. */
  readonly mtu: number;
  readonly #context: DriverContext;
  readonly #vtep: string;
  readonly #segments: Segment[] = [];
  readonly #router: Router;
  readonly #peers = new Map<string, Peer>();
  readonly #local = new Set<string>();
  #accepted: ReadonlySet<string> = new Set();
  readonly #watch: PeerWatch;

  constructor(context: DriverContext, settings: OverlaySettings, plan: OverlayPlan) {
    this.#context = context;
    this.#vtep = formatIp(hostIp(settings.vtep, 'the address of the VTEP'));
    const { dataplane } = context;
    const encryption = plan.encrypted ? settings.encryption : undefined;
    this.#router = dataplane.addRouter({ name: plan.name });
    try {
      const underlay = this.#underlay(settings);
      plan.segments.forEach(({ vni, pools }, i) => {
        const bridge = dataplane.addBridge({
          name: plan.segments.length === 1 ? plan.name : `${plan.name}-${i}`,
          underlay,
          vni,
          proxyArp: true,
          miss: 'drop',
          unknownUnicast: 'drop',
          ...(encryption === undefined ? {} : { encryption }),
        });
        this.#segments.push({ vni, pools, bridge });
      });
      this.mtu = this.#mtu(plan.mtu);
      for (const segment of this.#segments) {
        const addresses = gatewaysOf(segment);
        if (addresses.length > 0) this.#router.addInterface(segment.bridge, { addresses, mtu: this.mtu });
      }
      const vnis = plan.segments.map(({ vni }) => vni);
      this.#watch = settings.peers.watch({ name: plan.network, vnis }, (peers) => this.#tell(peers));
    } catch (error) {
      this.#dismantle();
      throw error;
    }
  }

  get endpoints(): number {
    return this.#local.size;
  }

  get bridges(): string[] {
    return this.#segments.map(({ bridge }) => bridge.name);
  }

  segmentOf(endpoint: EndpointRecord): Segment {
    const pools = new Set(endpoint.addresses.map(({ pool }) => pool));
    return this.#segments.find((segment) => segment.pools.some(({ id }) => pools.has(id)))!;
  }

  /** To the other subnets of the network. */
  routesFrom(own: Segment): { to: string; via: string }[] {
    return this.#segments
      .filter((segment) => segment !== own)
      .flatMap(({ pools }) => pools)
      .flatMap(({ subnet, family }) => {
        const via = own.pools.find((pool) => pool.family === family)?.gateway ?? null;
        return via === null ? [] : [{ to: subnet, via }];
      });
  }

  /** An endpoint of this node, whose port is not attached yet. */
  add(endpoint: EndpointRecord, port: Port): void {
    const { bridge } = this.segmentOf(endpoint);
    const mac = endpoint.mac!;
    bridge.attach(port, { mac });
    this.#local.add(endpoint.id);
    try {
      for (const { address } of endpoint.addresses) bridge.addNeighbor({ ip: withoutPrefix(address), mac });
      for (const { address } of endpoint.addresses)
        this.#watch.announce({ ip: withoutPrefix(address), mac, vtep: this.#vtep });
    } catch (error) {
      this.remove(endpoint);
      throw error;
    }
  }

  /** Does nothing for one that is not there. */
  remove(endpoint: EndpointRecord): void {
    if (!this.#local.delete(endpoint.id)) return;
    const { bridge } = this.segmentOf(endpoint);
    for (const { address } of endpoint.addresses) {
      this.#watch.withdraw(withoutPrefix(address));
      bridge.removeNeighbor(withoutPrefix(address));
    }
  }

  close(): void {
    this.#watch.close();
    this.#dismantle();
  }

  #dismantle(): void {
    this.#router.close();
    for (const { bridge } of this.#segments) bridge.close();
    const { dataplane } = this.#context;
    const underlay = dataplane.underlays.get(UNDERLAY);
    if (underlay !== undefined && ![...dataplane.bridges.values()].some((bridge) => bridge.underlay === underlay)) {
      underlay.close();
    }
  }

  #underlay(settings: OverlaySettings) {
    const { dataplane } = this.#context;
    const known = dataplane.underlays.get(UNDERLAY);
    if (known !== undefined) return known;
    const port = settings.port === undefined ? {} : { port: settings.port };
    return dataplane.addUnderlay({ type: 'udp', name: UNDERLAY, local: settings.vtep, ...port });
  }

  #mtu(wanted: number | null): number {
    const most = Math.min(...this.#segments.map(({ bridge }) => bridge.mtu));
    if (wanted === null) return most;
    if (wanted <= most) return wanted;
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `the MTU of the network is ${wanted}, but the underlay leaves ${most}; choose that or less, or raise the MTU of the host's interface`,
    );
  }

  /** All peers, new or not. */
  #tell(peers: readonly Peer[]): void {
    const remote = peers.filter(({ vtep }) => vtep !== this.#vtep);
    const wanted = new Map(remote.map((peer) => [peer.ip, peer]));
    const gone = [...this.#peers.values()].filter((peer) => !same(peer, wanted.get(peer.ip)));
    for (const peer of gone) this.#forget(peer);
    this.#accept(new Set(remote.map(({ vtep }) => vtep)));
    for (const peer of wanted.values()) {
      if (this.#peers.has(peer.ip)) continue;
      try {
        this.#bridgeOf(peer)?.addPeer(peer);
        this.#peers.set(peer.ip, peer);
      } catch (error) {
        this.#context.warn(`peer ${peer.ip} behind ${peer.vtep} cannot be had: ${(error as Error).message}`);
      }
    }
  }

  /** The nodes of the network route by themselves, so each sends into every subnet. */
  #accept(vteps: ReadonlySet<string>): void {
    for (const { bridge } of this.#segments) {
      for (const vtep of this.#accepted) if (!vteps.has(vtep)) bridge.refuseVtep(vtep);
      for (const vtep of vteps) if (!this.#accepted.has(vtep)) bridge.acceptVtep(vtep);
    }
    this.#accepted = vteps;
  }

  #forget(peer: Peer): void {
    this.#peers.delete(peer.ip);
    const bridge = this.#bridgeOf(peer);
    bridge?.removePeer({ mac: peer.mac });
    // A station with an address of each version goes with the first of them; the other one brings it back.
    for (const other of this.#peers.values()) if (other.mac === peer.mac) bridge?.addPeer(other);
  }

  #bridgeOf({ ip }: Peer): Bridge | undefined {
    return this.#segments.find(({ pools }) => pools.some(({ subnet }) => inSubnet(ip, subnet)))?.bridge;
  }
}

function same(a: Peer, b: Peer | undefined): boolean {
  return a.mac === b?.mac && a.vtep === b.vtep;
}

function gatewaysOf({ pools }: { pools: Pool[] }): string[] {
  return pools.flatMap(({ gateway, subnet }) => (gateway === null ? [] : [inSameSubnet(gateway, subnet)]));
}

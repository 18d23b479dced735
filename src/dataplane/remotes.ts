/** The remote side of one bridge: its VTEPs, and the peers and neighbors that the control plane told it of. */
import { formatIp, formatMac } from '../address.js';
import { OverlaneError } from '../errors.js';
import type { NativeDataplane } from '../native.js';
import { busy } from './state.js';
import { atomically, native, type Step } from './undo.js';

interface Vtep {
  vlan: number;
  ip: Uint8Array;
  /** Peers behind it, and one for being accepted without. */
  peers: number;
  /** BUM frames are copied to it. */
  flood: boolean;
}

interface Peer {
  vlan: number;
  mac: Uint8Array;
  vtep: Vtep;
}

interface Neighbor {
  vlan: number;
  ip: Uint8Array;
  mac: Uint8Array;
  /** The peer that it came with, and goes with. */
  peer: string | null;
}

/** A peer, in bytes. */
export interface PeerAddresses {
  vlan: number;
  mac: Uint8Array;
  ip: Uint8Array | null;
  vtep: Uint8Array;
}

export function stationKey(vlan: number, mac: Uint8Array): string {
  return `${vlan} ${formatMac(mac)}`;
}

function ipKey(vlan: number, ip: Uint8Array): string {
  return `${vlan} ${formatIp(ip)}`;
}

/** Knows what it told the native side, so that a VTEP leaves with its last peer and a failed call leaves no trace. */
export class Remotes {
  readonly #side: NativeDataplane;
  readonly #bridge: number;
  readonly #where: string;
  readonly #vteps = new Map<string, Vtep>();
  readonly #peers = new Map<string, Peer>();
  /** VTEPs that frames are accepted from for another reason than a peer. */
  readonly #accepted = new Map<string, Vtep>();
  readonly #neighbors = new Map<string, Neighbor>();

  constructor(side: NativeDataplane, bridge: number, name: string) {
    this.#side = side;
    this.#bridge = bridge;
    this.#where = `bridge '${name}'`;
  }

  hasPeer(vlan: number, mac: Uint8Array): boolean {
    return this.#peers.has(stationKey(vlan, mac));
  }

  /** Adds a VTEP to the replication list of some VLANs. */
  addFlood(vlans: number[], ip: Uint8Array): void {
    atomically((step) => {
      for (const vlan of vlans) this.#flood(step, vlan, ip);
    });
  }

  #flood(step: Step, vlan: number, ip: Uint8Array): void {
    const key = ipKey(vlan, ip);
    const known = this.#vteps.get(key);
    if (known?.flood) return;
    const add = (flood: boolean) => native(this.#where, () => this.#side.addVtep(this.#bridge, vlan, ip, flood));
    const remove = () => this.#side.removeVtep(this.#bridge, vlan, ip);
    step(() => add(true), known === undefined ? remove : () => add(false));
    const vtep = known ?? { vlan, ip, peers: 0, flood: false };
    step(
      () => {
        vtep.flood = true;
        this.#vteps.set(key, vtep);
      },
      () => {
        vtep.flood = false;
        if (known === undefined) this.#vteps.delete(key);
      },
    );
  }

  /** Returns whether any of them was in a replication list. */
  removeFlood(vlans: number[], ip: Uint8Array): boolean {
    const found = vlans
      .map((vlan) => this.#vteps.get(ipKey(vlan, ip)))
      .filter((vtep) => vtep?.flood === true) as Vtep[];
    if (found.some((vtep) => vtep.peers > 0)) {
      throw busy(`VTEP ${formatIp(ip)} of ${this.#where} has peers behind it; remove them first`);
    }
    for (const vtep of found) this.#forget(vtep);
    return found.length > 0;
  }

  #forget(vtep: Vtep): void {
    native(this.#where, () => this.#side.removeVtep(this.#bridge, vtep.vlan, vtep.ip));
    this.#vteps.delete(ipKey(vtep.vlan, vtep.ip));
  }

  /** Adds a peer, or moves it to another VTEP, or gives it one more IP. */
  addPeer({ vlan, mac, ip, vtep }: PeerAddresses): void {
    const key = stationKey(vlan, mac);
    const before = this.#peers.get(key);
    const moved = before === undefined || ipKey(vlan, before.vtep.ip) !== ipKey(vlan, vtep);
    atomically((step) => {
      if (moved) this.#place(step, key, { vlan, mac, vtep: this.#known(step, vlan, vtep) }, before);
      if (ip !== null) this.#neighbor(step, { vlan, ip, mac, peer: key });
    });
    // Last, so that the VTEP which the peer left is not gone while the step may still be taken back.
    if (moved && before !== undefined) this.#leave(before.vtep);
  }

  #known(step: Step, vlan: number, ip: Uint8Array): Vtep {
    const key = ipKey(vlan, ip);
    const known = this.#vteps.get(key);
    if (known !== undefined) return known;
    const vtep = { vlan, ip, peers: 0, flood: false };
    step(
      () => native(this.#where, () => this.#side.addVtep(this.#bridge, vlan, ip, false)),
      () => this.#side.removeVtep(this.#bridge, vlan, ip),
    );
    step(
      () => this.#vteps.set(key, vtep),
      () => this.#vteps.delete(key),
    );
    return vtep;
  }

  #place(step: Step, key: string, peer: Peer, before: Peer | undefined): void {
    const { vlan, mac, vtep } = peer;
    const point = (to: Vtep) => native(this.#where, () => this.#side.addFdb(this.#bridge, vlan, mac, -1, to.ip));
    step(
      () => point(vtep),
      () => (before === undefined ? void this.#side.removeFdb(this.#bridge, vlan, mac) : point(before.vtep)),
    );
    step(
      () => {
        vtep.peers++;
        this.#peers.set(key, peer);
      },
      () => {
        vtep.peers--;
        if (before === undefined) this.#peers.delete(key);
        else this.#peers.set(key, before);
      },
    );
  }

  #leave(vtep: Vtep): void {
    vtep.peers--;
    if (vtep.peers === 0 && !vtep.flood) this.#forget(vtep);
  }

  /** Accepts frames from a VTEP whether or not there is a peer behind it. Returns whether that is new. */
  accept(vlan: number, ip: Uint8Array): boolean {
    const key = ipKey(vlan, ip);
    if (this.#accepted.has(key)) return false;
    atomically((step) => {
      const vtep = this.#known(step, vlan, ip);
      vtep.peers++;
      this.#accepted.set(key, vtep);
    });
    return true;
  }

  /** Only from its peers, if any, from now on. Returns whether it was accepted. */
  refuse(vlan: number, ip: Uint8Array): boolean {
    const key = ipKey(vlan, ip);
    const vtep = this.#accepted.get(key);
    if (vtep === undefined) return false;
    this.#accepted.delete(key);
    this.#leave(vtep);
    return true;
  }

  /** Returns whether there was such a peer. Its IPs go with it. */
  removePeer(vlan: number, mac: Uint8Array): boolean {
    const key = stationKey(vlan, mac);
    const peer = this.#peers.get(key);
    if (peer === undefined) return false;
    for (const neighbor of this.#neighbors.values()) {
      if (neighbor.peer === key) this.removeNeighbor(vlan, neighbor.ip);
    }
    native(this.#where, () => this.#side.removeFdb(this.#bridge, vlan, mac));
    this.#peers.delete(key);
    this.#leave(peer.vtep);
    return true;
  }

  /** Adds a neighbor, or gives its IP to another MAC. */
  addNeighbor(vlan: number, ip: Uint8Array, mac: Uint8Array): void {
    atomically((step) => this.#neighbor(step, { vlan, ip, mac, peer: null }));
  }

  #neighbor(step: Step, neighbor: Neighbor): void {
    const { vlan, ip } = neighbor;
    const key = ipKey(vlan, ip);
    const before = this.#neighbors.get(key);
    const add = ({ mac }: Neighbor) => native(this.#where, () => this.#side.addNeighbor(this.#bridge, vlan, ip, mac));
    step(
      () => add(neighbor),
      () => (before === undefined ? void this.#side.removeNeighbor(this.#bridge, vlan, ip) : add(before)),
    );
    this.#neighbors.set(key, neighbor);
  }

  /** Returns whether the neighbor was known, told or snooped. */
  removeNeighbor(vlan: number, ip: Uint8Array): boolean {
    this.#neighbors.delete(ipKey(vlan, ip));
    return native(this.#where, () => this.#side.removeNeighbor(this.#bridge, vlan, ip));
  }

  /** Throws when a static local entry would take a peer's place. */
  refusePeer(vlan: number, mac: Uint8Array): void {
    if (!this.hasPeer(vlan, mac)) return;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `${formatMac(mac)} is a peer of ${this.#where}; remove it with removePeer before it can be local`,
    );
  }
}

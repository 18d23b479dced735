/** Who is where on an overlay: the interface through which the nodes of a network learn of each other's endpoints. */

/** An endpoint behind a VTEP. */
export interface Peer {
  ip: string;
  mac: string;
  vtep: string;
}

/** What all nodes know a network by. */
export interface PeerNetwork {
  name: string;
  /** VNIs of its subnets, in order. */
  vnis: readonly number[];
}

/** One network on one node, for as long as the node has an endpoint on it. */
export interface PeerWatch {
  /** This node has an endpoint. */
  announce(peer: Peer): void;
  /** It has it no more. */
  withdraw(ip: string): void;
  /** The node has left the network. */
  close(): void;
}

/** Tells of peers: `FilePeers` from a file, `InProcessPeers` between controllers of one process; a cluster store can be another. */
export interface PeerSource {
  /**
   * Joins a network. `listener` gets all its peers at once, before `watch` returns, and again whenever they change; this node's own may be
   * among them.
   */
  watch(network: PeerNetwork, listener: (peers: readonly Peer[]) => void): PeerWatch;
  close(): void;
}

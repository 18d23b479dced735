/** Peers of controllers in one process, for tests and for daemons that have a control plane of their own. */
import type { Peer, PeerNetwork, PeerSource, PeerWatch } from './peer-source.js';

interface Room {
  peers: Map<string, Peer>;
  listeners: Set<(peers: readonly Peer[]) => void>;
}

/** One for all the controllers that belong together. Networks are told apart by name. */
export class InProcessPeers implements PeerSource {
  readonly #rooms = new Map<string, Room>();

  watch(network: PeerNetwork, listener: (peers: readonly Peer[]) => void): PeerWatch {
    const room = this.#rooms.get(network.name) ?? { peers: new Map(), listeners: new Set() };
    this.#rooms.set(network.name, room);
    const own = new Set<string>();
    const tell = () => {
      const peers = [...room.peers.values()];
      for (const one of room.listeners) one(peers);
    };
    room.listeners.add(listener);
    listener([...room.peers.values()]);
    return {
      announce: (peer) => {
        own.add(peer.ip);
        room.peers.set(peer.ip, peer);
        tell();
      },
      withdraw: (ip) => {
        if (own.delete(ip) && room.peers.delete(ip)) tell();
      },
      close: () => {
        room.listeners.delete(listener);
        for (const ip of own) room.peers.delete(ip);
        if (own.size > 0) tell();
        own.clear();
        if (room.listeners.size === 0 && room.peers.size === 0) this.#rooms.delete(network.name);
      },
    };
  }

  close(): void {
    this.#rooms.clear();
  }
}

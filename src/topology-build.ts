/** From a topology to a dataplane. */
import { resolve } from 'node:path';
import { Dataplane } from './dataplane/dataplane.js';
import { MAX_MTU } from './dataplane/mtu.js';
import { type PcapPortOptions, type PortOptions, pcapPortOptions, STDIN } from './dataplane/port-options.js';
import { suggestion } from './suggest.js';
import {
  relocate,
  type Topology,
  type TopologyBridge,
  type TopologyPeer,
  type TopologyPort,
  topologyError,
} from './topology.js';

/**
 * Makes the dataplane that a topology describes. It is made twice: first with memory ports, to find mistakes before any file is replaced.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_TOPOLOGY`, saying where in the file, for what does not make sense; the codes of
 *   {@link Dataplane.addPort} for files that cannot be used. Nothing is left open.
 */
export function buildTopology(topology: Topology): Dataplane {
  void build(topology, rehearsalPort).close();
  return build(topology, realPort);
}

type MakePort = (topology: Topology, name: string, port: TopologyPort) => PortOptions;

function realPort({ folder }: Topology, name: string, port: TopologyPort): PortOptions {
  if (port.type === 'memory') return { ...port, name };
  const options: PcapPortOptions = { ...port, name };
  if (port.read !== undefined && port.read !== STDIN) options.read = resolve(folder, port.read);
  if (port.write !== undefined) options.write = resolve(folder, port.write);
  return options;
}

/** In place of a pcap port one in memory, once it is known that its files can be used. */
function rehearsalPort(topology: Topology, name: string, port: TopologyPort): PortOptions {
  const options = realPort(topology, name, port);
  if (options.type === 'memory') return options;
  pcapPortOptions(options, name);
  return { type: 'memory', name, mtu: options.mtu ?? MAX_MTU };
}

function build(topology: Topology, makePort: MakePort): Dataplane {
  const { ports = {}, underlays = {}, bridges = {}, peers = [], ...tuning } = topology.options;
  const dataplane = relocate(topology, [], () => new Dataplane({ mode: 'manual', ...tuning }));
  try {
    for (const [name, port] of Object.entries(ports)) {
      relocate(topology, ['ports', name], () => dataplane.addPort(makePort(topology, name, port)));
    }
    for (const [name, underlay] of Object.entries(underlays)) {
      const path = ['underlays', name];
      const port = find(topology, [...path, 'port'], 'port', dataplane.ports, underlay.port);
      relocate(topology, path, () => dataplane.addUnderlay({ ...underlay, name, port }));
    }
    for (const [name, bridge] of Object.entries(bridges)) addBridge(topology, dataplane, name, bridge);
    peers.forEach((peer, i) => {
      addPeer(topology, dataplane, ['peers', String(i)], peer);
    });
    return dataplane;
  } catch (error) {
    // Its own failure to write would hide the reason.
    dataplane.close().catch(() => {});
    throw error;
  }
}

function find<H>(topology: Topology, path: string[], noun: string, known: ReadonlyMap<string, H>, name: string): H {
  const found = known.get(name);
  if (found !== undefined) return found;
  throw topologyError(`${topology.locate(path)}: there is no ${noun} '${name}'${suggestion(name, known.keys())}`);
}

function addBridge(topology: Topology, dataplane: Dataplane, name: string, options: TopologyBridge): void {
  const { ports = [], fdb = [], neighbors = [], underlay, ...rest } = options;
  const path = ['bridges', name];
  const over =
    underlay === undefined
      ? {}
      : { underlay: find(topology, [...path, 'underlay'], 'underlay', dataplane.underlays, underlay) };
  const bridge = relocate(topology, path, () => dataplane.addBridge({ ...rest, ...over, name }));
  ports.forEach((item, i) => {
    const where = [...path, 'ports', String(i)];
    const { port: portName, ...attach } = typeof item === 'string' ? { port: item } : item;
    const port = find(topology, where, 'port', dataplane.ports, portName);
    relocate(topology, where, () => bridge.attach(port, attach));
  });
  fdb.forEach((entry, i) => {
    const where = [...path, 'fdb', String(i)];
    const port = find(topology, [...where, 'port'], 'port', dataplane.ports, entry.port);
    relocate(topology, where, () => bridge.addFdb({ ...entry, port }));
  });
  neighbors.forEach((neighbor, i) => {
    relocate(topology, [...path, 'neighbors', String(i)], () => bridge.addNeighbor(neighbor));
  });
}

/** The VNI says which bridge and which VLAN a peer belongs to; where several underlays have the VNI, `bridge` has to help. */
function addPeer(topology: Topology, dataplane: Dataplane, path: string[], peer: TopologyPeer): void {
  const { vni, bridge: wanted, ...station } = peer;
  if (wanted !== undefined) find(topology, [...path, 'bridge'], 'bridge', dataplane.bridges, wanted);
  const found = [...dataplane.bridges.values()].flatMap((bridge) => {
    const network = bridge.vnis.find((candidate) => candidate.vni === vni);
    return network === undefined || (wanted ?? bridge.name) !== bridge.name ? [] : [{ bridge, vlan: network.vlan }];
  });
  const [first] = found;
  const where = topology.locate([...path, 'vni']);
  if (first === undefined) {
    const who = wanted === undefined ? 'no bridge has' : `bridge '${wanted}' does not have`;
    throw topologyError(`${where}: ${who} VNI ${vni}; give it to one with 'vni' or 'vlans'`);
  }
  if (found.length > 1) {
    const names = found.map(({ bridge }) => bridge.name).join(', ');
    throw topologyError(`${where}: VNI ${vni} is on the bridges ${names}; say which with 'bridge'`);
  }
  const network = first.vlan === null ? {} : { vlan: first.vlan };
  relocate(topology, path, () => first.bridge.addPeer({ ...station, ...network }));
}

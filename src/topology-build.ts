/** From a topology to a dataplane. */
import { refuseWorkers } from './dataplane/bridge-open.js';
import { Dataplane } from './dataplane/dataplane.js';
import { type DataplaneOptions, dataplaneOptions } from './dataplane/dataplane-options.js';
import { type EncryptionOptions, profileOf } from './dataplane/encryption-options.js';
import { isLive, type TapPortOptions } from './dataplane/live-port-options.js';
import { trainSize, vxlanMtu } from './dataplane/mtu.js';
import type { PortOptions } from './dataplane/port-options.js';
import type { Underlay } from './dataplane/underlay.js';
import type { UdpUnderlayOptions } from './dataplane/underlay-options.js';
import type { Profile } from './keyring/secret.js';
import { suggestion } from './suggest.js';
import { relocate, type Topology, topologyError } from './topology.js';
import type { TopologyBridge, TopologyOptions, TopologyPeer } from './topology-options.js';
import { encryptionOptions, portOptions, rehearseEncryption, rehearsePort, rehearseUdp } from './topology-ports.js';

/**
 * Makes the dataplane that a topology describes: live when it has a live port or a `udp` underlay, and then to be started with
 * `start()`; else in manual mode. It is made twice: first with memory ports, to find mistakes before any file is replaced or any
 * interface made.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_TOPOLOGY`, saying where in the file, for what does not make sense; the codes of
 *   {@link Dataplane.addPort} for files, interfaces and sockets that cannot be used. Nothing is left open.
 */
export function buildTopology(topology: Topology): Dataplane {
  const tuning = tuningOf(topology);
  const workers = relocate(topology, [], () => dataplaneOptions(tuning)).workers.length;
  const { mode: _mode, clock: _clock, workers: _workers, spin: _spin, ...rest } = tuning;
  const profiles = profilesOf(topology, workers);
  const rehearsal = new Dataplane({ ...rest, mode: 'manual' });
  const making: Making = {
    dataplane: rehearsal,
    profiles,
    encryption: rehearseEncryption,
    addPort: (options) => rehearsal.addPort(rehearsePort(options, workers)),
    addUdp: (options) => rehearseUdp(rehearsal, options),
  };
  fill(topology, making);
  // A rehearsal has nothing to write that could fail.
  void rehearsal.close();
  const dataplane = new Dataplane(tuning);
  fill(topology, {
    dataplane,
    profiles,
    encryption: (options) => options,
    addPort: (options) => dataplane.addPort(options),
    addUdp: (options) => void dataplane.addUnderlay(options),
  });
  return dataplane;
}

/** A dataplane that is being filled, in earnest or as a rehearsal. */
interface Making {
  dataplane: Dataplane;
  /** Of the encrypted bridges, by name. */
  profiles: Map<string, Profile>;
  encryption(options: EncryptionOptions): EncryptionOptions;
  addPort(options: PortOptions): unknown;
  addUdp(options: UdpUnderlayOptions): void;
}

/** Options of the dataplane, with the mode that the ports and underlays ask for. */
function tuningOf(topology: Topology): DataplaneOptions {
  const { ports, underlays, bridges: _bridges, peers: _peers, ...tuning } = topology.options;
  const live = liveThing(topology.options);
  if (live !== null) {
    if (tuning.clock !== 'virtual') return { ...tuning, mode: 'live' };
    throw topologyError(`${topology.locate(['clock'])}: is 'virtual', but ${live} is live; leave it out`);
  }
  const unfit = (['workers', 'spin'] as const).find((key) => tuning[key] !== undefined);
  const wish = tuning.clock === 'real' ? 'clock' : unfit;
  if (wish === undefined) return { ...tuning, mode: 'manual' };
  const what = wish === 'clock' ? "'real' is" : 'is';
  throw topologyError(
    `${topology.locate([wish])}: ${what} for live traffic, but every port here is offline; leave it out, or add a live port`,
  );
}

/** What makes a topology live. */
function liveThing({ ports = {}, underlays = {} }: TopologyOptions): string | null {
  const port = Object.entries(ports).find(([, options]) => isLive(options));
  if (port !== undefined) return `port '${port[0]}'`;
  const underlay = Object.entries(underlays).find(([, { type }]) => type === 'udp');
  return underlay === undefined ? null : `underlay '${underlay[0]}'`;
}

/** Closes the dataplane when that fails. */
function fill(topology: Topology, making: Making): void {
  const { ports = {}, underlays = {}, bridges = {}, peers = [] } = topology.options;
  const { dataplane } = making;
  const remote = tapsOnUnderlays(topology.options, making.profiles);
  const addPort = (name: string, fit = (options: TapPortOptions): TapPortOptions => options) => {
    const options = portOptions(topology, name, ports[name]!);
    relocate(topology, ['ports', name], () => making.addPort(options.type === 'tap' ? fit(options) : options));
  };
  try {
    for (const name of Object.keys(ports)) if (!remote.has(name)) addPort(name);
    for (const [name, options] of Object.entries(underlays)) {
      const path = ['underlays', name];
      if (options.type === 'udp') {
        relocate(topology, path, () => making.addUdp({ ...options, name }));
        continue;
      }
      const port = find(topology, [...path, 'port'], 'port', dataplane.ports, options.port);
      relocate(topology, path, () => dataplane.addUnderlay({ ...options, name, port }));
    }
    for (const [name, { underlay: wanted, profile }] of remote) {
      const underlay = dataplane.underlays.get(wanted);
      addPort(name, (options) => (underlay === undefined ? options : fitted(options, underlay, profile)));
    }
    for (const [name, bridge] of Object.entries(bridges)) addBridge(topology, making, name, bridge);
    peers.forEach((peer, i) => {
      addPeer(topology, dataplane, ['peers', String(i)], peer);
    });
  } catch (error) {
    // Its own failure to write would hide the reason.
    dataplane.close().catch(() => {});
    throw error;
  }
}

/** Looks into key files, and refuses what the rehearsal, which has no workers, would let pass. */
function profilesOf(topology: Topology, workers: number): Map<string, Profile> {
  const { bridges = {}, underlays = {} } = topology.options;
  const found = new Map<string, Profile>();
  for (const [name, { encryption, underlay = '' }] of Object.entries(bridges)) {
    if (encryption === undefined) continue;
    relocate(topology, ['bridges', name, 'encryption'], () => {
      const profile = profileOf(encryptionOptions(topology, encryption));
      refuseWorkers({ type: underlays[underlay]?.type ?? '', name: underlay }, profile, workers);
      found.set(name, profile);
    });
  }
  return found;
}

interface Remote {
  underlay: string;
  /** Null: cleartext. */
  profile: Profile | null;
}

/** TAPs on a bridge with an underlay: their MTU and super-frames are to fit that, so they come after it. By name of the port. */
function tapsOnUnderlays(
  { ports = {}, bridges = {} }: TopologyOptions,
  profiles: Map<string, Profile>,
): Map<string, Remote> {
  const found = new Map<string, Remote>();
  for (const [bridge, { underlay, ports: attached = [] }] of Object.entries(bridges)) {
    if (underlay === undefined) continue;
    for (const item of attached) {
      const name = typeof item === 'string' ? item : item.port;
      if (ports[name]?.type === 'tap') found.set(name, { underlay, profile: profiles.get(bridge) ?? null });
    }
  }
  return found;
}

function fitted(options: TapPortOptions, { mtu: outer, family }: Underlay, profile: Profile | null): TapPortOptions {
  const { mtu = vxlanMtu(outer, family, profile) } = options;
  const { gsoMaxSize = trainSize(mtu, profile) } = options;
  return { ...options, mtu, gsoMaxSize };
}

function find<H>(topology: Topology, path: string[], noun: string, known: ReadonlyMap<string, H>, name: string): H {
  const found = known.get(name);
  if (found !== undefined) return found;
  throw topologyError(`${topology.locate(path)}: there is no ${noun} '${name}'${suggestion(name, known.keys())}`);
}

function addBridge(topology: Topology, making: Making, name: string, options: TopologyBridge): void {
  const { ports = [], fdb = [], neighbors = [], underlay, encryption, ...rest } = options;
  const { dataplane } = making;
  const path = ['bridges', name];
  const over =
    underlay === undefined
      ? {}
      : { underlay: find(topology, [...path, 'underlay'], 'underlay', dataplane.underlays, underlay) };
  const sealed =
    encryption === undefined ? {} : { encryption: making.encryption(encryptionOptions(topology, encryption)) };
  const bridge = relocate(topology, path, () => dataplane.addBridge({ ...rest, ...over, ...sealed, name }));
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

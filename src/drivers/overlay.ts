/**
 * Driver `overlay`: a network that spans nodes, by VXLAN. Each subnet has a VNI and a bridge of its own; the gateway of all of them is a
 * router in the dataplane of every node (an anycast gateway), so that a packet between subnets crosses the wire once. A node holds a
 * network only while it has an endpoint on it.
 */
import type { NetworkRecord } from '../cnm/records.js';
import { segmentsOf } from '../cnm/segments.js';
import { OverlaneError } from '../errors.js';
import { type Driver, type DriverContext, settledOf } from './driver.js';
import { closeEndpointPort, endpointPort, openEndpointPort } from './endpoint-port.js';
import { bridgeName } from './names.js';
import { MTU_OPTION, OptionReader } from './options.js';
import { OverlayNode, type OverlaySettings } from './overlay-node.js';
import { allocateVnis, readVnis } from './vni.js';

const VNIS = 'com.docker.network.driver.overlay.vxlanid_list';
const ENCRYPTED = 'encrypted';
const KNOWN = [VNIS, ENCRYPTED, MTU_OPTION];

/** What is kept with the network. */
interface Settled {
  /** One for each subnet; an IPv6 subnet shares that of the IPv4 subnet at the same place in the list. */
  vnis: number[];
  encrypted: boolean;
  /** Null: what the underlay leaves. */
  mtu: number | null;
}

export function overlayDriver(context: DriverContext, settings: OverlaySettings | undefined): Driver {
  const nodes = new Map<string, OverlayNode>();

  /** The network on this node, made when its first endpoint joins. */
  function nodeOf(network: NetworkRecord): OverlayNode {
    const known = nodes.get(network.id);
    if (known !== undefined) return known;
    if (settings === undefined) throw notConfigured();
    const { vnis, encrypted, mtu } = settledOf<Settled>(network);
    const node = new OverlayNode(context, settings, {
      name: bridgeName(network),
      network: network.name,
      segments: segmentsOf(network.pools).map((pools, i) => ({ vni: vnis[i]!, pools })),
      encrypted,
      mtu,
    });
    nodes.set(network.id, node);
    return node;
  }

  function release(network: NetworkRecord): void {
    const node = nodes.get(network.id);
    if (node === undefined || node.endpoints > 0) return;
    node.close();
    nodes.delete(network.id);
  }

  return {
    name: 'overlay',
    scope: 'global',
    addressed: true,
    // Through the gateway network.
    publishes: ({ internal }) => !internal,
    settle: (network) => ({ ...settle(network, context, settings) }),
    open: async () => {},
    async close(network) {
      nodes.get(network.id)?.close();
      nodes.delete(network.id);
    },

    async join(network, endpoint, sandbox) {
      const node = nodeOf(network);
      try {
        const segment = node.segmentOf(endpoint);
        const routes = node.routesFrom(segment);
        const port = openEndpointPort(context, endpoint, sandbox, { mtu: node.mtu, routes });
        node.add(endpoint, port);
      } catch (error) {
        closeEndpointPort(context, endpoint, sandbox);
        release(network);
        throw error;
      }
      return { gateways: [], needsGateway: !network.internal };
    },

    async leave(network, endpoint, sandbox) {
      nodes.get(network.id)?.remove(endpoint);
      closeEndpointPort(context, endpoint, sandbox);
      release(network);
    },

    bridges: (network) => nodes.get(network.id)?.bridges ?? [],
    port: endpointPort,
  };
}

function settle(network: NetworkRecord, context: DriverContext, settings: OverlaySettings | undefined): Settled {
  if (settings === undefined) throw notConfigured();
  const options = new OptionReader('overlay', network.options, KNOWN);
  const count = segmentsOf(network.pools).length;
  const taken = new Map<number, string>();
  for (const other of context.networks('overlay'))
    for (const vni of settledOf<Settled>(other).vnis) taken.set(vni, other.name);
  const list = options.text(VNIS);
  const vnis = list === undefined ? allocateVnis(count, taken) : readVnis(list, count, taken, VNIS);
  // Docker's client writes `--opt encrypted` as an empty value.
  const encrypted = options.text(ENCRYPTED) === '' || options.flag(ENCRYPTED, false);
  if (encrypted && settings.encryption === undefined) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `network ${network.name} is to be encrypted, but there are no keys; make them with 'overlane keys new FILE' and start overlaned with --overlay-keys FILE on every node`,
    );
  }
  return { vnis, encrypted, mtu: options.whole(MTU_OPTION, network.ipv6 ? 1280 : 68, 65521) ?? null };
}

function notConfigured(): OverlaneError {
  return new OverlaneError(
    'ERR_OVERLANE_UNSUPPORTED',
    'this node has no VTEP, so it can hold no overlay network; start overlaned with --vtep ADDRESS, an address of this host that the other nodes reach',
  );
}

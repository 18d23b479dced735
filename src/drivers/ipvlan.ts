/**
 * Driver `ipvlan`: containers share the MAC of an interface of the host, and are told apart by their IP addresses. `l2`: they stand on its
 * wire. `l3`, `l3s`: they are routed to, through an interface of the host's; with `l3s` its kernel tracks their connections.
 */
import { containerMac, formatMac, withoutPrefix } from '../address.js';
import type { EndpointRecord, NetworkRecord } from '../cnm/records.js';
import { listLinks } from '../netns/links.js';
import { type Driver, type DriverContext, gatewaysFor, settledOf } from './driver.js';
import { closeEndpointPort, endpointPort, openEndpointPort } from './endpoint-port.js';
import { removeMarked } from './marked.js';
import { bridgeName, gatewayPort } from './names.js';
import { bridgeOf, bridgesOf, requireBridge } from './one-bridge.js';
import { OptionReader } from './options.js';
import {
  closeParent,
  openParent,
  type Parent,
  parentLink,
  readParent,
  refuseDuplicate,
  refuseSharedParent,
  vlanOf,
} from './parent.js';

const MODES = ['l2', 'l3', 'l3s'] as const;
const PARENT = 'parent';
const MODE = 'ipvlan_mode';
/** Of the kernel's ipvlan; ours has what Docker makes by default. */
const FLAG = 'ipvlan_flag';
const MTU = 1500;

/** What is kept with the network. */
interface Settled {
  /** Null: the network is isolated, or routed without an interface that is named. */
  parent: Parent | null;
  mode: (typeof MODES)[number];
  /** MAC of all endpoints. */
  mac: string;
}

export function ipvlanDriver(context: DriverContext): Driver {
  const { dataplane, host } = context;
  const routed = (network: NetworkRecord) => settledOf<Settled>(network).mode !== 'l2';

  async function openRouted(network: NetworkRecord): Promise<void> {
    const { mac, mode } = settledOf<Settled>(network);
    const bridge = dataplane.addBridge({ name: bridgeName(network), forwarding: 'ipvlan-l3', mac });
    // Without an interface of the host there is no way out, whatever route a container makes itself.
    if (network.internal) return;
    removeMarked(context, null, network.id, routerLink(network));
    const port = dataplane.addPort({
      type: 'tap',
      name: gatewayPort(network),
      interface: routerLink(network),
      mac: routerMac(network),
      routes: network.pools.map(({ subnet }) => ({ to: subnet })),
      persistent: true,
      alias: context.mark(network.id),
    });
    bridge.attach(port, { uplink: true, mac: routerMac(network) });
    await host.route(
      routerLink(network),
      network.pools.map(({ family }) => family),
      mode === 'l3',
    );
  }

  function openOnWire(network: NetworkRecord): void {
    const { parent, mac } = settledOf<Settled>(network);
    const bridge = dataplane.addBridge({ name: bridgeName(network), forwarding: 'ipvlan-l2', mac });
    if (parent === null) return;
    bridge.attach(openParent(context, parent), { uplink: true, ...vlanOf(parent) });
  }

  async function close(network: NetworkRecord): Promise<void> {
    bridgeOf(context, network)?.close();
    const router = dataplane.ports.get(gatewayPort(network));
    router?.close();
    const { parent } = settledOf<Settled>(network);
    if (parent !== null) closeParent(context, parent);
    if (!routed(network)) return;
    if (router === undefined) removeMarked(context, null, network.id);
    await host.unroute(routerLink(network));
  }

  /** The parent's MAC is the host's, too: what comes for containers is none of its business. */
  async function hide(network: NetworkRecord, endpoint: EndpointRecord, hidden: boolean): Promise<void> {
    const { parent } = settledOf<Settled>(network);
    if (parent === null || parent.vlan !== null || routed(network)) return;
    await host.hide(parent.link, endpoint.id, hidden ? ipsOf(endpoint) : []);
  }

  dataplane.on('link', (links) => {
    for (const { port, state } of links) {
      const link = state === 'up' ? parentLink(context, port) : null;
      if (link === null) continue;
      host.hideAgain(link).catch((error) => context.warn(`addresses of containers on ${link}: ${error.message}`));
    }
  });

  return {
    name: 'ipvlan',
    scope: 'local',
    addressed: true,
    settle: (network) => ({ ...settle(network, context) }),
    async open(network) {
      try {
        if (routed(network)) await openRouted(network);
        else openOnWire(network);
      } catch (error) {
        await close(network);
        throw error;
      }
    },
    close,
    sharedMac: (network) => settledOf<Settled>(network).mac,
    async check(network, endpoint) {
      const { parent } = settledOf<Settled>(network);
      if (parent !== null && !routed(network)) await refuseDuplicate(network, endpoint, parent);
    },

    async join(network, endpoint, sandbox) {
      const { parent } = settledOf<Settled>(network);
      const bridge = requireBridge(context, network);
      const uplink = parent === null || routed(network) ? null : openParent(context, parent);
      const port = openEndpointPort(context, endpoint, sandbox, { mtu: uplink?.mtu ?? MTU, linkLocal: false });
      try {
        bridge.attach(port, { addresses: ipsOf(endpoint) });
        await hide(network, endpoint, true);
      } catch (error) {
        closeEndpointPort(context, endpoint, sandbox);
        throw error;
      }
      return { gateways: routed(network) ? onLink(network) : gatewaysFor(network) };
    },
    async leave(network, endpoint, sandbox) {
      closeEndpointPort(context, endpoint, sandbox);
      await hide(network, endpoint, false);
    },

    bridges: (network) => bridgesOf(context, network),
    port: endpointPort,
  };
}

function ipsOf({ addresses }: EndpointRecord): string[] {
  return addresses.map(({ address }) => withoutPrefix(address));
}

/** Routed: everything is one hop away, whatever its address. */
function onLink({ internal, pools }: NetworkRecord) {
  return internal ? [] : pools.map(({ family }) => ({ family, via: null }));
}

function routerLink({ id }: NetworkRecord): string {
  return `ipv-${id.slice(0, 11)}`;
}

function routerMac({ id }: NetworkRecord): string {
  return formatMac(containerMac(Buffer.from(id.slice(8, 16), 'hex')));
}

function settle(network: NetworkRecord, context: DriverContext): Settled {
  const options = new OptionReader('ipvlan', network.options, [PARENT, MODE, FLAG]);
  const mode = options.oneOf(MODE, MODES, 'l2');
  options.oneOf(FLAG, ['bridge'], 'bridge');
  const text = options.text(PARENT);
  const parent = text === undefined || network.internal ? null : readParent(text);
  if (parent !== null && mode === 'l2') refuseSharedParent(context, parent, ['macvlan', 'ipvlan']);
  const own = parent === null ? undefined : listLinks(null).find(({ name }) => name === parent.link)?.mac;
  return {
    parent: mode === 'l2' ? parent : null,
    mode,
    mac: own ?? formatMac(containerMac(Buffer.from(network.id.slice(0, 8), 'hex'))),
  };
}

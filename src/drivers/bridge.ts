/**
 * Driver `bridge`: a bridge of the dataplane whose gateway is an interface of the host. Between containers nothing passes the host's
 * kernel; to the outside its routing and its firewall (masquerading, isolation from other networks, published ports) do.
 */

import { containerMac, formatMac, inSameSubnet, parseIp } from '../address.js';
import { shortId } from '../cnm/ids.js';
import type { NetworkRecord } from '../cnm/records.js';
import type { Bridge } from '../dataplane/bridge.js';
import { isInterfaceName } from '../dataplane/link-options.js';
import { OverlaneError } from '../errors.js';
import { type Driver, type DriverContext, gatewaysFor, settledOf } from './driver.js';
import { closeEndpointPort, endpointPort, openEndpointPort } from './endpoint-port.js';
import { refuseForeign, removeMarked } from './marked.js';
import { bridgeName, gatewayPort } from './names.js';
import { bridgeOf, bridgesOf, requireBridge } from './one-bridge.js';
import { MTU_OPTION, OptionReader } from './options.js';

const PREFIX = 'com.docker.network.bridge.';
const NAME = `${PREFIX}name`;
const ICC = `${PREFIX}enable_icc`;
const MASQUERADE = `${PREFIX}enable_ip_masquerade`;
const HOST_IP = `${PREFIX}host_binding_ipv4`;
const KNOWN = [NAME, ICC, MASQUERADE, HOST_IP, MTU_OPTION];

/** Bytes of the largest IP packet, unless the network says otherwise. */
const MTU = 1500;

/** What is kept with the network. */
interface Settled {
  /** Name of the host's interface. */
  interface: string;
  mtu: number;
  icc: boolean;
  masquerade: boolean;
  /** Where ports are published that name no address; null: everywhere. */
  hostIp: string | null;
}

export function bridgeDriver(context: DriverContext): Driver {
  const { dataplane, host } = context;
  return {
    name: 'bridge',
    scope: 'local',
    addressed: true,
    publishes: ({ internal }) => !internal,
    settle: (network) => ({ ...settle(network, context) }),

    async open(network) {
      const { interface: name, mtu, icc, masquerade } = settledOf<Settled>(network);
      const known = bridgeOf(context, network);
      const bridge = known ?? dataplane.addBridge({ name: bridgeName(network) });
      try {
        openGateway(network, bridge, mtu);
        await host.addNetwork(network.id, {
          interface: name,
          subnets: network.pools.map(({ subnet }) => subnet),
          masquerade: masquerade && !network.internal,
          icc,
          internal: network.internal,
        });
      } catch (error) {
        closeGateway(network);
        if (known === undefined) bridge.close();
        throw error;
      }
    },

    async close(network) {
      bridgeOf(context, network)?.close();
      // One that could not be brought back after the last start is there nevertheless.
      if (dataplane.ports.has(gatewayPort(network))) closeGateway(network);
      else removeMarked(context, null, network.id);
      await host.removeNetwork(network.id);
    },

    async join(network, endpoint, sandbox) {
      const { mtu, icc, hostIp, interface: name } = settledOf<Settled>(network);
      const bridge = requireBridge(context, network);
      const port = openEndpointPort(context, endpoint, sandbox, { mtu });
      try {
        bridge.attach(port, { mac: endpoint.mac!, isolated: !icc });
        await host.ports.publish(endpoint, { interface: name, hostIp });
      } catch (error) {
        closeEndpointPort(context, endpoint, sandbox);
        throw error;
      }
      return { gateways: gatewaysFor(network) };
    },

    async leave(_network, endpoint, sandbox) {
      closeEndpointPort(context, endpoint, sandbox);
      await host.ports.unpublish(endpoint);
    },

    gateway: gatewayPort,
    bridges: (network) => bridgesOf(context, network),
    port: endpointPort,
  };

  /** The host's end: new, or the one of the last run; in place of one that somebody has deleted. */
  function openGateway(network: NetworkRecord, bridge: Bridge, mtu: number): void {
    const { interface: name } = settledOf<Settled>(network);
    closeGateway(network);
    refuseForeign(context, name, `choose another one by '${NAME}'`);
    removeMarked(context, null, network.id, name);
    const port = dataplane.addPort({
      type: 'tap',
      name: gatewayPort(network),
      interface: name,
      addresses: gatewaysOf(network).map(({ cidr }) => cidr),
      mtu,
      mac: gatewayMac(network),
      persistent: true,
      alias: context.mark(network.id),
    });
    bridge.attach(port, { mac: gatewayMac(network) });
  }

  function closeGateway(network: NetworkRecord): void {
    const port = dataplane.ports.get(gatewayPort(network));
    for (const bridge of port?.bridges ?? []) bridge.detach(port!);
    port?.close();
  }
}

function gatewaysOf(network: NetworkRecord): { ip: string; cidr: string }[] {
  return network.pools.flatMap(({ gateway, subnet }) =>
    gateway === null ? [] : [{ ip: gateway, cidr: inSameSubnet(gateway, subnet) }],
  );
}

/** The same after a restart, so that containers need not ask for it again. */
function gatewayMac(network: NetworkRecord): string {
  const gateway = gatewaysOf(network).find(({ ip }) => !ip.includes(':'));
  const four = gateway === undefined ? Buffer.from(network.id.slice(0, 8), 'hex') : parseIp(gateway.ip);
  return formatMac(containerMac(four));
}

function settle(network: NetworkRecord, context: DriverContext): Settled {
  const options = new OptionReader('bridge', network.options, KNOWN);
  const name = options.text(NAME) ?? `br-${shortId(network.id)}`;
  if (!isInterfaceName(name)) {
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `option '${NAME}' is '${name}', which is no name of an interface; write up to 15 letters, digits and '-'`,
    );
  }
  for (const other of context.networks('bridge')) {
    if (settledOf<Settled>(other).interface !== name) continue;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `interface ${name} belongs to network ${other.name}; choose another '${NAME}'`,
    );
  }
  const hostIp = options.text(HOST_IP);
  if (hostIp !== undefined) parseIp(hostIp);
  return {
    interface: name,
    mtu: options.whole(MTU_OPTION, network.ipv6 ? 1280 : 68, 65521) ?? MTU,
    icc: options.flag(ICC, true),
    masquerade: options.flag(MASQUERADE, true),
    hostIp: hostIp === undefined || hostIp === '0.0.0.0' ? null : hostIp,
  };
}

/**
 * Driver `macvlan`: containers stand on the wire of an interface of the host with MACs of their own, on any VLAN of it. As with the
 * kernel's macvlan, host and containers do not reach each other through the parent.
 */

import type { NetworkRecord } from '../cnm/records.js';
import { OverlaneError } from '../errors.js';
import { type Driver, type DriverContext, gatewaysFor, settledOf } from './driver.js';
import { closeEndpointPort, endpointPort, openEndpointPort } from './endpoint-port.js';
import { bridgeName } from './names.js';
import { bridgeOf, bridgesOf, requireBridge } from './one-bridge.js';
import { OptionReader } from './options.js';
import {
  closeParent,
  openParent,
  type Parent,
  readParent,
  refuseDuplicate,
  refuseSharedParent,
  vlanOf,
} from './parent.js';

const MODES = ['bridge', 'private', 'vepa', 'passthru'] as const;
const PARENT = 'parent';
const MODE = 'macvlan_mode';
/** Without a parent. */
const MTU = 1500;

/** What is kept with the network. */
interface Settled {
  /** Null: the network is isolated. */
  parent: Parent | null;
  mode: (typeof MODES)[number];
}

export function macvlanDriver(context: DriverContext): Driver {
  const { dataplane } = context;
  const close = (network: NetworkRecord) => {
    bridgeOf(context, network)?.close();
    const { parent } = settledOf<Settled>(network);
    if (parent !== null) closeParent(context, parent);
  };
  return {
    name: 'macvlan',
    scope: 'local',
    addressed: true,
    settle: (network) => ({ ...settle(network, context) }),

    async open(network) {
      const { parent, mode } = settledOf<Settled>(network);
      const bridge = dataplane.addBridge({ name: bridgeName(network), forwarding: `macvlan-${mode}` });
      try {
        if (parent === null) return;
        bridge.attach(openParent(context, parent), { uplink: true, ...vlanOf(parent) });
      } catch (error) {
        close(network);
        throw error;
      }
    },
    close: async (network) => close(network),

    async check(network, endpoint) {
      const { parent } = settledOf<Settled>(network);
      if (parent !== null) await refuseDuplicate(network, endpoint, parent);
    },

    async join(network, endpoint, sandbox) {
      const { parent, mode } = settledOf<Settled>(network);
      const bridge = requireBridge(context, network);
      const uplink = parent === null ? null : openParent(context, parent);
      const mac = mode === 'passthru' ? uplink!.mac! : endpoint.mac!;
      const port = openEndpointPort(context, endpoint, sandbox, { mtu: uplink?.mtu ?? MTU, mac });
      try {
        bridge.attach(port, mode === 'passthru' ? {} : { mac });
      } catch (error) {
        closeEndpointPort(context, endpoint, sandbox);
        throw error;
      }
      return { gateways: gatewaysFor(network) };
    },
    leave: async (_network, endpoint, sandbox) => closeEndpointPort(context, endpoint, sandbox),

    bridges: (network) => bridgesOf(context, network),
    port: endpointPort,
  };
}

function settle(network: NetworkRecord, context: DriverContext): Settled {
  const options = new OptionReader('macvlan', network.options, [PARENT, MODE]);
  const mode = options.oneOf(MODE, MODES, 'bridge');
  const text = options.text(PARENT);
  if (text === undefined || network.internal) {
    if (mode === 'passthru') {
      throw new OverlaneError(
        'ERR_OVERLANE_OPTION',
        `option '${MODE}' is passthru, which needs a '${PARENT}' to pass through`,
      );
    }
    return { parent: null, mode };
  }
  const parent = readParent(text);
  refuseSharedParent(context, parent, ['macvlan', 'ipvlan']);
  return { parent, mode };
}

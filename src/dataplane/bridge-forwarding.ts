/** How bridges forward, other than by learning: macvlan and ipvlan networks. */
import { formatMac } from '../address.js';
import { type MacAddress, stationMac } from './addresses.js';
import { optionError } from './check.js';

/** In the order of the native side. */
export const FORWARDINGS = [
  'learning',
  'macvlan-bridge',
  'macvlan-private',
  'macvlan-vepa',
  'macvlan-passthru',
  'ipvlan-l2',
  'ipvlan-l3',
] as const;

/**
 * How a bridge finds out where a frame belongs.
 *
 * - `learning`: an Ethernet switch.
 * - `macvlan-…`: containers with MACs of their own share the link of a parent port, the *uplink*. Nothing is learned; unknown MACs are
 *   outside. `bridge`: containers reach each other directly; `vepa`: by way of a switch outside that sends frames back (IEEE 802.1Qbg);
 *   `private`: not at all; `passthru`: there is one container, which has the link for itself, with any MAC.
 * - `ipvlan-l2`: containers share the parent's MAC and are told apart by their addresses; a container sends from its own addresses only.
 *   IPv6 link-local addresses made of the MAC would all be equal, so they lead nowhere: switch them off (`addr_gen_mode none`). An address
 *   from DHCP needs the broadcast flag, and `addAddress()`.
 * - `ipvlan-l3`: as before, but no container sees a link: ARP and ND are answered here, there are no broadcasts and no multicasts, and what
 *   is for outside goes to a router, the uplink. TTL is unchanged.
 *
 * Without an uplink the network is isolated. The host's own kernel is not part of it: containers do not reach the parent's addresses.
 */
export type Forwarding = (typeof FORWARDINGS)[number];

export function isMacvlan(forwarding: Forwarding): boolean {
  return forwarding.startsWith('macvlan-');
}

export function isIpvlan(forwarding: Forwarding): boolean {
  return forwarding.startsWith('ipvlan-');
}

const MEANT_FOR_ALL = ['name', 'forwarding', 'mac'];

/** What addBridge was given for a kind of forwarding: the MAC that ipvlan containers share. Refuses options of other kinds. */
export function sharedMac(forwarding: Forwarding, given: { mac?: MacAddress }): Uint8Array | null {
  if (forwarding !== 'learning') {
    const surplus = Object.entries(given).find(([key, value]) => value !== undefined && !MEANT_FOR_ALL.includes(key));
    if (surplus !== undefined) {
      throw optionError(
        `option '${surplus[0]}' of addBridge is for forwarding 'learning'; leave it out with '${forwarding}', which is local and learns nothing`,
      );
    }
  }
  if (!isIpvlan(forwarding)) {
    if (given.mac === undefined) return null;
    throw optionError(
      `option 'mac' of addBridge is the MAC that ipvlan containers share; leave it out with forwarding '${forwarding}'`,
    );
  }
  if (given.mac !== undefined) return stationMac(given.mac, "option 'mac' of addBridge");
  const which = forwarding === 'ipvlan-l2' ? "the parent's, as in mac: parent.mac" : 'any unicast MAC';
  throw optionError(`addBridge with forwarding '${forwarding}' needs 'mac', which all containers share: ${which}`);
}

/** A tap made with another MAC could not send anything. */
export function refuseOtherMac(port: { name: string; type: string; mac: string | null }, mac: Uint8Array): void {
  if (port.type !== 'tap' || port.mac === formatMac(mac)) return;
  throw optionError(
    `port '${port.name}' has the MAC ${port.mac}, but the containers of this ipvlan network share ${formatMac(mac)}; give addPort that 'mac'`,
  );
}

/** Throws for what is about tables that are looked at only where the bridge learns. */
export function onlyLearning({ name, forwarding }: { name: string; forwarding: Forwarding }, verb: string): void {
  if (forwarding === 'learning') return;
  const how = isIpvlan(forwarding) ? 'goes by attach with addresses, and addAddress' : 'goes by attach with a MAC';
  throw optionError(`${verb} is for bridges that learn; the forwarding of '${name}' is '${forwarding}', which ${how}`);
}

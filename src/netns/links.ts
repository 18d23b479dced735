/** Interfaces in network namespaces: what `ip link` does, without a process. Each call takes a fraction of a millisecond. */

import { formatMac } from '../address.js';
import { type MacAddress, stationMac } from '../dataplane/addresses.js';
import { address, checkOptions, flag, optionError, optionsOf, shown, whole } from '../dataplane/check.js';
import { aliasText, isInterfaceName, linkAlias } from '../dataplane/link-options.js';
import { native } from '../dataplane/undo.js';
import { addon } from '../native.js';
import Type from '../schema.js';
import { type NetnsPath, netnsOrOwn } from './namespace.js';

/** An interface. */
export interface Link {
  index: number;
  name: string;
  /** As the kernel calls it: `tun` (a TAP, too), `veth`, `bridge`, …; empty: a physical one, or loopback. */
  kind: string;
  mac: string;
  mtu: number;
  /** Set up; it may be without a carrier all the same. */
  up: boolean;
  /** Empty: none. */
  alias: string;
}

/** What is not given stays as it is. */
export interface LinkOptions {
  up?: boolean;
  /** Bytes of the largest IP packet. */
  mtu?: number;
  mac?: MacAddress;
  /** At most 255 bytes; empty: none. */
  alias?: string;
  /** Whether it asks and answers by ARP. */
  arp?: boolean;
}

const linkOptions = optionsOf<LinkOptions>({
  up: Type.Optional(flag),
  mtu: Type.Optional(whole(0, 2 ** 31 - 1, ' bytes')),
  mac: Type.Optional(address),
  alias: Type.Optional(linkAlias),
  arp: Type.Optional(flag),
});

/** `name` when the kernel takes it for one of an interface. */
export function linkName(name: string): string {
  if (typeof name === 'string' && isInterfaceName(name)) return name;
  throw optionError(
    `${shown(name)} is no name of an interface; give 1 to 15 bytes without blanks, '/', ':' and '%', such as 'eth0'`,
  );
}

/**
 * All interfaces of a namespace, loopback included.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is no such namespace; `ERR_OVERLANE_PERMISSION` without CAP_SYS_ADMIN. So, too,
 *   all functions below, and `ERR_OVERLANE_MISSING` also for an interface that is not there.
 */
export function listLinks(netns: NetnsPath): Link[] {
  const where = netnsOrOwn(netns);
  return native('listLinks', () => addon.listLinks(where)).map((link) => ({ ...link, mac: formatMac(link.mac) }));
}

/** Removes an interface. */
export function deleteLink(netns: NetnsPath, name: string): void {
  const [where, link] = [netnsOrOwn(netns), linkName(name)];
  native('deleteLink', () => addon.deleteLink(where, link));
}

/**
 * Gives an interface another name.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when that is taken, or the kernel renames none that is up.
 */
export function renameLink(netns: NetnsPath, name: string, to: string): void {
  const [where, link, wanted] = [netnsOrOwn(netns), linkName(name), linkName(to)];
  native('renameLink', () => addon.renameLink(where, link, wanted));
}

/** Changes settings of an interface, only those that differ. */
export function setLink(netns: NetnsPath, name: string, options: LinkOptions): void {
  const [where, link] = [netnsOrOwn(netns), linkName(name)];
  const { up = null, arp = null, mtu = null, mac, alias } = checkOptions(linkOptions, options, 'setLink');
  const settings = {
    up,
    arp,
    mtu,
    mac: mac === undefined ? null : stationMac(mac, "option 'mac' of setLink"),
    alias: alias === undefined ? null : aliasText(alias, "option 'alias' of setLink"),
  };
  native('setLink', () => addon.setLink(where, link, settings));
}

/** Addresses and routes of interfaces in network namespaces: what `ip address` and `ip route` do, without a process. */

import { formatIp } from '../address.js';
import type { IpAddress } from '../dataplane/addresses.js';
import { checkOptions, expects, oneOf, optionsOf, text } from '../dataplane/check.js';
import { interfaceAddress, interfaceRoute, type RouteOptions } from '../dataplane/link-options.js';
import { native } from '../dataplane/undo.js';
import { addon, type NativePrefix } from '../native.js';
import Type from '../schema.js';
import { linkName } from './links.js';
import { type NetnsPath, netnsOrOwn } from './namespace.js';

/** An address of an interface. */
export interface LinkAddress {
  /** Name of the interface. */
  link: string;
  /** With the length of its prefix: `10.0.0.1/24`. */
  address: string;
}

/** A route of the main table. */
export interface Route {
  /** The destination: `10.1.0.0/16`; the default routes are `0.0.0.0/0` and `::/0`. */
  to: string;
  /** The router; null: the destination is on the link. */
  via: string | null;
  /** Name of the interface; null: none. */
  link: string | null;
}

/** A route to add or remove. */
export interface LinkRoute extends RouteOptions {
  /** Name of the interface. */
  link: string;
  /** How far the destination is (IPv4); default `link` without `via`, else `global`. */
  scope?: 'global' | 'link' | 'host';
}

/** RT_SCOPE_* of linux/rtnetlink.h. */
const SCOPES = { global: 0, link: 253, host: 254 } as const;

const linkRoute = optionsOf<LinkRoute>({
  to: expects("'default' or a prefix such as '10.1.0.0/16'", Type.String()),
  via: Type.Optional(Type.Unknown()),
  link: text,
  scope: Type.Optional(oneOf(...Object.keys(SCOPES))),
});

function written({ ip, length }: NativePrefix): string {
  return `${formatIp(ip)}/${length}`;
}

/**
 * The addresses of all interfaces.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is no such namespace; `ERR_OVERLANE_PERMISSION` without CAP_SYS_ADMIN. So, too,
 *   all functions below, and `ERR_OVERLANE_MISSING` also for an interface that is not there.
 */
export function listAddresses(netns: NetnsPath): LinkAddress[] {
  const where = netnsOrOwn(netns);
  const rows = native('listAddresses', () => addon.listAddresses(where));
  return rows.map(({ link, address }) => ({ link, address: written(address) }));
}

/** The unicast routes of the main table; one with several routers is there once for each. */
export function listRoutes(netns: NetnsPath): Route[] {
  const where = netnsOrOwn(netns);
  const rows = native('listRoutes', () => addon.listRoutes(where));
  return rows.map(({ to, via, link }) => ({
    to: written(to),
    via: via === null ? null : formatIp(via),
    link: link === '' ? null : link,
  }));
}

/**
 * Gives an interface an address, such as `10.0.0.1/24`; one that it has already is fine. IPv6 addresses are usable at once: nobody is
 * asked whether he has it (see {@link probeAddress}).
 *
 * @throws {OverlaneError} `ERR_OVERLANE_UNSUPPORTED` where IPv6 is disabled.
 */
export function addAddress(netns: NetnsPath, link: string, address: string): void {
  changeAddress('addAddress', netns, link, address);
}

/** Takes an address away; one that is not there is fine. */
export function removeAddress(netns: NetnsPath, link: string, address: string): void {
  changeAddress('removeAddress', netns, link, address);
}

function changeAddress(verb: string, netns: NetnsPath, link: string, address: string): void {
  const [where, name] = [netnsOrOwn(netns), linkName(link)];
  const prefix = interfaceAddress(address, `the address of ${verb}`);
  native(verb, () => addon.changeAddress(where, name, prefix, verb === 'addAddress'));
}

/**
 * Adds a route; one that is there already is fine.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when another route leads to the same destination.
 */
export function addRoute(netns: NetnsPath, route: LinkRoute): void {
  changeRoute('addRoute', netns, route);
}

/** Takes a route away; one that is not there is fine. */
export function removeRoute(netns: NetnsPath, route: LinkRoute): void {
  changeRoute('removeRoute', netns, route);
}

function changeRoute(verb: string, netns: NetnsPath, route: LinkRoute): void {
  const { link, scope, ...options } = checkOptions(linkRoute, route, verb);
  const [where, name] = [netnsOrOwn(netns), linkName(link)];
  const wanted = interfaceRoute(options as { to: string; via?: IpAddress }, `the route of ${verb}`);
  const config = { ...wanted, scope: scope === undefined ? null : SCOPES[scope] };
  native(verb, () => addon.changeRoute(where, name, config, verb === 'addRoute'));
}

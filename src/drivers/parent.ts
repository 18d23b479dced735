/** Parents of macvlan and ipvlan networks: interfaces of the host whose wire containers share. */
import { withoutPrefix } from '../address.js';
import type { EndpointRecord, NetworkRecord } from '../cnm/records.js';
import type { Port } from '../dataplane/port.js';
import { OverlaneError } from '../errors.js';
import { listLinks } from '../netns/links.js';
import { probeAddress } from '../netns/probe.js';
import type { DriverContext } from './driver.js';

/** An interface of the host, and the 802.1Q VLAN on it; null: untagged. */
export type Parent = {
  link: string;
  vlan: number | null;
};

/**
 * What `parent` means: an interface that exists, or `eth0.100` for VLAN 100 of `eth0`, whose tags the dataplane does by itself.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is no such interface, `ERR_OVERLANE_OPTION` for a VLAN other than 1 to 4094.
 */
export function readParent(text: string): Parent {
  const links = new Set(listLinks(null).map(({ name }) => name));
  if (links.has(text)) return { link: text, vlan: null };
  const dot = text.lastIndexOf('.');
  const link = text.slice(0, Math.max(dot, 0));
  if (dot < 0 || !links.has(link)) {
    const known = [...links].filter((name) => name !== 'lo').join(', ');
    throw new OverlaneError(
      'ERR_OVERLANE_MISSING',
      `the parent ${text} is no interface of this host; choose one of ${known}`,
    );
  }
  const digits = text.slice(dot + 1);
  const vlan = /^\d{1,4}$/.test(digits) ? Number(digits) : 0;
  if (vlan >= 1 && vlan <= 4094) return { link, vlan };
  throw new OverlaneError(
    'ERR_OVERLANE_OPTION',
    `the parent ${text} names VLAN '${digits}'; a VLAN is a whole number from 1 to 4094`,
  );
}

export function parentText({ link, vlan }: Parent): string {
  return vlan === null ? link : `${link}.${vlan}`;
}

/** The port of a parent, which all networks on it share. */
export function openParent(context: DriverContext, { link }: Parent): Port {
  const name = portName(link);
  return context.dataplane.ports.get(name) ?? context.dataplane.addPort({ type: 'packet', name, interface: link });
}

/** Closes the port when no network is on it any more. */
export function closeParent(context: DriverContext, { link }: Parent): void {
  const port = context.dataplane.ports.get(portName(link));
  if (port !== undefined && port.bridges.length === 0) port.close();
}

/** The interface of a port that is a parent's; null: it is another's. */
export function parentLink({ dataplane }: DriverContext, port: string): string | null {
  const link = dataplane.ports.get(port)?.interface ?? null;
  return link !== null && portName(link) === port ? link : null;
}

/** Of its own for each name that an interface may have, whatever is in it. */
function portName(link: string): string {
  return `parent-${/^[A-Za-z0-9.:-]+$/.test(link) ? link : `_${Buffer.from(link).toString('hex')}`}`;
}

/** Two networks cannot have the same wire: who would get what arrives? */
export function refuseSharedParent(context: DriverContext, parent: Parent, drivers: readonly string[]): void {
  for (const driver of drivers) {
    for (const other of context.networks(driver)) {
      const theirs = other.settled['parent'] as Parent | null | undefined;
      if (theirs?.link !== parent.link || theirs.vlan !== parent.vlan) continue;
      throw new OverlaneError(
        'ERR_OVERLANE_EXISTS',
        `network ${other.name} is already using parent interface ${parentText(parent)}; choose another one, or a VLAN of it such as ${parent.link}.100`,
      );
    }
  }
}

/** The option `vlan` of what knows VLANs; none where it is untagged. */
export function vlanOf({ vlan }: Parent): { vlan?: number } {
  return vlan === null ? {} : { vlan };
}

/** Who else on the wire has the address (RFC 5227 for IPv4, RFC 4862 for IPv6)? */
export async function refuseDuplicate(network: NetworkRecord, endpoint: EndpointRecord, parent: Parent): Promise<void> {
  const probes = endpoint.addresses.map(async ({ address }) => {
    const ip = withoutPrefix(address);
    const holder = await probeAddress({ interface: parent.link, ...vlanOf(parent), mac: endpoint.mac!, ip });
    if (holder === null) return;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `${ip} is in use on ${parentText(parent)} by ${holder.mac}; choose another address, or exclude those that are not ours with --ip-range or --aux-address on network ${network.name}`,
    );
  });
  await Promise.all(probes);
}

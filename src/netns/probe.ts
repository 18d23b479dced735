/** Whether somebody on a link has an IP address already. */

import { formatMac } from '../address.js';
import { hostIp, type IpAddress, type MacAddress, stationMac } from '../dataplane/addresses.js';
import { address, checkOptions, optionsOf, whole } from '../dataplane/check.js';
import { interfaceName } from '../dataplane/link-options.js';
import { nativeAsync } from '../dataplane/undo.js';
import { addon } from '../native.js';
import Type from '../schema.js';
import { linkName } from './links.js';
import { type NetnsPath, netnsOrOwn } from './namespace.js';

/** Options of {@link probeAddress}. */
export interface ProbeOptions {
  /** Namespace of the interface; default null, that of this process. */
  netns?: NetnsPath;
  /** The interface to ask on. */
  interface: string;
  /** VLAN to ask in, by an 802.1Q tag, 1 to 4094; default: untagged. */
  vlan?: number;
  /** MAC of the station that is to have the address. */
  mac: MacAddress;
  ip: IpAddress;
  /** Milliseconds for all probes together, 1 to 60,000; default 300. */
  timeoutMs?: number;
  /** How many times to ask, 1 to 10; default 3. */
  probes?: number;
}

const probeOptions = optionsOf<ProbeOptions>({
  netns: Type.Optional(Type.Unknown()),
  interface: interfaceName,
  vlan: Type.Optional(whole(1, 4094)),
  mac: address,
  ip: address,
  timeoutMs: Type.Optional(whole(1, 60_000, ' milliseconds')),
  probes: Type.Optional(whole(1, 10)),
});

/**
 * Asks a link whether somebody has an address, without saying that we have it: by ARP probes (RFC 5227, section 2.1.1) or, for IPv6, the
 * neighbor solicitation of duplicate address detection (RFC 4862, section 5.4). Runs in a thread of libuv's pool (`UV_THREADPOOL_SIZE`).
 *
 * @returns the MAC of who has it, or probes for it at the same time; null when nobody answers in time.
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is no such namespace or interface; `ERR_OVERLANE_PERMISSION` without
 *   CAP_NET_RAW; `ERR_OVERLANE_SYSTEM` for what else the kernel says, such as that the interface is down.
 */
export async function probeAddress(options: ProbeOptions): Promise<{ mac: string } | null> {
  const {
    netns = null,
    vlan = null,
    timeoutMs = 300,
    probes = 3,
    ...of
  } = checkOptions(probeOptions, options, 'probeAddress');
  const config = {
    netns: netnsOrOwn(netns),
    interface: linkName(of.interface),
    vlan,
    mac: stationMac(of.mac, "option 'mac' of probeAddress"),
    ip: hostIp(of.ip, "option 'ip' of probeAddress"),
    timeoutMs,
    probes,
  };
  const owner = await nativeAsync('probeAddress', () => addon.probeAddress(config));
  return owner === null ? null : { mac: formatMac(owner) };
}

/** Networks, publications and the rest as elements of our sets: everything is checked here, before it becomes text for nft. */
import { isIPv4 } from 'node:net';
import { formatIp, parseCidr, parseIp } from '../address.js';
import { checkOptions, expects, flag, oneOf, optionError, optionsOf, shown, text, whole } from '../dataplane/check.js';
import Type from '../schema.js';
import type { Element } from './ruleset.js';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** A bridged network, as the host's kernel has to know it. */
export interface HostNetwork {
  /** The network's interface in the host's namespace (bridge or TAP); it need not exist yet. */
  interface: string;
  /** Of its containers, such as `172.18.0.0/16` and `fd00::/64`; host bits are ignored. May be empty. */
  subnets: readonly string[];
  /** Whether packets from `subnets` leave the host with the host's address; default true. Never for internal networks. */
  masquerade?: boolean;
  /** Whether its containers reach each other where that passes the host's kernel; default true. */
  icc?: boolean;
  /** Whether nothing is forwarded in or out; the host itself and the containers still reach each other. Default false. */
  internal?: boolean;
}

/** One port of a container that is reached at a port of the host. */
export interface Publication {
  protocol: Protocol;
  /** An address of the host; `0.0.0.0` for all IPv4 ones, `::` for all IPv6 ones. Of the same IP version as `containerIp`. */
  hostIp: string;
  /** 1–65535. */
  hostPort: number;
  containerIp: string;
  /** 1–65535. */
  containerPort: number;
  /** The interface of the container's network in the host's namespace. */
  interface: string;
}

const port = whole(1, 65_535);
const networkSchema = optionsOf<HostNetwork>({
  interface: text,
  subnets: expects('a list of subnets', Type.Array(text)),
  masquerade: Type.Optional(flag),
  icc: Type.Optional(flag),
  internal: Type.Optional(flag),
});
const publicationSchema = optionsOf<Publication>({
  protocol: oneOf('tcp', 'udp', 'sctp'),
  hostIp: text,
  hostPort: port,
  containerIp: text,
  containerPort: port,
  interface: text,
});

/** Most characters of an id; ids are never part of a script. */
const ID_LIMIT = 256;

/** @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function checkId(id: unknown, where: string): string {
  if (typeof id === 'string' && id.length > 0 && id.length <= ID_LIMIT) return id;
  throw optionError(`${where} takes an id of 1 to ${ID_LIMIT} characters, not ${shown(id)}`);
}

/** The name of an interface in quotes: what Linux allows (dev_valid_name), but for characters that mean something to nft. */
export function quoted(name: unknown): string {
  if (typeof name === 'string' && /^[!#-)+-.0-9;-[\]-~]{1,15}$/.test(name) && name !== '.' && name !== '..')
    return `"${name}"`;
  throw optionError(
    `${shown(name)} cannot be the name of an interface; write 1 to 15 printable characters other than / : * " \\ and spaces`,
  );
}

/** Canonical text of an address; the IPv4-mapped form is refused, because sets would never match it. */
export function ipText(ip: unknown): string {
  const bytes = parseIp(ip as string);
  const canonical = formatIp(bytes);
  if (bytes.length === 16 && canonical.includes('.')) {
    throw optionError(`${shown(ip)} is an IPv4 address in IPv6 clothes; write it as ${canonical.slice(7)}`);
  }
  return canonical;
}

/** `172.18.0.0/16` from `172.18.0.1/16`. */
function subnetText(subnet: string): { text: string; low: bigint; high: bigint; bits: number } {
  const { address, prefix } = parseCidr(subnet);
  const bits = address.length * 8;
  if (prefix === 0) throw optionError(`${shown(subnet)} is every address; give the subnet of the network`);
  const host = BigInt(bits - prefix);
  const low = (BigInt(`0x${Buffer.from(address).toString('hex')}`) >> host) << host;
  const network = Uint8Array.from(Buffer.from(low.toString(16).padStart(bits / 4, '0'), 'hex'));
  return { text: `${ipText(formatIp(network))}/${prefix}`, low, high: low + (1n << host) - 1n, bits };
}

/** @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function networkElements(network: HostNetwork): Element[] {
  checkOptions(networkSchema, network, 'a network of the firewall');
  const { masquerade = true, icc = true, internal = false } = network;
  const name = quoted(network.interface);
  const pair = `${name} . ${name}`;
  const subnets = network.subnets.map(subnetText);
  subnets.forEach((one, i) => {
    const other = subnets
      .slice(0, i)
      .find(({ bits, low, high }) => bits === one.bits && low <= one.high && one.low <= high);
    if (other !== undefined) throw optionError(`subnets ${other.text} and ${one.text} overlap; give each address once`);
  });
  const elements: Element[] = [
    { set: 'bridges', key: name },
    { set: 'same', key: pair },
    { set: 'to', key: name, value: internal ? 'goto enclosed' : 'goto deliver' },
  ];
  if (icc) elements.push({ set: 'looped', key: pair });
  if (internal) elements.push({ set: 'internal', key: name });
  if (internal || !masquerade) return elements;
  const sources = subnets.map(
    ({ text, bits }): Element => ({ set: bits === 32 ? 'masq4' : 'masq6', key: `${text} . ${name}` }),
  );
  return [...elements, ...sources];
}

/** A publication with its addresses in canonical form. @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function checkPublication(publication: Publication): Publication {
  checkOptions(publicationSchema, publication, 'a publication');
  quoted(publication.interface);
  const hostIp = ipText(publication.hostIp);
  const containerIp = ipText(publication.containerIp);
  if (isIPv4(hostIp) !== isIPv4(containerIp)) {
    throw optionError(
      `port ${publication.hostPort} of ${hostIp} cannot be translated to ${containerIp}, which is of the other IP version; use listen(), the userland proxy`,
    );
  }
  if (isUnspecified(containerIp) || isLoopback(containerIp) || /^(?:2(?:2[4-9]|[345]\d)\.|ff)/.test(containerIp)) {
    throw optionError(`${containerIp} is not the address of a container; give the one its network has assigned`);
  }
  return { ...publication, hostIp, containerIp };
}

/** True for `0.0.0.0` and `::`. */
export function isUnspecified(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

export function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** What a checked publication is in the maps; addresses of the loopback interface that are left to a proxy are not there. */
export function publicationElements(publication: Publication, loopback: 'nat' | 'proxy'): Element[] {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = publication;
  if (hostIp === '::1' || (loopback === 'proxy' && isLoopback(hostIp))) return [];
  const version = isIPv4(hostIp) ? 4 : 6;
  const value = `${containerIp} . ${containerPort}`;
  if (isUnspecified(hostIp)) return [{ set: `any${version}`, key: `${protocol} . ${hostPort}`, value }];
  return [{ set: `at${version}`, key: `${protocol} . ${hostIp} . ${hostPort}`, value }];
}

/** Packets for `ips` that arrive on `parent` end there. @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function droppedElements(parent: string, ips: readonly string[]): Element[] {
  const name = quoted(parent);
  if (!Array.isArray(ips)) throw optionError(`setDropped takes a list of IP addresses, not ${shown(ips)}`);
  const texts = [...new Set(ips.map(ipText))];
  if (texts.length === 0) return [];
  const elements = texts.map((ip): Element => ({ set: isIPv4(ip) ? 'dropped4' : 'dropped6', key: `${name} . ${ip}` }));
  return [{ set: 'ingress', key: name }, ...elements];
}

/** @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function untrackedElements(name: string, untracked: boolean): Element[] {
  const key = quoted(name);
  if (typeof untracked !== 'boolean') throw optionError(`setUntracked takes true or false, not ${shown(untracked)}`);
  return untracked ? [{ set: 'untracked', key }] : [];
}

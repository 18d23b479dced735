/** Settings of the host's kernel that our rules count on. They are the caller's to write: other programs count on them too. */
import { parseCidr } from '../address.js';
import type { HostNetwork } from './element.js';

export interface Sysctl {
  /** The file below /proc/sys, which the caller opens in the host's network namespace. */
  path: string;
  value: string;
  /** What does not work without. */
  why: string;
}

/** For a network that is not internal. */
export function forwardingOf({ subnets, internal = false }: HostNetwork): Sysctl[] {
  if (internal) return [];
  const versions = new Set(subnets.map((subnet) => parseCidr(subnet).address.length));
  const sysctls: Sysctl[] = [];
  const why = 'containers reach nothing beyond the host without it';
  if (versions.has(4)) sysctls.push({ path: '/proc/sys/net/ipv4/ip_forward', value: '1', why });
  if (versions.has(16)) sysctls.push({ path: '/proc/sys/net/ipv6/conf/all/forwarding', value: '1', why });
  return sysctls;
}

/** For ports that the host reaches at 127.0.0.0/8: the kernel routes packets from there to this interface only then. */
export function localRoutingOf(name: string): Sysctl {
  return {
    path: `/proc/sys/net/ipv4/conf/${name}/route_localnet`,
    value: '1',
    why: 'the host does not reach published ports at 127.0.0.1 without it',
  };
}

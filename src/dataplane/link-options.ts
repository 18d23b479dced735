/** Interfaces and network namespaces in options: what the kernel takes for a name, and which path a namespace has. */
import { basename } from 'node:path';
import { formatIp, parseCidr } from '../address.js';
import type { NativePrefix } from '../native.js';
import Type from '../schema.js';
import { family, hostIp, type IpAddress } from './addresses.js';
import { address, expects, optionError, optionsOf } from './check.js';

/** A route of an interface. */
export interface RouteOptions {
  /** The destination as `10.1.0.0/16`, or `default`: everything of the IP version of `via` (without `via`, IPv4). */
  to: string;
  /** The router; default none: the destination is on the link. */
  via?: IpAddress;
}

/** As the kernel has it (dev_valid_name), less `%`, which it takes for a template. */
const INTERFACE = /^(?!\.{1,2}$)[^\s/:%\0]{1,15}$/;

/** Where `ip netns` keeps the namespaces that it names. */
const NAMESPACES = '/run/netns';

export const interfaceName = expects(
  "the name of an interface: 1 to 15 characters without blanks, '/', ':' and '%'",
  Type.String({ pattern: INTERFACE.source }),
);

export const netns = expects(
  'an absolute path, such as /run/netns/c1, or the name of a namespace there',
  Type.String({ pattern: '^(/[^\\0]*|(?!\\.{1,2}$)[^/\\0]+)$' }),
);

/** Longest alias of an interface, in bytes (IFALIASZ). */
const MAX_ALIAS = 255;

export const linkAlias = expects(
  `a string of at most ${MAX_ALIAS} bytes without control characters`,
  Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]*$' }),
);

/** An alias that fits. `what` begins the error message. */
export function aliasText(value: string, what: string): string {
  if (Buffer.byteLength(value) <= MAX_ALIAS) return value;
  throw optionError(`${what} has ${Buffer.byteLength(value)} bytes; an interface keeps at most ${MAX_ALIAS}`);
}

export const routeOptions = optionsOf<RouteOptions>({
  to: expects("'default' or a prefix such as '10.1.0.0/16'", Type.String()),
  via: Type.Optional(address),
});

export function isInterfaceName(text: string): boolean {
  return INTERFACE.test(text) && Buffer.byteLength(text) <= 15;
}

/** Path of a namespace; null: that of this process. */
export function netnsPath(value: string | undefined): string | null {
  if (value === undefined) return null;
  return value.startsWith('/') ? value : `${NAMESPACES}/${value}`;
}

/** A word for a namespace, to tell `eth0` there from others. */
export function netnsWord(path: string | null): string | null {
  // /proc/7/ns/net is that of process 7.
  const process = path === null ? null : /^\/proc\/([^/]+)\/ns\/net$/.exec(path);
  return path === null ? null : (process?.[1] ?? basename(path));
}

/** An address of an interface with its prefix length. `what` begins the error messages. */
export function interfaceAddress(value: string, what: string): NativePrefix {
  const { ip, length } = readPrefix(value, what);
  return { ip: hostIp(ip, what), length };
}

function readPrefix(value: string, what: string): NativePrefix {
  try {
    const { address: ip, prefix } = parseCidr(value);
    return { ip, length: prefix };
  } catch (cause) {
    throw optionError(`${what}: ${(cause as Error).message}`, cause);
  }
}

export function interfaceRoute({ to, via }: RouteOptions, what: string): { to: NativePrefix; via: Uint8Array | null } {
  const router = via === undefined ? null : hostIp(via, `${what}: 'via'`);
  if (to === 'default') return { to: { ip: new Uint8Array(router?.length ?? 4), length: 0 }, via: router };
  const prefix = readPrefix(to, `${what}: 'to'`);
  const network = networkOf(prefix);
  if (Buffer.compare(network, prefix.ip) !== 0) {
    throw optionError(`${what}: 'to' is ${to}, which has host bits; write ${formatIp(network)}/${prefix.length}`);
  }
  if (router !== null && router.length !== prefix.ip.length) {
    throw optionError(
      `${what}: 'via' ${formatIp(router)} is IPv${family(router)}, but the destination ${to} is IPv${family(prefix.ip)}`,
    );
  }
  return { to: prefix, via: router };
}

/** The address with its host bits cleared. */
export function networkOf({ ip, length }: NativePrefix): Uint8Array {
  return ip.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))));
}

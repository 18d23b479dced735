/** Addresses that the control plane gives: what is allowed where, and as which bytes they go to the native side. */
import { formatIp, formatMac, parseIp, parseMac } from '../address.js';
import { optionError } from './check.js';
import type { Family } from './mtu.js';

/** `02:42:0a:00:00:02`, or six bytes. */
export type MacAddress = string | Uint8Array;

/** `10.0.0.2` or `2001:db8::1`, or 4 or 16 bytes. */
export type IpAddress = string | Uint8Array;

/** Bytes of `value`; errors name the option and the function. */
export function readMac(value: MacAddress, what: string): Uint8Array {
  return read(value, what, parseMac, formatMac);
}

export function readIp(value: IpAddress, what: string): Uint8Array {
  return read(value, what, parseIp, formatIp);
}

function read(
  value: string | Uint8Array,
  what: string,
  parse: (text: string) => Uint8Array,
  format: (bytes: Uint8Array) => string,
): Uint8Array {
  try {
    // Through text and back, so that bytes get the length check, and a copy that the caller cannot change later.
    return parse(value instanceof Uint8Array ? format(value) : value);
  } catch (cause) {
    throw optionError(`${what}: ${(cause as Error).message}`, cause);
  }
}

/** The MAC of one station: not a group address (IEEE 802: low bit of the first byte), not zero. */
export function stationMac(value: MacAddress, what: string): Uint8Array {
  const mac = readMac(value, what);
  if ((mac[0]! & 1) === 1) {
    throw optionError(`${what}: ${formatMac(mac)} is a group address; a station's MAC has an even first byte`);
  }
  if (mac.every((byte) => byte === 0))
    throw optionError(`${what}: ${formatMac(mac)} is nobody's; give the station's MAC`);
  return mac;
}

/** The IP of one host: not unspecified, multicast or broadcast. */
export function hostIp(value: IpAddress, what: string): Uint8Array {
  const ip = readIp(value, what);
  const wrong = notAHost(ip);
  if (wrong !== null) throw optionError(`${what}: ${formatIp(ip)} is ${wrong}; give the address of one host`);
  return ip;
}

function notAHost(ip: Uint8Array): string | null {
  if (ip.length === 4) {
    if (ip[0] === 0) return 'in 0.0.0.0/8, which is no destination (RFC 1122, section 3.2.1.3)';
    if (ip[0]! >= 224 && ip[0]! < 240) return 'a multicast address';
    if (ip.every((byte) => byte === 255)) return 'the broadcast address';
    return null;
  }
  if (ip.every((byte) => byte === 0)) return 'the unspecified address';
  if (ip[0] === 0xff) return 'a multicast address';
  const mapped = ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 0xff && ip[11] === 0xff;
  return mapped ? 'an IPv4 address mapped into IPv6, which never is on a wire' : null;
}

export function family(ip: Uint8Array): Family {
  return ip.length === 4 ? 4 : 6;
}

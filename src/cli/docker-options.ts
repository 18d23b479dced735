/** Options in Docker's ways of writing several values. */
import { isIP } from 'node:net';
import type { EndpointOptions } from '../cnm/options.js';
import type { PublishedPort } from '../cnm/records.js';
import { OverlaneError } from '../errors.js';
import { parsePublish } from '../host/port-spec.js';

/** For commander: an option that may be repeated. */
export function repeated(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** The same, of which one may also be a list with commas. */
export function listed(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(',')];
}

/** `key=value` and `key`, which has an empty value. Throws `ERR_OVERLANE_OPTION` without a key. */
export function pairs(texts: readonly string[] | undefined, option: string): Record<string, string> {
  const entries = (texts ?? []).map((text): [string, string] => {
    const [, key = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(text) ?? [];
    if (key.trim() === '')
      throw optionError(`${option} ${JSON.stringify(text)} has no name; write ${option} name=value`);
    return [key, value];
  });
  return Object.fromEntries(entries);
}

/** The `filters` of Docker's API: for each name, the set of its values. Undefined without any. */
export function filtersOf(texts: readonly string[] | undefined): string | undefined {
  const filters = new Map<string, [string, true][]>();
  for (const text of texts ?? []) {
    const [, name = '', value] = /^([^=]+?)=(.*)$/s.exec(text) ?? [];
    if (value === undefined) throw optionError(`--filter ${JSON.stringify(text)} is not of the form name=value`);
    const key = name.trim().toLowerCase();
    filters.set(key, [...(filters.get(key) ?? []), [value.trim(), true]]);
  }
  const sets = [...filters].map(([key, values]) => [key, Object.fromEntries(values)] as const);
  return sets.length === 0 ? undefined : JSON.stringify(Object.fromEntries(sets));
}

/** The options of an endpoint, as `network connect` and `sandbox create` have them. */
export interface EndpointArguments {
  ip?: string;
  ip6?: string;
  macAddress?: string;
  alias?: string[];
  publish?: string[];
  driverOpt?: string[];
}

export function endpointOptions(given: EndpointArguments): EndpointOptions {
  const ips = [addressOf(given.ip, 4, '--ip'), addressOf(given.ip6, 6, '--ip6')].filter((ip) => ip !== undefined);
  return {
    ...(ips.length > 0 && { ips }),
    ...(given.macAddress !== undefined && { mac: given.macAddress }),
    ...(given.alias && { aliases: given.alias }),
    ...(given.publish && { ports: given.publish.flatMap(publishedPorts) }),
    ...(given.driverOpt && { options: pairs(given.driverOpt, '--driver-opt') }),
  };
}

function addressOf(text: string | undefined, family: 4 | 6, option: string): string | undefined {
  if (text === undefined || isIP(text) === family) return text;
  throw optionError(`${option} ${JSON.stringify(text)} is no IPv${family} address`);
}

/** What `-p` means to the daemon, which takes one port of the host for each of the sandbox. */
export function publishedPorts(spec: string): PublishedPort[] {
  return parsePublish(spec).map(({ protocol, hostIp, hostPorts, containerPort }) => {
    if (protocol === 'sctp') throw unsupported(`--publish ${spec}: only tcp and udp ports can be published`);
    if (hostPorts !== null && hostPorts.first !== hostPorts.last) {
      const how = `name one, such as --publish 8080:${containerPort}/${protocol}, or none for any free one`;
      throw unsupported(`--publish ${spec}: overlaned does not choose from a range of the host's ports; ${how}`);
    }
    // 0: the daemon chooses.
    return { protocol, hostIp: hostIp ?? '0.0.0.0', hostPort: hostPorts?.first ?? 0, containerPort };
  });
}

function unsupported(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_UNSUPPORTED', message);
}

function optionError(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

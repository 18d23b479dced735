/** Options of proxies and reservations, and their validation. */

import { checkOptions, expects, oneOf, optionError, optionsOf, shown, text, whole } from '../dataplane/check.js';
import Type from '../schema.js';
import type { HostPort } from './bind.js';
import { ipText, isUnspecified } from './element.js';
import type { PortRequest } from './port-spec.js';

export interface ProxyOptions extends HostPort {
  containerIp: string;
  /** 1–65535. */
  containerPort: number;
  /** Most connections (TCP; default 4096, more are reset) or clients (UDP; default 1024, the longest idle one gives way) at a time. */
  limit?: number;
  /** Milliseconds to reach the container before a TCP connection is reset; default 10 000. */
  connectTimeout?: number;
  /** Milliseconds without a datagram in either direction until a UDP client is forgotten; default 90 000, as Docker's proxy. */
  idleTimeout?: number;
  /** Told, once a minute at most, that `limit` was reached; default: nobody is told. */
  onTrouble?: (message: string) => void;
}

const port = whole(1, 65_535);
const protocol = oneOf('tcp', 'udp', 'sctp');
const place = { protocol, hostIp: text, hostPort: port };
const milliseconds = Type.Optional(whole(1, 86_400_000, ' milliseconds'));
const placeSchema = optionsOf<HostPort>(place);
const proxySchema = optionsOf<ProxyOptions>({
  ...place,
  containerIp: text,
  containerPort: port,
  limit: Type.Optional(whole(1, 1_000_000)),
  connectTimeout: milliseconds,
  idleTimeout: milliseconds,
  onTrouble: Type.Optional(Type.Unknown()),
});
const rangeSchema = Type.Object({ first: port, last: port }, { additionalProperties: false });
const requestSchema = optionsOf<PortRequest>({
  protocol,
  hostIp: expects('an IP address or null', Type.Union([text, Type.Null()])),
  hostPorts: expects('a range of ports or null', Type.Union([rangeSchema, Type.Null()])),
  containerPort: port,
});

/** With the address in canonical form. @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function checkHostPort(options: HostPort, where: string): HostPort {
  checkOptions(placeSchema, options, where);
  return { ...options, hostIp: ipText(options.hostIp) };
}

/** @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function checkRequest(request: PortRequest): PortRequest {
  checkOptions(requestSchema, request, 'allocate');
  const { hostIp, hostPorts } = request;
  if (hostPorts !== null && hostPorts.first > hostPorts.last) {
    throw optionError(
      `option 'hostPorts' of allocate ends before it begins (${hostPorts.first}-${hostPorts.last}); swap them`,
    );
  }
  return { ...request, hostIp: hostIp === null ? null : ipText(hostIp) };
}

/** @throws {OverlaneError} `ERR_OVERLANE_OPTION` */
export function checkProxy(options: ProxyOptions): Required<ProxyOptions> {
  checkOptions(proxySchema, options, 'listen');
  const { limit = options.protocol === 'udp' ? 1024 : 4096, connectTimeout = 10_000, idleTimeout = 90_000 } = options;
  const { onTrouble = () => {} } = options;
  if (typeof onTrouble !== 'function') {
    throw optionError(`option 'onTrouble' of listen must be a function, not ${shown(onTrouble)}`);
  }
  const hostIp = ipText(options.hostIp);
  const containerIp = ipText(options.containerIp);
  if (isUnspecified(containerIp))
    throw optionError(`${containerIp} is not the address of a container; give the one its network has assigned`);
  return { ...options, hostIp, containerIp, limit, connectTimeout, idleTimeout, onTrouble };
}

/** `/networks/{id}/connect` and `/disconnect`. A container is a sandbox here. */

import type { Controller } from '../../cnm/controller.js';
import type { Endpoint } from '../../cnm/endpoint.js';
import type { Network } from '../../cnm/network.js';
import type { EndpointOptions } from '../../cnm/options.js';
import type { Sandbox } from '../../cnm/sandbox.js';
import { expects, flag, text } from '../../dataplane/check.js';
import Type from '../../schema.js';
import { checkBody } from '../body.js';
import { HttpError, hasCode } from '../errors.js';
import type { ApiRequest, Reply, Route } from '../route.js';
import { containerOf } from './lookup.js';

const texts = expects('a list of texts', Type.Array(Type.String()));
const words = expects('an object of text by text', Type.Record(Type.String(), Type.String()));
const container = expects('the name or id of a container', Type.String({ minLength: 1 }));

interface Settings {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: string[] };
  Links?: string[];
  Aliases?: string[];
  MacAddress?: string;
  DriverOpts?: Record<string, string>;
}

const settings = Type.Object({
  IPAMConfig: Type.Optional(
    expects(
      'an object',
      Type.Object({
        IPv4Address: Type.Optional(text),
        IPv6Address: Type.Optional(text),
        LinkLocalIPs: Type.Optional(texts),
      }),
    ),
  ),
  Links: Type.Optional(texts),
  Aliases: Type.Optional(texts),
  MacAddress: Type.Optional(text),
  DriverOpts: Type.Optional(words),
});

const connectBody = Type.Object({
  Container: container,
  EndpointConfig: Type.Optional(expects('an object', settings)),
});

const disconnectBody = Type.Object({ Container: container, Force: Type.Optional(flag) });

export function connectRoutes(controller: Controller): Route[] {
  return [
    { method: 'POST', path: '/networks/{id}/connect', handle: (request) => connect(controller, request) },
    { method: 'POST', path: '/networks/{id}/disconnect', handle: (request) => disconnect(controller, request) },
  ];
}

async function connect(controller: Controller, { params, body }: ApiRequest): Promise<Reply> {
  const { Container, EndpointConfig = {} } = checkBody<{ Container: string; EndpointConfig?: Settings }>(
    connectBody,
    body,
  );
  const network = controller.network(params['id']!);
  const sandbox = containerOf(controller, Container);
  refuseSecond(network, sandbox);
  await network.connect(sandbox, endpointOptions(EndpointConfig));
  return { status: 200 };
}

/** In the words of Docker; the controller would refuse it, too. */
export function refuseSecond(network: Network, sandbox: Sandbox): void {
  if (!sandbox.endpoints.some(({ record }) => record.network === network.id)) return;
  throw new HttpError(403, `endpoint with name ${sandbox.name} already exists in network ${network.name}`);
}

function endpointOptions(config: Settings): EndpointOptions {
  const { IPAMConfig: ipam = {}, Links: links = [] } = config;
  if ((ipam.LinkLocalIPs ?? []).length > 0) {
    throw new HttpError(501, 'link-local addresses of containers are not supported; leave --link-local-ip out');
  }
  if (links.length > 0) throw new HttpError(501, 'links are not supported; leave --link out, and use --alias');
  const ips = [ipam.IPv4Address, ipam.IPv6Address].filter((ip) => ip !== undefined && ip !== '') as string[];
  return {
    ips,
    aliases: config.Aliases ?? [],
    options: config.DriverOpts ?? {},
    ...(config.MacAddress ? { mac: config.MacAddress } : {}),
  };
}

async function disconnect(controller: Controller, { params, body }: ApiRequest): Promise<Reply> {
  const { Container, Force = false } = checkBody<{ Container: string; Force?: boolean }>(disconnectBody, body);
  const network = controller.network(params['id']!);
  const stray = Force ? strayEndpoint(network, Container) : undefined;
  if (stray !== undefined) await stray.delete();
  else await leave(network, containerOf(controller, Container), Container);
  return { status: 200 };
}

/** With force: an endpoint that is in no sandbox, by its own name or id. */
function strayEndpoint(network: Network, ref: string): Endpoint | undefined {
  return network.endpoints.find(({ record }) => {
    return record.sandbox === null && (record.name === ref || record.id === ref || `ep-${record.id}` === ref);
  });
}

async function leave(network: Network, sandbox: Sandbox, ref: string): Promise<void> {
  try {
    await network.disconnect(sandbox);
  } catch (error) {
    if (!hasCode(error, 'ERR_OVERLANE_MISSING')) throw error;
    throw new HttpError(404, `container ${ref} is not connected to network ${network.name}`);
  }
}

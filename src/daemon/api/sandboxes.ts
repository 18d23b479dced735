/** `/overlane/sandboxes` and `/overlane/networks/{ref}/connect`: what Docker's API has no words for. */
import Type from 'typebox';
import type { Controller } from '../../cnm/controller.js';
import type { Endpoint } from '../../cnm/endpoint.js';
import type { EndpointOptions, SandboxOptions } from '../../cnm/options.js';
import type { Sandbox } from '../../cnm/sandbox.js';
import { expects, oneOf, text, whole } from '../../dataplane/check.js';
import { checkBody } from '../body.js';
import type { ApiRequest, Reply, Route } from '../route.js';
import { refuseSecond } from './connect.js';

const texts = expects('a list of texts', Type.Array(Type.String()));
const words = expects('an object of text by text', Type.Record(Type.String(), Type.String()));

const publishedPort = Type.Object(
  {
    protocol: oneOf('tcp', 'udp'),
    hostIp: text,
    hostPort: whole(0, 65_535),
    containerPort: whole(1, 65_535),
  },
  { additionalProperties: false },
);

/** {@link EndpointOptions}, as far as JSON can say them; the controller checks what they mean. */
const endpointFields = {
  name: Type.Optional(text),
  ips: Type.Optional(texts),
  mac: Type.Optional(text),
  aliases: Type.Optional(texts),
  ports: Type.Optional(
    expects('a list of { protocol, hostIp, hostPort, containerPort }', Type.Array(expects('an object', publishedPort))),
  ),
  options: Type.Optional(words),
};

const reference = expects('a name or id', Type.String({ minLength: 1 }));

const attachment = Type.Object({ network: reference, ...endpointFields }, { additionalProperties: false });

interface Attachment extends EndpointOptions {
  network: string;
}

/** The rest is for the controller to check. */
const sandboxBody = Type.Object({
  networks: Type.Optional(
    expects('a list of networks', Type.Array(expects('an object with the name of a network', attachment))),
  ),
});

const connectBody = Type.Object({ sandbox: reference, ...endpointFields }, { additionalProperties: false });

export function sandboxRoutes(controller: Controller): Route[] {
  const one = ({ params }: ApiRequest) => controller.sandbox(params['ref']!);
  return [
    {
      method: 'GET',
      path: '/overlane/sandboxes',
      handle: () => ({ status: 200, json: controller.sandboxes.map((sandbox) => sandboxJson(controller, sandbox)) }),
    },
    { method: 'POST', path: '/overlane/sandboxes', handle: ({ body }) => create(controller, body) },
    {
      method: 'GET',
      path: '/overlane/sandboxes/{ref}',
      handle: (request) => ({ status: 200, json: sandboxJson(controller, one(request)) }),
    },
    {
      method: 'DELETE',
      path: '/overlane/sandboxes/{ref}',
      handle: async (request) => {
        await one(request).delete();
        return { status: 204 };
      },
    },
    { method: 'POST', path: '/overlane/networks/{ref}/connect', handle: (request) => connect(controller, request) },
  ];
}

async function create(controller: Controller, body: unknown): Promise<Reply> {
  const { networks = [], ...options } = checkBody<Omit<SandboxOptions, 'networks'> & { networks?: Attachment[] }>(
    sandboxBody,
    body ?? {},
  );
  const wanted = networks.map(({ network, ...rest }) => ({ network: controller.network(network), ...rest }));
  const sandbox = await controller.createSandbox({ ...options, networks: wanted });
  return { status: 201, json: sandboxJson(controller, sandbox) };
}

async function connect(controller: Controller, { params, body }: ApiRequest): Promise<Reply> {
  const { sandbox: ref, ...options } = checkBody<EndpointOptions & { sandbox: string }>(connectBody, body);
  const network = controller.network(params['ref']!);
  const sandbox = controller.sandbox(ref);
  refuseSecond(network, sandbox);
  const endpoint = await network.connect(sandbox, options);
  return { status: 201, json: endpointJson(controller, endpoint) };
}

export function sandboxJson(controller: Controller, sandbox: Sandbox) {
  const { id, name, created, kind, hostname, labels } = sandbox.record;
  const endpoints = sandbox.endpoints.map((endpoint) => endpointJson(controller, endpoint));
  return { id, name, created, kind, netns: sandbox.netns, hostname, labels, files: sandbox.files, endpoints };
}

function endpointJson(controller: Controller, endpoint: Endpoint) {
  const { id, name, network, mac, addresses, interface: link, ports, aliases } = endpoint.record;
  const { name: networkName, driver } = controller.network(network).record;
  return {
    id,
    name,
    network,
    networkName,
    driver,
    interface: link,
    mac,
    addresses: addresses.map(({ address }) => address),
    ports,
    aliases,
    port: endpoint.port,
  };
}

/** The body of `POST /networks/create`, and what it asks of the controller. */

import type { NetworkOptions, SubnetOptions } from '../../cnm/options.js';
import { expects, flag, text } from '../../dataplane/check.js';
import Type from '../../schema.js';
import { checkBody } from '../body.js';
import { HttpError } from '../errors.js';

const words = expects('an object of text by text', Type.Record(Type.String(), Type.String()));

interface Config {
  Subnet?: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
  AuxAddress?: Record<string, string>;
}

interface Body {
  Name: string;
  Driver?: string;
  Scope?: string;
  Internal?: boolean;
  Attachable?: boolean;
  Ingress?: boolean;
  EnableIPv4?: boolean;
  EnableIPv6?: boolean;
  ConfigOnly?: boolean;
  ConfigFrom?: { Network?: string };
  IPAM?: { Driver?: string; Options?: Record<string, string>; Config?: Config[] };
  Options?: Record<string, string>;
  Labels?: Record<string, string>;
}

const config = Type.Object({
  Subnet: Type.Optional(text),
  IPRange: Type.Optional(text),
  Gateway: Type.Optional(text),
  AuxiliaryAddresses: Type.Optional(words),
  AuxAddress: Type.Optional(words),
});

/** Fields that it does not name are let through, as Docker does: clients are newer than the server. */
const schema = Type.Object({
  Name: expects('the name of the network', Type.String()),
  Driver: Type.Optional(text),
  Scope: Type.Optional(text),
  Internal: Type.Optional(flag),
  Attachable: Type.Optional(flag),
  Ingress: Type.Optional(flag),
  EnableIPv4: Type.Optional(flag),
  EnableIPv6: Type.Optional(flag),
  ConfigOnly: Type.Optional(flag),
  ConfigFrom: Type.Optional(expects('an object', Type.Object({ Network: Type.Optional(text) }))),
  IPAM: Type.Optional(
    expects(
      'an object',
      Type.Object({
        Driver: Type.Optional(text),
        Options: Type.Optional(words),
        Config: Type.Optional(expects('a list of subnets', Type.Array(expects('an object', config)))),
      }),
    ),
  ),
  Options: Type.Optional(words),
  Labels: Type.Optional(words),
});

/** @throws {HttpError} 400 for what is wrong, 501 or 400 for what only Docker Swarm has. */
export function readCreate(given: unknown): NetworkOptions {
  const body = checkBody<Body>(schema, given);
  refuseUnsupported(body);
  const { IPAM: ipam = {} } = body;
  const subnets = (ipam.Config ?? []).map(subnetOf).filter((one) => Object.keys(one).length > 0);
  return {
    name: body.Name,
    ...(body.Driver ? { driver: body.Driver } : {}),
    ...(subnets.length > 0 ? { subnets } : {}),
    ipamOptions: ipam.Options ?? {},
    internal: body.Internal ?? false,
    attachable: body.Attachable ?? false,
    // Old clients say false without being asked to: an IPv6 subnet asks for IPv6.
    ...(body.EnableIPv6 ? { ipv6: true } : {}),
    labels: body.Labels ?? {},
    options: body.Options ?? {},
  };
}

function refuseUnsupported(body: Body): void {
  const refuse = (status: number, message: string) => {
    throw new HttpError(status, message);
  };
  if (body.Ingress)
    refuse(501, 'ingress networks are not supported: overlaned has no routing mesh; leave --ingress out');
  if (body.ConfigOnly) refuse(501, 'configuration-only networks are not supported; give each network its own options');
  if (body.ConfigFrom?.Network) {
    refuse(501, 'networks made from a configuration-only network are not supported; give each network its own options');
  }
  if (body.Scope) refuse(400, `the scope of a network is that of its driver; leave scope '${body.Scope}' out`);
  if (body.EnableIPv4 === false) refuse(501, 'networks without IPv4 are not supported; leave EnableIPv4 out');
  const driver = body.IPAM?.Driver ?? '';
  if (driver !== '' && driver !== 'default') {
    refuse(400, `invalid ipam driver: '${driver}'; there is only 'default'`);
  }
}

/** Empty text counts as left out, as Docker has it. */
function subnetOf(config: Config): SubnetOptions {
  const { Subnet, IPRange, Gateway, AuxiliaryAddresses: aux = config.AuxAddress } = config;
  return {
    ...(Subnet ? { subnet: Subnet } : {}),
    ...(IPRange ? { range: IPRange } : {}),
    ...(Gateway ? { gateway: Gateway } : {}),
    ...(aux !== undefined && Object.keys(aux).length > 0 ? { aux } : {}),
  };
}

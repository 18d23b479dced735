/** Options of networks, sandboxes and endpoints, as a caller gives them. */

import { isIP } from 'node:net';
import type { IpAddress, MacAddress } from '../dataplane/addresses.js';
import {
  address,
  checkOptions,
  expects,
  flag,
  oneOf,
  optionError,
  optionsOf,
  shown,
  text,
  whole,
} from '../dataplane/check.js';
import Type from '../schema.js';
import type { Network } from './network.js';
import type { PublishedPort } from './records.js';

/** One subnet asked for. */
export interface SubnetOptions {
  /** `172.28.0.0/16`; default: the next free one of the default pools. */
  subnet?: string;
  /** Part of the subnet that addresses are chosen from. */
  range?: string;
  gateway?: string;
  /** Addresses to keep clear of, by what has them. */
  aux?: Record<string, string>;
}

/** Options of {@link Controller.createNetwork}. */
export interface NetworkOptions {
  /** A letter or digit, then letters, digits, `_`, `.` and `-`; at most 255. */
  name: string;
  /** Default `bridge`. */
  driver?: string;
  /** Default: one IPv4 subnet of the default pools, and one of IPv6 with `ipv6`. */
  subnets?: SubnetOptions[];
  /** Options of the IPAM, kept and shown. */
  ipamOptions?: Record<string, string>;
  /** No way out of the network. Default false. */
  internal?: boolean;
  /** Kept and shown; every network can be joined by every sandbox. Default false. */
  attachable?: boolean;
  /** An IPv6 subnet too. Default: whether `subnets` has one. */
  ipv6?: boolean;
  labels?: Record<string, string>;
  /** Of the driver. */
  options?: Record<string, string>;
}

/** Options of {@link Controller.createSandbox}. */
export interface SandboxOptions {
  /** As a network's; default made up of the id. */
  name?: string;
  /** An existing network namespace: a path, or a name below `/run/netns`. Default: one is made, and removed with the sandbox. */
  netns?: string;
  /** The namespace of the host itself, for the network `host`. Default false. */
  host?: boolean;
  /** Default the first 12 digits of the id. */
  hostname?: string;
  labels?: Record<string, string>;
  dns?: { servers?: string[]; search?: string[]; options?: string[] };
  /** Further lines of the hosts file: name → address. */
  hosts?: Record<string, string>;
  /** Networks to be on from the beginning, in this order: all of them, or there is no sandbox. */
  networks?: (EndpointOptions & { network: Network })[];
}

/** Options of {@link Network.createEndpoint}. */
export interface EndpointOptions {
  /** Default made up of the id. */
  name?: string;
  /** IPv4 and IPv6 addresses to have; default: the next free one of each family. */
  ips?: IpAddress[];
  /** Default `02:42` and the IPv4 address; without one, random. */
  mac?: MacAddress;
  aliases?: string[];
  /** Ports of the host that lead here. */
  ports?: PublishedPort[];
  /** Of the driver. */
  options?: Record<string, string>;
}

const words = (what: string) => expects(what, Type.Record(Type.String(), Type.String()));
const texts = (what: string) => expects(what, Type.Array(Type.String()));
const labels = words('an object of text by text');

const schemas = {
  subnet: optionsOf<SubnetOptions>({
    subnet: Type.Optional(text),
    range: Type.Optional(text),
    gateway: Type.Optional(text),
    aux: Type.Optional(words('an object of names and addresses')),
  }),
  network: optionsOf<NetworkOptions>({
    name: text,
    driver: Type.Optional(text),
    subnets: Type.Optional(expects('a list of subnets', Type.Array(Type.Unknown()))),
    ipamOptions: Type.Optional(labels),
    internal: Type.Optional(flag),
    attachable: Type.Optional(flag),
    ipv6: Type.Optional(flag),
    labels: Type.Optional(labels),
    options: Type.Optional(labels),
  }),
  sandbox: optionsOf<SandboxOptions>({
    name: Type.Optional(text),
    netns: Type.Optional(text),
    host: Type.Optional(flag),
    hostname: Type.Optional(text),
    labels: Type.Optional(labels),
    dns: Type.Optional(
      expects(
        'an object of servers, search and options',
        optionsOf<NonNullable<SandboxOptions['dns']>>({
          servers: Type.Optional(texts('a list of addresses')),
          search: Type.Optional(texts('a list of domains')),
          options: Type.Optional(texts('a list of options of resolv.conf')),
        }),
      ),
    ),
    hosts: Type.Optional(words('an object of names and addresses')),
    networks: Type.Optional(expects('a list of networks and what to have there', Type.Array(Type.Object({})))),
  }),
  port: optionsOf<PublishedPort>({
    protocol: oneOf('tcp', 'udp'),
    hostIp: text,
    hostPort: whole(0, 65535),
    containerPort: whole(1, 65535),
  }),
  endpoint: optionsOf<EndpointOptions>({
    name: Type.Optional(text),
    ips: Type.Optional(expects('a list of addresses', Type.Array(address))),
    mac: Type.Optional(address),
    aliases: Type.Optional(texts('a list of names')),
    ports: Type.Optional(expects('a list of published ports', Type.Array(Type.Unknown()))),
    options: Type.Optional(labels),
  }),
};

/** What Docker takes for a name of a network or container. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;
const HOSTNAME = /^(?!-)[a-zA-Z0-9-]{1,63}(?<!-)(\.(?!-)[a-zA-Z0-9-]{1,63}(?<!-))*$/;

export function checkName(value: string, noun: string): void {
  if (NAME.test(value)) return;
  throw optionError(
    `${shown(value)} is no name of a ${noun}; write up to 255 letters, digits, '_', '.' and '-', beginning with a letter or digit`,
  );
}

export function checkNetwork(options: NetworkOptions): void {
  checkOptions(schemas.network, options, 'createNetwork');
  checkName(options.name, 'network');
  for (const [i, subnet] of (options.subnets ?? []).entries()) {
    checkOptions(schemas.subnet, subnet, `createNetwork, subnets[${i}]`);
  }
  checkWords(options.labels, 'label');
  checkWords(options.options, 'driver option');
  checkWords(options.ipamOptions, 'IPAM option');
}

export function checkSandbox(options: SandboxOptions): void {
  checkOptions(schemas.sandbox, options, 'createSandbox');
  if (options.name !== undefined) checkName(options.name, 'sandbox');
  if (options.hostname !== undefined && !HOSTNAME.test(options.hostname)) {
    throw optionError(`${shown(options.hostname)} is no hostname; write letters, digits and '-', in parts of up to 63`);
  }
  if (options.host === true && options.netns !== undefined) {
    throw optionError(
      "options 'host' and 'netns' of createSandbox exclude each other: the host's namespace is one already",
    );
  }
  for (const { network, ...rest } of options.networks ?? []) {
    if (!(network instanceof Object)) throw optionError("option 'networks' of createSandbox needs a 'network' each");
    checkEndpoint(rest);
  }
  for (const server of options.dns?.servers ?? []) checkIp(server, 'DNS server');
  for (const line of [...(options.dns?.search ?? []), ...(options.dns?.options ?? [])])
    checkLine(line, 'option of dns');
  for (const [name, ip] of Object.entries(options.hosts ?? {})) {
    checkLine(name, 'name in hosts');
    checkIp(ip, `address of ${name} in hosts`);
  }
  checkWords(options.labels, 'label');
}

export function checkEndpoint(options: EndpointOptions): void {
  checkOptions(schemas.endpoint, options, 'createEndpoint');
  if (options.name !== undefined) checkName(options.name, 'endpoint');
  for (const alias of options.aliases ?? []) checkLine(alias, 'alias');
  for (const [i, port] of (options.ports ?? []).entries()) {
    checkOptions(schemas.port, port, `createEndpoint, ports[${i}]`);
    checkIp(port.hostIp, `createEndpoint, ports[${i}]: hostIp`);
  }
  checkWords(options.options, 'driver option');
}

function checkIp(value: string, what: string): void {
  if (isIP(value) === 0) throw optionError(`${what}: ${shown(value)} is no IP address`);
}

/** What goes into a file of lines and words must not make more of them. */
function checkLine(value: string, what: string): void {
  if (!/^[^\s#\0]{1,253}$/.test(value))
    throw optionError(`${what}: ${shown(value)} must be one word of up to 253 characters`);
}

function checkWords(given: Record<string, string> | undefined, what: string): void {
  for (const [key, value] of Object.entries(given ?? {})) {
    if (key === '' || key.length > 4096 || value.length > 65536 || key.includes('\0') || value.includes('\0')) {
      throw optionError(
        `the ${what} ${shown(key)} must have a name of 1 to 4096 and a value of at most 65536 characters, without NUL`,
      );
    }
  }
}

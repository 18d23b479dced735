/** What the store keeps of networks, sandboxes and endpoints: plain JSON, from which everything is rebuilt after a restart. */

import type { Pool } from './ipam/ipam.js';

/** Anything that JSON can say. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** How far a network reaches: this node, or every node that has an endpoint on it. */
export type Scope = 'local' | 'global';

export interface NetworkRecord {
  /** 64 hexadecimal digits. */
  id: string;
  name: string;
  driver: string;
  scope: Scope;
  /** ISO 8601, UTC. */
  created: string;
  /** No way out. */
  internal: boolean;
  attachable: boolean;
  ipv6: boolean;
  labels: Record<string, string>;
  /** Of the driver, as they were given. */
  options: Record<string, string>;
  /** Of the IPAM, as they were given. */
  ipamOptions: Record<string, string>;
  /** Its subnets, as they were settled when it was made. */
  pools: Pool[];
  /** What the driver settled when the network was made. */
  settled: Record<string, Json>;
  /** Made with the controller, and not to be removed. */
  predefined: boolean;
}

/** What a sandbox is: a namespace that we made, one that was given to us, or the host's own. */
export type SandboxKind = 'own' | 'given' | 'host';

export interface SandboxRecord {
  id: string;
  /** Its first networks are being joined; a restart removes it, as nobody has been told of it. */
  pending: boolean;
  name: string;
  created: string;
  kind: SandboxKind;
  /** Absolute path of the network namespace. */
  netns: string;
  hostname: string;
  labels: Record<string, string>;
  dns: DnsRecord;
  /** Lines of the hosts file beside those of its own addresses: name → address. */
  hosts: Record<string, string>;
}

/** What goes into resolv.conf; empty lists: what the host has. */
export interface DnsRecord {
  servers: string[];
  search: string[];
  options: string[];
}

/** A port of the host that leads to one of the endpoint. */
export interface PublishedPort {
  protocol: 'tcp' | 'udp';
  /** `0.0.0.0` and `::`: every address of the host. */
  hostIp: string;
  /** When it is asked for, 0: a free one. */
  hostPort: number;
  containerPort: number;
}

export interface EndpointAddress {
  pool: string;
  /** With the prefix length of the subnet: `172.18.0.2/16`. */
  address: string;
}

export interface EndpointRecord {
  id: string;
  name: string;
  network: string;
  /** Null: not joined. */
  sandbox: string | null;
  created: string;
  /** Null on networks without interfaces. */
  mac: string | null;
  addresses: EndpointAddress[];
  /** Name of the interface in the sandbox; null: not joined, or there is none. */
  interface: string | null;
  /** Rank among the endpoints of the sandbox: the lowest that leads out has the default route. */
  rank: number;
  aliases: string[];
  ports: PublishedPort[];
  /** Of the driver, as they were given. */
  options: Record<string, string>;
}

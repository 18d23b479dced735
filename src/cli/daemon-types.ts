/** What overlaned answers: Docker's API 1.41 as far as networks go, and its own `/overlane`. */
import type { PublishedPort, SandboxRecord } from '../cnm/records.js';
import type { FdbEntry, NeighborEntry } from '../dataplane/bridge-entries.js';
import type { Accounting } from '../dataplane/counters.js';

/** A network of `GET /networks`. */
export interface NetworkResource {
  Name: string;
  Id: string;
  /** ISO 8601. */
  Created: string;
  Scope: string;
  Driver: string;
  EnableIPv6: boolean;
  Internal: boolean;
  Labels: Record<string, string> | null;
}

/** An endpoint that is in a sandbox. */
export interface EndpointView {
  id: string;
  name: string;
  /** Id of the network. */
  network: string;
  networkName: string;
  driver: string;
  interface: string | null;
  mac: string | null;
  /** With prefix lengths. */
  addresses: string[];
  ports: PublishedPort[];
  aliases: string[];
  /** Its port of the dataplane. */
  port: string | null;
}

/** What is told of a sandbox as it is kept. */
type Told = 'id' | 'name' | 'created' | 'kind' | 'netns' | 'hostname' | 'labels';

/** A sandbox of `GET /overlane/sandboxes`. */
export interface SandboxView extends Pick<SandboxRecord, Told> {
  /** Paths of the files to mount over those of /etc. */
  files: { resolvConf: string; hosts: string; hostname: string };
  endpoints: EndpointView[];
}

export interface BridgeView {
  name: string;
  underlay: string | null;
  mtu: number;
  /** `vlan` null: of all frames, or of the untagged ones. */
  vnis: { vlan: number | null; vni: number }[];
  encryption: unknown;
  /** Names of ports. */
  ports: string[];
  fdb: FdbEntry[];
  neighbors: NeighborEntry[];
}

export interface PortView {
  name: string;
  type: string;
  interface: string | null;
  netns: string | null;
  mtu: number;
  error: string | null;
  /** Decimal; those that are zero are left out. */
  counters: Record<string, string>;
}

/** What `GET /overlane/inspect` answers; the numbers of `counters` are decimal strings. */
export interface InspectView {
  networks: { id: string; name: string; driver: string; bridges: BridgeView[] }[];
  ports: PortView[];
  counters: Record<keyof Accounting, string> & { balanced: boolean };
}

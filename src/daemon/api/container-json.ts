/** A sandbox in the shapes that Docker's API has for containers (Engine API 1.41, ContainerInspect and ContainerList). */
import type { Controller } from '../../cnm/controller.js';
import type { EndpointRecord, NetworkRecord, PublishedPort } from '../../cnm/records.js';
import type { Sandbox } from '../../cnm/sandbox.js';

type Shown = Record<string, unknown>;

export function containerSummary(controller: Controller, sandbox: Sandbox): Shown {
  const { id, name, created, labels } = sandbox.record;
  return {
    Id: id,
    Names: [`/${name}`],
    Image: '',
    ImageID: '',
    Command: '',
    Created: Math.floor(Date.parse(created) / 1000),
    Ports: portsOf(sandbox).map(({ hostIp, hostPort, containerPort, protocol }) => ({
      IP: hostIp,
      PrivatePort: containerPort,
      PublicPort: hostPort,
      Type: protocol,
    })),
    Labels: labels,
    State: 'running',
    Status: 'Up',
    HostConfig: { NetworkMode: networkMode(controller, sandbox) },
    NetworkSettings: { Networks: networksJson(controller, sandbox) },
    Mounts: [],
  };
}

export function containerInspect(controller: Controller, sandbox: Sandbox): Shown {
  const { id, name, created, hostname, labels, netns, kind } = sandbox.record;
  const files = sandbox.files;
  return {
    Id: id,
    Created: created,
    Path: '',
    Args: [],
    State: {
      Status: 'running',
      Running: true,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      Pid: 0,
    },
    Image: '',
    ResolvConfPath: files.resolvConf,
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    Name: `/${name}`,
    Driver: 'overlane',
    Platform: 'linux',
    HostConfig: { NetworkMode: networkMode(controller, sandbox) },
    Mounts: [],
    Config: { Hostname: hostname, Domainname: '', Image: '', Labels: labels },
    NetworkSettings: {
      SandboxID: id,
      SandboxKey: kind === 'host' ? '' : netns,
      Ports: portMap(portsOf(sandbox)),
      Networks: networksJson(controller, sandbox),
    },
  };
}

function portsOf(sandbox: Sandbox): PublishedPort[] {
  return sandbox.endpoints.flatMap(({ record }) => record.ports);
}

/** `{ '80/tcp': [{ HostIp, HostPort }] }` */
function portMap(ports: PublishedPort[]): Shown {
  const map: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { protocol, containerPort, hostIp, hostPort } of ports) {
    const key = `${containerPort}/${protocol}`;
    map[key] = [...(map[key] ?? []), { HostIp: hostIp, HostPort: String(hostPort) }];
  }
  return map;
}

function networkMode(controller: Controller, sandbox: Sandbox): string {
  const [first] = sandbox.endpoints;
  if (first !== undefined) return controller.network(first.record.network).name;
  return sandbox.record.kind === 'host' ? 'host' : 'none';
}

function networksJson(controller: Controller, sandbox: Sandbox): Shown {
  const entries = sandbox.endpoints.map(({ record }) => {
    const network = controller.network(record.network).record;
    return [network.name, endpointJson(network, record)];
  });
  return Object.fromEntries(entries) as Shown;
}

/** Docker's EndpointSettings. */
function endpointJson(network: NetworkRecord, endpoint: EndpointRecord): Shown {
  const of = (six: boolean) => {
    const found = endpoint.addresses.find(({ address }) => address.includes(':') === six);
    const [ip = '', prefix = '0'] = found?.address.split('/') ?? [];
    const gateway = network.internal ? null : network.pools.find(({ id }) => id === found?.pool)?.gateway;
    return { ip, prefix: Number(prefix), gateway: gateway ?? '' };
  };
  const [four, six] = [of(false), of(true)];
  return {
    IPAMConfig: {},
    Links: null,
    Aliases: endpoint.aliases,
    NetworkID: network.id,
    EndpointID: endpoint.id,
    Gateway: four.gateway,
    IPAddress: four.ip,
    IPPrefixLen: four.prefix,
    IPv6Gateway: six.gateway,
    GlobalIPv6Address: six.ip,
    GlobalIPv6PrefixLen: six.prefix,
    MacAddress: endpoint.mac ?? '',
    DriverOpts: endpoint.options,
  };
}

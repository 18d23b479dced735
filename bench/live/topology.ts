/** Topology files for the `overlane run` of either host. All that is known here about their format is in this file. */
import { stringify } from 'yaml';
import { CONTAINERS, ENCRYPTED_MTU, HOSTS, OVERLAY_MTU, VNI } from './setup.js';

/** What carries the outer packets: a UDP socket of the kernel, or complete frames through a port of this type. */
export type Wire = 'udp' | 'packet' | 'xdp';

/** The underlay's addresses where no kernel owns them. */
const FRAME_HOSTS = ['192.168.78.1', '192.168.78.2'] as const;
const FRAME_MACS = ['02:00:c0:a8:4e:01', '02:00:c0:a8:4e:02'] as const;

/** Profile of an encrypted overlay. */
export type Profile = keyof typeof ENCRYPTED_MTU;

/** Bytes of the largest packet between the containers; without a profile that of cleartext. */
export function overlayMtu(profile?: Profile): number {
  return profile === undefined ? OVERLAY_MTU : ENCRYPTED_MTU[profile];
}

function containerPort(at: 0 | 1, netns: string, profile?: Profile): object {
  const { mac, ip } = CONTAINERS[at];
  return { type: 'tap', netns, name: 'eth0', mac, addresses: [`${ip}/24`], mtu: overlayMtu(profile) };
}

export interface HostTopology {
  /** Which of the two hosts. */
  at: 0 | 1;
  wire: Wire;
  /** Path of the container's namespace, and of the host's. */
  container: string;
  host: string;
  /** The host's device on the underlay. */
  device: string;
  /** Default: cleartext. */
  encryption?: { profile: Profile; keys: string };
}

/** One host of an overlay: a container's TAP device, a bridge, and the underlay. */
export function overlayTopology({ at, wire, container, host, device, encryption }: HostTopology): string {
  const other = at === 0 ? 1 : 0;
  const framed = wire !== 'udp';
  const ends = framed ? FRAME_HOSTS : HOSTS;
  const port = { wire: { type: wire, interface: device, netns: host } };
  const underlay = framed
    ? { type: 'frame', port: 'wire', mac: FRAME_MACS[at], local: `${ends[at]}/24` }
    : { type: 'udp', local: ends[at], netns: host };
  const peer = CONTAINERS[other];
  const bridge = { vni: VNI, underlay: 'u0', ports: ['c1'], proxyArp: true, unknownUnicast: 'drop' };
  return stringify({
    ports: { c1: containerPort(at, container, encryption?.profile), ...(framed ? port : {}) },
    underlays: { u0: underlay },
    bridges: { br0: { ...bridge, ...(encryption && { encryption }) } },
    peers: [{ vni: VNI, mac: peer.mac, ip: peer.ip, vtep: ends[other] }],
  });
}

/** Two containers on one host's bridge. */
export function bridgeTopology(containers: readonly [string, string]): string {
  return stringify({
    ports: { c1: containerPort(0, containers[0]), c2: containerPort(1, containers[1]) },
    bridges: { br0: { ports: ['c1', 'c2'] } },
  });
}

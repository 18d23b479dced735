/** overlane itself: one `overlane run` a host, over each kind of underlay; and a bridge on one host. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab.js';
import { root } from '../root.js';
import type { Setup } from '../setup.js';
import { bridgeTopology, overlayMtu, overlayTopology, type Profile, type Wire } from '../topology.js';
import { twoHosts, UNDERLAY } from './hosts.js';

const CLI = join(root, 'dist', 'cli', 'main.js');
const missing = () => (existsSync(CLI) ? null : `${CLI} does not exist (npm run build)`);

/** It enters the namespaces by itself, so it runs where this process runs. */
function start(lab: Lab, side: string, name: string, topology: string): void {
  lab.daemon(side, null, process.execPath, [CLI, 'run', lab.file(name, topology)]);
}

/** A key file for the hosts of one lab. */
function keyFile(lab: Lab, profile: Profile): string {
  const secret = randomBytes(profile === 'strong' ? 32 : 16).toString('hex');
  const since = profile === 'strong' ? ` since ${new Date().toISOString().slice(0, 10)}` : '';
  return lab.file('overlay.key', `${profile} 1 ${secret}${since}\n`);
}

interface OverlayOptions {
  quick?: boolean;
  /** Default: cleartext. */
  profile?: Profile;
}

function overlay(wire: Wire, name: string, about: string, { quick = false, profile }: OverlayOptions = {}): Setup {
  return {
    name,
    about: `${about}, one process a host, MTU ${overlayMtu(profile)}`,
    kind: 'overlay',
    own: true,
    ...(profile && { plain: `overlane ${wire}` }),
    quick,
    missing,
    async up(lab) {
      const hosts = await twoHosts(lab, wire === 'udp');
      const encryption = profile && { profile, keys: keyFile(lab, profile) };
      for (const at of [0, 1] as const) {
        const { host, container } = hosts[at];
        const places = { container: container.path, host: host.path, device: UNDERLAY };
        const topology = overlayTopology({ at, wire, ...places, ...(encryption && { encryption }) });
        start(lab, `host ${at + 1}`, `host${at + 1}.yaml`, topology);
      }
      return { a: hosts[0].container, b: hosts[1].container };
    },
  };
}

export const overlaneUdp = overlay('udp', 'overlane udp', 'TAP ports, UDP socket as underlay', { quick: true });
export const overlaneEncrypted = overlay('udp', 'overlane udp, encrypted', 'TAP ports, ESP in UDP through sockets', {
  profile: 'strong',
});
export const overlaneDocker = overlay('udp', 'overlane udp, docker profile', 'TAP ports, ESP through raw sockets', {
  profile: 'docker',
});
export const overlanePacket = overlay('packet', 'overlane packet', 'TAP ports, outer frames through AF_PACKET');
export const overlaneXdp = overlay('xdp', 'overlane xdp', 'TAP ports, outer frames through AF_XDP');

export const overlaneBridge: Setup = {
  name: 'overlane bridge',
  about: 'two TAP ports on the bridge of one process',
  kind: 'local',
  own: true,
  missing,
  async up(lab) {
    const [a, b] = [await lab.namespace('c1'), await lab.namespace('c2')];
    start(lab, 'host', 'host.yaml', bridgeTopology([a.path, b.path]));
    return { a, b };
  },
};

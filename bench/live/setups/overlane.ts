/** overlane itself: one `overlane run` a host, over each kind of underlay; and a bridge on one host. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab.js';
import { root } from '../root.js';
import { OVERLAY_MTU, type Setup } from '../setup.js';
import { bridgeTopology, overlayTopology, type Wire } from '../topology.js';
import { twoHosts, UNDERLAY } from './hosts.js';

const CLI = join(root, 'dist', 'cli', 'main.js');
const missing = () => (existsSync(CLI) ? null : `${CLI} does not exist (npm run build)`);

/** It enters the namespaces by itself, so it runs where this process runs. */
function start(lab: Lab, side: string, name: string, topology: string): void {
  lab.daemon(side, null, process.execPath, [CLI, 'run', lab.file(name, topology)]);
}

function overlay(wire: Wire, name: string, about: string, quick = false): Setup {
  return {
    name,
    about: `${about}, one process a host, MTU ${OVERLAY_MTU}`,
    kind: 'overlay',
    own: true,
    quick,
    missing,
    async up(lab) {
      const hosts = await twoHosts(lab, wire === 'udp');
      for (const at of [0, 1] as const) {
        const { host, container } = hosts[at];
        const topology = { at, wire, container: container.path, host: host.path, device: UNDERLAY };
        start(lab, `host ${at + 1}`, `host${at + 1}.yaml`, overlayTopology(topology));
      }
      return { a: hosts[0].container, b: hosts[1].container };
    },
  };
}

export const overlaneUdp = overlay('udp', 'overlane udp', 'TAP ports, UDP socket as underlay', true);
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

/** The kernel's own: bridge and vxlan devices as Docker's overlay driver sets them up, and a bridge on one host. */
import { missingPrograms } from '../../peers/peer.js';
import type { Lab, Namespace } from '../lab.js';
import { addressesOf, CONTAINERS, HOSTS, OVERLAY_MTU, type Setup, VNI, VXLAN_PORT } from '../setup.js';
import { twoHosts } from './hosts.js';

const missing = () => missingPrograms(['ip', 'bridge'], 'iproute2');

/** A container on a bridge of `host`, over a veth pair. */
async function plug(lab: Lab, host: Namespace, container: Namespace, at: 0 | 1): Promise<void> {
  const { mac } = CONTAINERS[at];
  await lab.veth(
    { at: container, name: 'eth0', mac, addresses: addressesOf(CONTAINERS[at]) },
    { at: host, name: `c${at + 1}` },
    OVERLAY_MTU,
  );
  await host.ip('link', 'set', `c${at + 1}`, 'master', 'br0');
}

async function addBridge(host: Namespace): Promise<void> {
  await host.ip('link', 'add', 'br0', 'mtu', `${OVERLAY_MTU}`, 'type', 'bridge');
  await host.ip('link', 'set', 'br0', 'up');
}

async function addVxlan(host: Namespace, at: 0 | 1): Promise<void> {
  const [local, remote] = at === 0 ? HOSTS : [HOSTS[1], HOSTS[0]];
  const options = ['id', `${VNI}`, 'dstport', `${VXLAN_PORT}`, 'local', local, 'nolearning'];
  await host.ip('link', 'add', 'vxlan0', 'mtu', `${OVERLAY_MTU}`, 'type', 'vxlan', ...options);
  await host.ip('link', 'set', 'vxlan0', 'master', 'br0', 'up');
  // The other container, and where broadcast goes.
  for (const mac of [CONTAINERS[1 - at]!.mac, '00:00:00:00:00:00']) {
    await host.run('bridge', ['fdb', 'append', mac, 'dev', 'vxlan0', 'dst', remote, 'self', 'permanent']);
  }
}

export const kernelVxlan: Setup = {
  name: 'kernel vxlan',
  about: `veth, bridge and vxlan device on two hosts, static FDB, MTU ${OVERLAY_MTU}`,
  kind: 'overlay',
  quick: true,
  missing,
  async up(lab) {
    const hosts = await twoHosts(lab);
    for (const at of [0, 1] as const) {
      const { host, container } = hosts[at];
      await addBridge(host);
      await plug(lab, host, container, at);
      await addVxlan(host, at);
    }
    return { a: hosts[0].container, b: hosts[1].container };
  },
};

export const kernelBridge: Setup = {
  name: 'kernel bridge',
  about: 'two veth pairs and a bridge on one host',
  kind: 'local',
  missing,
  async up(lab) {
    const host = await lab.namespace('h1');
    const [a, b] = [await lab.namespace('c1'), await lab.namespace('c2')];
    await addBridge(host);
    await plug(lab, host, a, 0);
    await plug(lab, host, b, 1);
    return { a, b };
  },
};

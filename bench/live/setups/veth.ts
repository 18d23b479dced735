/** The ceiling: one veth pair from container to container. */
import { missingPrograms } from '../../peers/peer.js';
import { addressesOf, CONTAINERS, OVERLAY_MTU, type Setup } from '../setup.js';

export const veth: Setup = {
  name: 'bare veth',
  about: 'one veth pair from container to container, MTU 1450: the ceiling',
  kind: 'ceiling',
  quick: true,
  missing: () => missingPrograms(['ip'], 'iproute2'),
  async up(lab) {
    const [a, b] = [await lab.namespace('c1'), await lab.namespace('c2')];
    await lab.veth(
      { at: a, name: 'eth0', mac: CONTAINERS[0].mac, addresses: addressesOf(CONTAINERS[0]) },
      { at: b, name: 'eth0', mac: CONTAINERS[1].mac, addresses: addressesOf(CONTAINERS[1]) },
      OVERLAY_MTU,
    );
    return { a, b };
  },
};

/** All setups, in the order of the report. */
import type { Setup } from '../setup.js';
import { kernelBridge, kernelVxlan } from './kernel.js';
import {
  overlaneBridge,
  overlaneDocker,
  overlaneEncrypted,
  overlanePacket,
  overlaneUdp,
  overlaneXdp,
} from './overlane.js';
import { nebula, wireguardGo } from './peers.js';
import { veth } from './veth.js';

export const SETUPS: readonly Setup[] = [
  veth,
  kernelVxlan,
  overlaneUdp,
  overlaneEncrypted,
  overlaneDocker,
  overlanePacket,
  overlaneXdp,
  wireguardGo,
  nebula,
  kernelBridge,
  overlaneBridge,
];

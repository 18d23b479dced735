/** For networks that one bridge of the dataplane carries, called `bridgeName()`. */
import type { NetworkRecord } from '../cnm/records.js';
import type { Bridge } from '../dataplane/bridge.js';
import { type DriverContext, notOpen } from './driver.js';
import { bridgeName } from './names.js';

/** The network's bridge; undefined: it is not open. */
export function bridgeOf({ dataplane }: DriverContext, network: NetworkRecord): Bridge | undefined {
  return dataplane.bridges.get(bridgeName(network));
}

/** @throws {OverlaneError} `ERR_OVERLANE_BUSY` when it is not open. */
export function requireBridge(context: DriverContext, network: NetworkRecord): Bridge {
  const bridge = bridgeOf(context, network);
  if (bridge === undefined) throw notOpen(network);
  return bridge;
}

/** `bridges` of such a driver. */
export function bridgesOf(context: DriverContext, network: NetworkRecord): string[] {
  const bridge = bridgeOf(context, network);
  return bridge === undefined ? [] : [bridge.name];
}

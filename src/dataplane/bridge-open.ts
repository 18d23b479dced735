/** Makes a bridge of validated options, or nothing. */
import { OverlaneError } from '../errors.js';
import { Bridge } from './bridge.js';
import { vtepAddress } from './bridge-entries.js';
import type { BridgeConfig } from './bridge-options.js';
import type { State } from './state.js';
import { atomically, native } from './undo.js';

export function openBridge(state: State, name: string, config: BridgeConfig): Bridge {
  refuseUsedVni(state, config);
  config.vteps?.forEach((ip, i) => {
    vtepAddress(ip, `option 'vteps[${i}]' of addBridge`, name, config.underlay);
  });
  return atomically((step) => {
    const options = { ...config.options, name, underlay: config.underlay?.index ?? -1 };
    const index = step(
      () => native(`bridge '${name}'`, () => state.native.addBridge(options)),
      (added) => state.native.removeBridge(added),
    );
    const bridge = new Bridge(state, index, name, config);
    bridge.addConfiguredVteps();
    return state.bridges.add(bridge);
  });
}

/** What arrives with a VNI has to belong to one bridge. */
function refuseUsedVni(state: State, config: BridgeConfig): void {
  if (config.underlay === null) return;
  for (const other of state.bridges.byName.values()) {
    if (other.underlay !== config.underlay) continue;
    const shared = other.vnis.find(({ vni }) => config.options.domains.some((domain) => domain.vni === vni));
    if (shared === undefined) continue;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `VNI ${shared.vni} of underlay '${config.underlay.name}' belongs to bridge '${other.name}'; attach ports there, or choose another VNI`,
    );
  }
}

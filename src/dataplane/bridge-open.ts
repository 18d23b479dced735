/** Makes a bridge of validated options, or nothing. */
import { OverlaneError } from '../errors.js';
import type { Keyring } from '../keyring/keyring.js';
import type { Profile } from '../keyring/secret.js';
import { Bridge } from './bridge.js';
import { vtepAddress } from './bridge-entries.js';
import type { BridgeConfig } from './bridge-options.js';
import { optionError } from './check.js';
import { refuseAlike } from './keyrings.js';
import { minUnderlayMtu } from './mtu.js';
import type { State } from './state.js';
import type { Underlay } from './underlay.js';
import { atomically, native, type Step } from './undo.js';

export function openBridge(state: State, name: string, config: BridgeConfig): Bridge {
  refuseUsedVni(state, config);
  config.vteps?.forEach((ip, i) => {
    vtepAddress(ip, `option 'vteps[${i}]' of addBridge`, name, config.underlay);
  });
  return atomically((step) => {
    const { underlay, keyring, ring } = carrier(step, state, name, config);
    const options = { ...config.options, name, underlay, keyring };
    const index = step(
      () => native(`bridge '${name}'`, () => state.native.addBridge(options)),
      (added) => state.native.removeBridge(added),
    );
    const bridge = new Bridge(state, index, name, config, ring);
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

/** What a bridge is on, natively: for an encrypted one the twin of the underlay, so that cleartext never finds it. */
interface Carrier {
  /** -1: nothing. */
  underlay: number;
  /** 0: cleartext. */
  keyring: number;
  ring: Keyring | null;
}

function carrier(step: Step, state: State, name: string, { underlay, encryption }: BridgeConfig): Carrier {
  if (underlay === null || encryption === null) return { underlay: underlay?.index ?? -1, keyring: 0, ring: null };
  const ring = state.keyrings.resolve(step, encryption, name);
  refuseWorkers(underlay, ring.profile, state.workers);
  refuseSmall(underlay, ring.profile);
  for (const other of state.bridges.byName.values()) {
    if (other.underlay === underlay && other.keyring !== null) refuseAlike(ring, other.keyring);
  }
  const twin = underlay.twin(step, ring.profile);
  return { underlay: twin.index, keyring: state.keyrings.hold(step, ring), ring };
}

/** Frames of one SA may reach any worker through a port, and a replay window belongs to one. */
export function refuseWorkers({ type, name }: { type: string; name: string }, profile: Profile, workers: number): void {
  if (type !== 'frame' || profile !== 'strong' || workers < 2) return;
  throw optionError(
    `underlay '${name}' of type 'frame' cannot carry bridges with encryption profile 'strong' while there are ${workers} workers, ` +
      "as each has replay windows of its own; use an underlay of type 'udp', or one worker",
  );
}

function refuseSmall({ name, mtu, family }: Underlay, profile: Profile): void {
  const least = minUnderlayMtu(family, profile);
  if (mtu >= least) return;
  throw optionError(
    `underlay '${name}' has an MTU of ${mtu}, and encryption profile '${profile}' needs ${least} or more over IPv${family}`,
  );
}

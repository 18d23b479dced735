/** Makes an underlay of options, with its next hops, or nothing. */
import { formatIp } from '../address.js';
import { OverlaneError } from '../errors.js';
import type { NativeFrameUnderlayOptions } from '../native.js';
import { optionError } from './check.js';
import { MAX_MTU } from './mtu.js';
import { checkType } from './port-options.js';
import type { State } from './state.js';
import { FrameUnderlay, UdpUnderlay, type Underlay } from './underlay.js';
import {
  type FrameUnderlayConfig,
  type FrameUnderlayOptions,
  frameUnderlayOptions,
  type UdpUnderlayOptions,
  UNDERLAY_TYPES,
  type UnderlayOptions,
  udpUnderlayOptions,
} from './underlay-options.js';
import { atomically, native } from './undo.js';

export function openUnderlay(state: State, options: UnderlayOptions): Underlay {
  void state.native;
  checkType(options, 'addUnderlay', 'underlay', UNDERLAY_TYPES);
  return options.type === 'udp' ? openUdp(state, options) : openFrame(state, options);
}

function openFrame(state: State, options: FrameUnderlayOptions): FrameUnderlay {
  state.ports.own(options.port, "option 'port' of addUnderlay");
  const config = frameUnderlayOptions(options);
  const name = state.underlays.nameFor(options.name, 'frame');
  const { port, neighbors, family: _, ...facts } = config;
  state.claim(port, 'underlay');
  refuseSharedAddress(state, config);
  const given: NativeFrameUnderlayOptions = {
    ...facts,
    name,
    port: port.index,
    resolve: state.live,
    esp: 'none',
  };
  return atomically((step) => {
    const index = step(
      () => native(`underlay '${name}'`, () => state.native.addFrameUnderlay(given)),
      (added) => state.native.removeUnderlay(added),
    );
    for (const hop of neighbors)
      native(`underlay '${name}'`, () => state.native.addUnderlayNeighbor(index, hop.ip, hop.mac));
    return state.underlays.add(new FrameUnderlay(state, index, config, given)) as FrameUnderlay;
  });
}

function refuseSharedAddress(state: State, { port, local, udpPort }: FrameUnderlayConfig): void {
  for (const other of state.use(port).underlays) {
    if (other.local !== formatIp(local) || other.udpPort !== udpPort) continue;
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `underlay '${other.name}' receives for ${other.local} port ${udpPort} on port '${port.name}' already; ` +
        'use it, or give another local address or UDP port',
    );
  }
}

function openUdp(state: State, options: UdpUnderlayOptions): UdpUnderlay {
  const config = udpUnderlayOptions(options);
  if (!state.live) {
    throw optionError("underlay type 'udp' needs a live dataplane, but this one is in manual mode; leave out 'mode'");
  }
  const name = state.underlays.nameFor(options.name, 'udp');
  if (state.ports.byName.has(name)) {
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `there is a port '${name}' already, and a udp underlay has counters like one; choose another name`,
    );
  }
  const given = { ...config, name };
  const opened = native(`underlay '${name}'`, () => state.native.addUdpUnderlay(given));
  const facts = { mtu: Math.min(opened.mtu, MAX_MTU), row: opened.port };
  return state.underlays.add(new UdpUnderlay(state, opened.underlay, facts, given)) as UdpUnderlay;
}

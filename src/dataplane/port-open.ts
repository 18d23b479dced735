/** Makes a port of options, or nothing. */
import { OverlaneError } from '../errors.js';
import type { NativeDataplane, NativeOpened } from '../native.js';
import {
  isLive,
  type LivePortOptions,
  type Place,
  packetPortOptions,
  placeOf,
  tapPortOptions,
  xdpPortOptions,
} from './live-port-options.js';
import { MAX_MTU } from './mtu.js';
import { Port } from './port.js';
import {
  canonical,
  checkPortType,
  type MemoryPortOptions,
  memoryPortOptions,
  type PcapPortOptions,
  type PortOptions,
  pcapPortOptions,
  refuseMode,
} from './port-options.js';
import type { State } from './state.js';
import { native } from './undo.js';

export function openPort(state: State, options: PortOptions): Port {
  const side = state.native;
  checkPortType(options, 'addPort');
  refuseMode(options, state.workers);
  if (isLive(options)) return openLive(state, side, options);
  const name = state.ports.nameFor(options.name, options.type);
  return state.ports.add(
    options.type === 'memory' ? openMemory(state, side, name, options) : openPcap(state, side, name, options),
  );
}

function openMemory(state: State, side: NativeDataplane, name: string, options: MemoryPortOptions): Port {
  const config = memoryPortOptions(options, name);
  const index = native(`port '${name}'`, () => side.addMemoryPort(config));
  return new Port(state, index, { name, type: 'memory', mtu: config.mtu, loop: config.loop });
}

function openPcap(state: State, side: NativeDataplane, name: string, options: PcapPortOptions): Port {
  const config = pcapPortOptions(options, name);
  refuseSharedFile(state, options);
  const index = native(`port '${name}'`, () => side.addPcapPort(config));
  return new Port(state, index, { ...config, type: 'pcap' });
}

/** A capture that is being written is nobody else's to read or write. */
function refuseSharedFile(state: State, { read, write }: PcapPortOptions): void {
  for (const other of state.ports.byName.values()) {
    for (const [mine, theirs] of [
      [write, other.write],
      [write, other.read],
      [read, other.write],
    ] as const) {
      if (mine === undefined || theirs === null || canonical(mine) !== canonical(theirs)) continue;
      throw new OverlaneError(
        'ERR_OVERLANE_BUSY',
        `${mine} is in use by port '${other.name}'; choose another file to write to`,
      );
    }
  }
}

function openLive(state: State, side: NativeDataplane, options: LivePortOptions): Port {
  const place = placeOf(options);
  const name =
    place.name === undefined ? state.ports.firstFree(place.names) : state.ports.nameFor(place.name, place.name);
  const open = opener(side, options, place, name, state.workers);
  const { port, mtu, mac, detail } = native(`port '${name}'`, open);
  const { interface: link, netns } = place;
  const persistent = options.type === 'tap' && options.persistent === true;
  const facts = { name, type: options.type, mtu: Math.min(mtu, MAX_MTU), mac, detail, interface: link, netns };
  return state.ports.add(new Port(state, port, { ...facts, persistent }));
}

/** The options are validated now, the port is opened by the call of what comes back. */
function opener(
  side: NativeDataplane,
  options: LivePortOptions,
  place: Place,
  name: string,
  workers: number,
): () => NativeOpened {
  switch (options.type) {
    case 'tap': {
      const config = tapPortOptions(options, place, name, workers);
      return () => side.addTapPort(config);
    }
    case 'packet': {
      const config = packetPortOptions(options, place, name);
      return () => side.addPacketPort(config);
    }
    case 'xdp': {
      const config = xdpPortOptions(options, place, name);
      return () => side.addXdpPort(config);
    }
  }
}

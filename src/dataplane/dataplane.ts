/** The dataplane: ports, underlays and bridges around one native core. */
import { EventEmitter } from 'node:events';
import { formatIp } from '../address.js';
import { OverlaneError } from '../errors.js';
import { addon, type NativeMiss } from '../native.js';
import type { Bridge } from './bridge.js';
import { taggedVlan } from './bridge-entries.js';
import { openBridge } from './bridge-open.js';
import { type BridgeOptions, bridgeOptions } from './bridge-options.js';
import { type Counters, readCounters } from './counters.js';
import { type DataplaneOptions, dataplaneOptions } from './dataplane-options.js';
import { Port } from './port.js';
import {
  canonical,
  checkPortType,
  memoryPortOptions,
  type PcapPortOptions,
  type PortOptions,
  pcapPortOptions,
} from './port-options.js';
import { type RunOptions, readRunOptions } from './run-options.js';
import { State } from './state.js';
import { openUnderlay, type Underlay } from './underlay.js';
import { frameUnderlayOptions, type UnderlayOptions } from './underlay-options.js';
import { native } from './undo.js';

/** Somebody asked, by ARP or ND, for an address that no neighbor is known to have. */
export interface Miss {
  /** Name of the bridge. */
  bridge: string;
  /** Name of the port that the request came in on. */
  port: string;
  /** 802.1Q VLAN, or null for the untagged network. */
  vlan: number | null;
  /** The address asked for. */
  ip: string;
  /** Nanoseconds on the dataplane's clock. */
  timestamp: bigint;
}

/** Events of a dataplane, each with its arguments. */
export interface DataplaneEvents {
  /** After a `run()` in which there were misses: all of them, in order. Answer with `addPeer()` or `addNeighbor()`. */
  miss: [misses: Miss[]];
}

/**
 * Moves frames between ports, over bridges and underlays, on a native core. In manual mode, which is the one of this version, packets
 * move while `run()` is running and at no other time; there is no `start()`.
 *
 * Everything throws an {@link OverlaneError}: `ERR_OVERLANE_OPTION` for an option that is wrong, `ERR_OVERLANE_UNSUPPORTED` for one that
 * this version does not serve, `ERR_OVERLANE_CLOSED` after `close()`. A call that throws has changed nothing.
 *
 * A listener that throws makes `run()` throw the same, after the packets of that run were carried.
 */
export class Dataplane extends EventEmitter<DataplaneEvents> {
  readonly #state: State;
  /** Ports whose failure has been thrown. */
  readonly #reported = new Set<Port>();

  constructor(options: DataplaneOptions) {
    super();
    const config = dataplaneOptions(options);
    this.#state = new State(
      native('Dataplane', () => new addon.Dataplane(config)),
      config.fdbEntries,
    );
  }

  /** The open ports by name. */
  get ports(): ReadonlyMap<string, Port> {
    return this.#state.ports.byName;
  }

  /** The open underlays by name. */
  get underlays(): ReadonlyMap<string, Underlay> {
    return this.#state.underlays.byName;
  }

  /** The open bridges by name. */
  get bridges(): ReadonlyMap<string, Bridge> {
    return this.#state.bridges.byName;
  }

  /**
   * Adds a port. A pcap port opens its files now: what it writes to is replaced.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when the name is taken; `ERR_OVERLANE_MISSING`, `ERR_OVERLANE_PERMISSION` or
   *   `ERR_OVERLANE_CAPTURE` when a file is absent, closed to us, or no Ethernet capture.
   */
  addPort(options: PortOptions): Port {
    const side = this.#state.native;
    checkPortType(options, 'addPort');
    const name = this.#state.ports.nameFor(options.name, options.type);
    if (options.type === 'memory') {
      const config = memoryPortOptions(options, name);
      const index = native(`port '${name}'`, () => side.addMemoryPort(config));
      return this.#state.ports.add(
        new Port(this.#state, index, { ...config, type: 'memory', read: null, write: null }),
      );
    }
    const config = pcapPortOptions(options, name);
    this.#refuseSharedFile(options);
    const index = native(`port '${name}'`, () => side.addPcapPort(config));
    return this.#state.ports.add(new Port(this.#state, index, { ...config, type: 'pcap', loop: false }));
  }

  /** A capture that is being written is nobody else's to read or write. */
  #refuseSharedFile({ read, write }: PcapPortOptions): void {
    for (const other of this.ports.values()) {
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

  /**
   * Adds an underlay.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when its name, or its local address and UDP port on that port, are taken;
   *   `ERR_OVERLANE_BUSY` when the port belongs to a bridge.
   */
  addUnderlay(options: UnderlayOptions): Underlay {
    void this.#state.native;
    if (typeof options === 'object' && options !== null && options.type === 'frame') {
      this.#state.ports.own(options.port, "option 'port' of addUnderlay");
    }
    const config = frameUnderlayOptions(options);
    return openUnderlay(this.#state, this.#state.underlays.nameFor(options.name, options.type), config);
  }

  /**
   * Adds a bridge.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when its name, or a VNI on that underlay, is taken.
   */
  addBridge(options: BridgeOptions = {}): Bridge {
    void this.#state.native;
    const config = bridgeOptions(options, this.#state.fdbEntries);
    if (config.underlay !== null) this.#state.underlays.own(config.underlay, "option 'underlay' of addBridge");
    return openBridge(this.#state, this.#state.bridges.nameFor(options.name, 'bridge'), config);
  }

  /**
   * Carries packets until every input is empty, or `packets` were received; then emits what happened. Runs in the calling thread.
   *
   * @returns the number of packets received; 0 means that there is nothing left.
   * @throws {OverlaneError} once for each port that failed (see {@link Port.error}), after everything else was carried:
   *   `ERR_OVERLANE_CAPTURE` when the capture that it reads is broken, `ERR_OVERLANE_SYSTEM` when it could not write. `run()` may be
   *   called again; what the port did before it failed counts.
   */
  run(options: RunOptions = {}): number {
    const side = this.#state.native;
    const { now, packets } = readRunOptions(options, side, this.ports.values());
    const received = native('run', () => side.run(now, packets));
    const misses = side.misses().map((miss) => this.#readable(miss));
    const failed = this.#portError();
    // Last, so that a listener that throws finds nothing half done.
    if (misses.length > 0) this.emit('miss', misses);
    if (failed !== null) throw failed;
    return received;
  }

  #readable(miss: NativeMiss): Miss {
    return {
      bridge: this.#state.bridges.at(miss.bridge)?.name ?? '',
      port: this.#state.ports.at(miss.port)?.name ?? '',
      vlan: taggedVlan(miss.vlan),
      ip: formatIp(miss.ip),
      timestamp: miss.timestamp,
    };
  }

  /** The first failure of a port that has not been thrown yet. */
  #portError(): OverlaneError | null {
    for (const port of this.ports.values()) {
      if (port.type !== 'pcap' || this.#reported.has(port)) continue;
      const { failure } = port;
      if (failure === null) continue;
      this.#reported.add(port);
      return new OverlaneError(failure.code, `port '${port.name}': ${failure.message}`);
    }
    return null;
  }

  /** The clock, nanoseconds: what the last `run()` was told, or the latest capture timestamp that it met, less 17 ms at most. */
  now(): bigint {
    return this.#state.native.now();
  }

  /** Counters of every port and in total, and the accounting sum. */
  counters(): Counters {
    return readCounters(this.#state.native, this.ports.values());
  }

  /** Writes what pcap ports hold back in buffers, so that other programs can read it. */
  flush(): void {
    const side = this.#state.native;
    native('flush', () => side.flush());
    const failed = this.#portError();
    if (failed !== null) throw failed;
  }

  /**
   * Writes and closes the files, and frees the memory. Packets that are still queued are lost. Closing again does nothing.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_SYSTEM` when the last packets could not be written; the dataplane is closed nevertheless.
   */
  async close(): Promise<void> {
    if (this.#state.closed) return;
    const side = this.#state.native;
    try {
      this.flush();
    } finally {
      this.#state.closed = true;
      side.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

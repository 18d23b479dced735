/** The dataplane: ports, underlays and bridges around one native core. */
import { EventEmitter } from 'node:events';
import { OverlaneError } from '../errors.js';
import { addon } from '../native.js';
import type { Bridge } from './bridge.js';
import { openBridge } from './bridge-open.js';
import { type BridgeOptions, bridgeOptions } from './bridge-options.js';
import { optionError } from './check.js';
import { type Counters, readCounters } from './counters.js';
import { type DataplaneOptions, dataplaneOptions } from './dataplane-options.js';
import { type DataplaneEvents, emitAll, takeEvents } from './events.js';
import type { Port } from './port.js';
import { deliverCaptures, endCaptures, throwLater } from './port-capture.js';
import { openPort } from './port-open.js';
import type { PortOptions } from './port-options.js';
import { openRouter, type Router } from './router.js';
import type { RouterOptions } from './router-options.js';
import { type RunOptions, readRunOptions } from './run-options.js';
import { busy, State } from './state.js';
import type { FrameUnderlay, UdpUnderlay, Underlay } from './underlay.js';
import { openUnderlay } from './underlay-open.js';
import type { FrameUnderlayOptions, UdpUnderlayOptions, UnderlayOptions } from './underlay-options.js';
import { native } from './undo.js';

export type { Miss } from './events.js';

/** What the native side keeps of a dataplane: the whole of it only while it is running, so that a forgotten one can be collected. */
interface Listener {
  idle: WeakRef<Dataplane> | null;
  running: Dataplane | null;
}

/**
 * Moves frames between ports, over bridges and underlays, on a native core. Live, which is the default, workers carry packets from
 * `start()` to `close()`, and the process lives as long; everything can be added, changed and read meanwhile. In manual mode packets
 * move while `run()` is running and at no other time.
 *
 * Everything throws an {@link OverlaneError}: `ERR_OVERLANE_OPTION` for an option that is wrong, `ERR_OVERLANE_UNSUPPORTED` for one that
 * this version does not serve, `ERR_OVERLANE_CLOSED` after `close()`. A call that throws has changed nothing.
 *
 * A listener that throws is an uncaught exception, as with any EventEmitter; in manual mode `run()` throws the same, after the packets
 * of that run were carried. The listeners of other events are called all the same.
 */
export class Dataplane extends EventEmitter<DataplaneEvents> {
  readonly #state: State;
  readonly #listener: Listener = { idle: null, running: null };
  /** Ports whose failure has been thrown. */
  readonly #reported = new Set<Port>();

  constructor(options: DataplaneOptions = {}) {
    super();
    const config = dataplaneOptions(options);
    const listener = this.#listener;
    const notify = () => {
      const dataplane = listener.running ?? listener.idle?.deref();
      if (dataplane !== undefined) dataplane.#tell();
    };
    this.#state = new State(
      native('Dataplane', () => new addon.Dataplane({ ...config, notify })),
      config,
    );
    listener.idle = new WeakRef(this);
  }

  /** `live` or `manual`. */
  get mode(): 'live' | 'manual' {
    return this.#state.live ? 'live' : 'manual';
  }

  /** How many threads carry packets; 0 in manual mode. */
  get workers(): number {
    return this.#state.workers;
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

  /** The open routers by name. */
  get routers(): ReadonlyMap<string, Router> {
    return this.#state.routers.byName;
  }

  /**
   * Adds a port. A live port opens or makes its interface now, which carries packets from `start()` on; a pcap port opens its files:
   * what it writes to is replaced. A live dataplane does not read captures.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when the name is taken; `ERR_OVERLANE_MISSING`, `ERR_OVERLANE_PERMISSION` or
   *   `ERR_OVERLANE_CAPTURE` when a file is absent, closed to us, or no Ethernet capture; for live ports `ERR_OVERLANE_MISSING` when there
   *   is no such namespace or interface, `ERR_OVERLANE_PERMISSION` without the capability that it names, `ERR_OVERLANE_BUSY` when the
   *   interface is in use, `ERR_OVERLANE_SYSTEM` for what else the kernel says.
   */
  addPort(options: PortOptions): Port {
    return openPort(this.#state, options);
  }

  /**
   * Adds an underlay. One of type `udp` opens its sockets now.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when its name, or its local address and UDP port on that port, are taken;
   *   `ERR_OVERLANE_BUSY` when the port belongs to a bridge, or another program has the UDP port; for type `udp` also the system's, as
   *   {@link addPort}.
   */
  addUnderlay(options: FrameUnderlayOptions): FrameUnderlay;
  addUnderlay(options: UdpUnderlayOptions): UdpUnderlay;
  addUnderlay(options: UnderlayOptions): Underlay;
  addUnderlay(options: UnderlayOptions): Underlay {
    return openUnderlay(this.#state, options);
  }

  /**
   * Adds a bridge. The first one with a profile of encryption on a `udp` underlay opens that profile's sockets.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when its name, or a VNI on that underlay, is taken; encrypted, also the codes of
   *   {@link Keyring.fromFile}; `ERR_OVERLANE_BUSY` when another program has the UDP port of ESP; `ERR_OVERLANE_PERMISSION` without CAP_NET_RAW
   *   for profile `docker`; `ERR_OVERLANE_MISSING` when the engine asked for is not there.
   */
  addBridge(options: BridgeOptions = {}): Bridge {
    void this.#state.native;
    const config = bridgeOptions(options, this.#state.fdbEntries);
    if (config.underlay !== null) this.#state.underlays.own(config.underlay, "option 'underlay' of addBridge");
    return openBridge(this.#state, this.#state.bridges.nameFor(options.name, 'bridge'), config);
  }

  /**
   * Adds a router, to which `addInterface()` connects bridges.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when its name is taken.
   */
  addRouter(options: RouterOptions = {}): Router {
    return openRouter(this.#state, options);
  }

  /**
   * Live: starts the workers. From here the process does not end by itself before `close()`.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when it is started already; `ERR_OVERLANE_OPTION` in manual mode; what the system says
   *   of the threads or the processors they are to run on. It may be tried again.
   */
  async start(): Promise<void> {
    const side = this.#state.native;
    if (!this.#state.live) throw optionError("start() is for a live dataplane; in mode 'manual' call run()");
    if (this.#state.started) throw busy('the dataplane is started already; close() stops it');
    native('start', () => side.start());
    this.#state.started = true;
    this.#listener.running = this;
  }

  /**
   * Manual mode: carries packets until every input is empty, or `packets` were received; then emits what happened. Runs in the calling
   * thread.
   *
   * @returns the number of packets received; 0 means that there is nothing left.
   * @throws {OverlaneError} once for each port that failed (see {@link Port.error}), after everything else was carried:
   *   `ERR_OVERLANE_CAPTURE` when the capture that it reads is broken, `ERR_OVERLANE_SYSTEM` when it could not write. `run()` may be
   *   called again; what the port did before it failed counts. `ERR_OVERLANE_OPTION` on a live dataplane.
   */
  run(options: RunOptions = {}): number {
    const side = this.#state.native;
    if (this.#state.live) throw optionError("run() is for mode 'manual'; a live dataplane is started with start()");
    const { now, packets } = readRunOptions(options, side, this.ports.values());
    const received = native('run', () => side.run(now, packets));
    const events = takeEvents(this.#state);
    const failed = this.#portError();
    // Last, so that a listener that throws finds nothing half done.
    const thrown = [...emitAll(this, events), ...deliverCaptures(this.#state)];
    if (thrown.length > 0) throw thrown[0];
    if (failed !== null) throw failed;
    return received;
  }

  /** Called by the native side when there is something to tell. */
  #tell(): void {
    if (this.#state.closed) return;
    // Not from here: native callers do not pass exceptions on.
    throwLater([...emitAll(this, takeEvents(this.#state)), ...deliverCaptures(this.#state)]);
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

  /**
   * The clock, nanoseconds. Live: since 1970, as of the last burst. Manual: what the last `run()` was told, or the latest capture
   * timestamp that it met, less 17 ms at most.
   */
  now(): bigint {
    return this.#state.native.now();
  }

  /** Counters of every port and in total, and the accounting sum. */
  counters(): Counters {
    return readCounters(this.#state.native, this.#state);
  }

  /** Writes what pcap ports hold back in buffers, so that other programs can read it. */
  flush(): void {
    const side = this.#state.native;
    native('flush', () => side.flush());
    const failed = this.#portError();
    if (failed !== null) throw failed;
  }

  /**
   * Stops the workers, writes and closes the files, takes the interfaces of tap ports away, and frees the memory. Packets that are still
   * queued are lost. Closing again does nothing.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_SYSTEM` when the last packets could not be written; the dataplane is closed nevertheless.
   */
  async close(): Promise<void> {
    if (this.#state.closed) return;
    const side = this.#state.native;
    try {
      this.flush();
    } finally {
      endCaptures(this.#state);
      this.#state.closed = true;
      this.#listener.running = null;
      side.close();
      this.#state.keyrings.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

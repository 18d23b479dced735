/** Ports of the host that are kept for published ones. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { OverlaneError } from '../errors.js';
import { bindTcp, bindUdp, busy, type HostPort } from './bind.js';
import { checkHostPort, checkRequest } from './port-options.js';
import type { PortRange, PortRequest } from './port-spec.js';

export { type PortRange, type PortRequest, parsePublish } from './port-spec.js';

/** Where Docker looks when the kernel does not say. */
const FALLBACK: PortRange = { first: 49_153, last: 65_535 };

/** Held until it is closed. Connections that get there, because nothing translated them, are reset; datagrams are lost. */
export interface PortReservation extends HostPort, AsyncDisposable {
  close(): Promise<void>;
}

/** A port that was found, held at one address or, for every address of both IP versions, at `0.0.0.0` and `::`. */
export interface Allocation extends AsyncDisposable {
  hostPort: number;
  reservations: PortReservation[];
  close(): Promise<void>;
}

/** SCTP, which Node cannot bind: known to this process only. */
const sctp = new Set<string>();

/**
 * Keeps a port of the host from all other programs (for SCTP: from this process only).
 *
 * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when it is taken, with its name; `ERR_OVERLANE_PERMISSION`; `ERR_OVERLANE_OPTION` when it is
 *   wrong or the address is not the host's; `ERR_OVERLANE_SYSTEM`.
 */
export async function reserve(place: HostPort): Promise<PortReservation> {
  const { protocol, hostIp, hostPort } = checkHostPort(place, 'reserve');
  const end = await HOLD[protocol]({ protocol, hostIp, hostPort });
  let ended: Promise<void> | undefined;
  const close = () => {
    ended ??= end();
    return ended;
  };
  return { protocol, hostIp, hostPort, close, [Symbol.asyncDispose]: close };
}

type End = () => Promise<void>;

const HOLD: Record<HostPort['protocol'], (place: HostPort) => Promise<End>> = {
  tcp: async (place) => {
    const server = createServer((socket) => socket.on('error', () => {}).resetAndDestroy());
    await bindTcp(server, place);
    // An accept that fails, for want of descriptors, is no reason to let go of the port.
    server.on('error', () => {});
    return () => new Promise((resolve) => server.close(() => resolve()));
  },
  udp: async (place) => {
    const socket = await bindUdp(place);
    socket.on('error', () => {});
    return () => new Promise((resolve) => socket.close(() => resolve()));
  },
  sctp: async (place) => {
    const key = `${place.hostIp} ${place.hostPort}`;
    if (sctp.has(key)) throw busy(place);
    sctp.add(key);
    return async () => void sctp.delete(key);
  },
};

/** Finds ports for requests: the one that was asked for, or the next free one. */
export class PortAllocator {
  readonly #range: PortRange;
  #next: number;

  /** `range`: where free ports are looked for; default the kernel's ip_local_port_range, like Docker, else 49153–65535. */
  constructor(range: PortRange = localRange()) {
    this.#range = range;
    this.#next = range.first;
  }

  /**
   * Reserves a port. With `hostIp` null at `0.0.0.0` and `::` alike; without `::` on hosts that have no IPv6.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_BUSY` when what was asked for is taken, or nothing is free; others as `reserve` does.
   */
  async allocate(request: PortRequest): Promise<Allocation> {
    const { protocol, hostIp, hostPorts } = checkRequest(request);
    const { first, last } = hostPorts ?? this.#range;
    const count = last - first + 1;
    const start = hostPorts === null ? this.#next : first;
    for (let i = 0; i < count; i++) {
      const hostPort = first + ((start - first + i) % count);
      try {
        const allocation = await reserveAt(protocol, hostIp, hostPort);
        if (hostPorts === null) this.#next = hostPort === last ? first : hostPort + 1;
        return allocation;
      } catch (error) {
        if ((error as OverlaneError).code !== 'ERR_OVERLANE_BUSY' || count === 1) throw error;
      }
    }
    const message = `all ${protocol} ports from ${first} to ${last} of ${hostIp ?? 'this host'} are taken; free one, or ask for others`;
    throw new OverlaneError('ERR_OVERLANE_BUSY', message);
  }
}

async function reserveAt(protocol: HostPort['protocol'], hostIp: string | null, hostPort: number): Promise<Allocation> {
  const reservations: PortReservation[] = [];
  const close = async () => void (await Promise.all(reservations.map((one) => one.close())));
  try {
    for (const ip of hostIp === null ? ['0.0.0.0', '::'] : [hostIp]) {
      try {
        reservations.push(await reserve({ protocol, hostIp: ip, hostPort }));
      } catch (error) {
        if (hostIp !== null || ip !== '::' || !isWithoutIpv6(error)) throw error;
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { hostPort, reservations, close, [Symbol.asyncDispose]: close };
}

function isWithoutIpv6(error: unknown): boolean {
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL';
}

function localRange(): PortRange {
  try {
    const [first = 0, last = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    return first >= 1 && first <= last && last <= 65_535 ? { first, last } : FALLBACK;
  } catch {
    return FALLBACK;
  }
}

/** Taking a port of the host: for proxies, and for reservations that only keep others off it. */
import { createSocket, type SocketOptions, type Socket as UdpSocket } from 'node:dgram';
import type { Server } from 'node:net';
import { isIPv4 } from 'node:net';
import { OverlaneError } from '../errors.js';
import type { Protocol } from './element.js';

export interface HostPort {
  protocol: Protocol;
  /** An address of the host; `0.0.0.0` for all IPv4 ones, `::` for all IPv6 ones and no IPv4 ones. */
  hostIp: string;
  /** 1–65535. */
  hostPort: number;
}

/** @throws {OverlaneError} as `bindError` says. */
export function bindTcp(server: Server, place: HostPort): Promise<void> {
  const { hostIp: host, hostPort: port } = place;
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) => reject(bindError(place, cause));
    server.once('error', failed);
    server.listen({ host, port, exclusive: true, ipv6Only: true }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/** A bound socket. @throws {OverlaneError} as `bindError` says. */
export function bindUdp(place: HostPort): Promise<UdpSocket> {
  const { hostIp: address, hostPort: port } = place;
  const socket = createUdp(address, { ipv6Only: true });
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) => {
      socket.close();
      reject(bindError(place, cause));
    };
    socket.once('error', failed);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

/** A socket of the IP version of `ip` that looks no names up. */
export function createUdp(ip: string, options: Partial<SocketOptions> = {}): UdpSocket {
  const type = isIPv4(ip) ? 'udp4' : 'udp6';
  return createSocket({ ...options, type, lookup: (name, _, done) => done(null, name, isIPv4(name) ? 4 : 6) });
}

function bindError({ protocol, hostIp, hostPort }: HostPort, cause: Error): OverlaneError {
  const place = `${protocol} port ${hostPort} of ${hostIp}`;
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return busy({ protocol, hostIp, hostPort }, cause);
    case 'EACCES':
      return new OverlaneError(
        'ERR_OVERLANE_PERMISSION',
        `this process may not take ${place}; run as root or with CAP_NET_BIND_SERVICE, or publish at a port from 1024`,
        { cause },
      );
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return new OverlaneError(
        'ERR_OVERLANE_OPTION',
        `${place} cannot be taken, because ${hostIp} is no address of this host; publish at one of its own, or at 0.0.0.0 or ::`,
        { cause },
      );
    default:
      return new OverlaneError('ERR_OVERLANE_SYSTEM', `${place} could not be taken: ${cause.message}`, { cause });
  }
}

export function busy({ protocol, hostIp, hostPort }: HostPort, cause?: unknown): OverlaneError {
  return new OverlaneError(
    'ERR_OVERLANE_BUSY',
    `${protocol} port ${hostPort} of ${hostIp} is taken; stop what listens there (ss -lnp | grep :${hostPort}), or choose another port`,
    { cause },
  );
}

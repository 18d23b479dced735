/** The publish syntax of Docker, `[ip:][host[-end]]:container[-end][/protocol]`: docker run(1), option --publish. */
import { optionError, shown } from '../dataplane/check.js';
import { ipText, type Protocol } from './element.js';

/** One published port as it was asked for. */
export interface PortRequest {
  protocol: Protocol;
  /** Canonical; null for every address of either IP version. */
  hostIp: string | null;
  /** Any free one of these; null for any free port. */
  hostPorts: PortRange | null;
  containerPort: number;
}

/** Both ends included. */
export interface PortRange {
  first: number;
  last: number;
}

const SPEC = /^(?:(?:\[([^[\]]*)\]|([^:[\]]*)):)?(?:([\d-]*):)?([\d-]+)(?:\/([A-Za-z]+))?$/;
const RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/;

/**
 * One request for each container port. `80`: any free port; `8080:80`; `127.0.0.1::80`; `[::1]:8000-8001:80-81/udp`. A range of host
 * ports for a single container port means any free one of them; otherwise both ranges have the same length.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`
 */
export function parsePublish(spec: string): PortRequest[] {
  const parts = typeof spec === 'string' && spec.length <= 256 ? SPEC.exec(spec) : null;
  if (parts === null) throw wrong(spec, 'is not of this form');
  const [, ip6, ip4, ...ports] = parts;
  if (ip6 !== undefined && ports[0] === undefined) throw wrong(spec, 'has an address and one port');
  // `8080:80` has one colon only, and what is before it is no address.
  const single = ports[0] === undefined && ip4 !== undefined;
  const hostText = single ? ip4 : (ports[0] ?? '');
  const container = range(spec, ports[1]!);
  if (container.first === 0) throw wrong(spec, 'has no container port from 1 to 65535');
  const asked = hostText === '' ? null : range(spec, hostText);
  const host = asked?.first === 0 && asked.last === 0 ? null : asked;
  if (host?.first === 0) throw wrong(spec, 'has a range that begins with port 0');
  const hostIp = addressOf(spec, ip6, single ? undefined : ip4);
  return requests(spec, { protocol: protocolOf(spec, ports[2]), hostIp }, host, container);
}

function requests(
  spec: string,
  common: Pick<PortRequest, 'protocol' | 'hostIp'>,
  host: PortRange | null,
  container: PortRange,
): PortRequest[] {
  const count = container.last - container.first + 1;
  if (host !== null && count > 1 && host.last - host.first + 1 !== count) {
    throw wrong(spec, `has ${host.last - host.first + 1} host ports for ${count} container ports`);
  }
  return Array.from({ length: count }, (_, i) => {
    const one = host === null || count === 1 ? host : { first: host.first + i, last: host.first + i };
    return { ...common, hostPorts: one, containerPort: container.first + i };
  });
}

function addressOf(spec: string, ip6: string | undefined, ip4: string | undefined): string | null {
  if (ip6 === undefined && (ip4 === undefined || ip4 === '')) return null;
  const ip = ipText(ip6 ?? ip4);
  if (ip.includes(':') !== (ip6 !== undefined)) throw wrong(spec, 'has an IPv4 address in brackets');
  return ip;
}

function protocolOf(spec: string, word = 'tcp'): Protocol {
  const protocol = word.toLowerCase();
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp') return protocol;
  throw wrong(spec, `has the protocol ${shown(word)}, which is not tcp, udp or sctp`);
}

function range(spec: string, text: string): PortRange {
  const parts = RANGE.exec(text);
  const first = Number(parts?.[1] ?? -1);
  const last = Number(parts?.[2] ?? first);
  if (parts === null || last > 65_535 || first > last)
    throw wrong(spec, `has ${shown(text)} for a port or a range of ports`);
  return { first, last };
}

function wrong(spec: unknown, problem: string): Error {
  return optionError(
    `${shown(spec)} ${problem}; write [ip:][host[-end]]:container[-end][/tcp, /udp or /sctp], such as 8080:80 or [::1]:8000-8001:80-81/udp`,
  );
}

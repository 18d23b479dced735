/** The transport part of `decode`: ICMP, ICMPv6, UDP, TCP and ESP. */
import { decodeEspIn, espInUdp } from './decode-esp.js';
import type { Datagram } from './decode-ip.js';
import type { DecodedFrame, DecodedIcmp, EspOpener } from './frame.js';
import { decodeIcmp, ICMP_ECHO_TYPES, type Icmp, icmpEcho, icmpLayout } from './icmp.js';
import {
  decodeIcmpv6,
  decodeNeighbor,
  decodeNeighborOptions,
  ICMPV6_ECHO_TYPES,
  NEIGHBOR_ADVERTISEMENT,
  NEIGHBOR_SOLICITATION,
  neighborLayout,
} from './icmpv6.js';
import { decodeOptions } from './options.js';
import { after, fail, failShort, type Stretch, upTo } from './stretch.js';
import { decodeTcp, tcpLayout } from './tcp.js';
import { decodeUdp, udpLayout } from './udp.js';

/** Protocol numbers (IANA) that are read here. */
export const IP_PROTOCOL = { icmp: 1, tcp: 6, udp: 17, esp: 50, icmpv6: 58 } as const;

/** Adds the transport layer to the frame; returns the UDP payload of an unfragmented datagram, which may be a tunnel. */
export function decodeTransport(frame: DecodedFrame, datagram: Datagram, openEsp?: EspOpener): Stretch | undefined {
  const { protocol, version, payload } = datagram;
  if (protocol === IP_PROTOCOL.udp) {
    const carried = decodeUdpIn(frame, datagram);
    const packet = carried && espInUdp(frame, carried);
    return packet ? decodeEspOverUdp(frame, { ...datagram, payload: packet }, openEsp) : carried;
  }
  if (protocol === IP_PROTOCOL.tcp) decodeTcpIn(frame, payload);
  if (protocol === IP_PROTOCOL.esp) return decodeInside(frame, decodeEspIn(frame, datagram, openEsp));
  if (protocol === IP_PROTOCOL.icmp && version === 4) decodeIcmpIn(frame, payload);
  if (protocol === IP_PROTOCOL.icmpv6 && version === 6) decodeIcmpv6In(frame, payload);
  return undefined;
}

/** The carrier's header goes with the ESP packet: `udp` is the datagram inside. */
function decodeEspOverUdp(frame: DecodedFrame, datagram: Datagram, openEsp?: EspOpener): Stretch | undefined {
  const { udp } = frame;
  const inside = decodeEspIn(frame, datagram, openEsp);
  if (frame.esp === undefined || udp === undefined) return undefined;
  delete frame.udp;
  frame.esp.udp = udp;
  return decodeInside(frame, inside);
}

/** Only UDP is opened. */
function decodeInside(frame: DecodedFrame, inside: Datagram | undefined): Stretch | undefined {
  return inside && decodeUdpIn(frame, inside);
}

function decodeUdpIn(frame: DecodedFrame, { payload: rest, fragment }: Datagram): Stretch | undefined {
  const udp = decodeUdp(rest.bytes);
  if (udp === undefined) return failShort(frame, 'udp', 'udp_truncated', rest, udpLayout.span);
  frame.udp = udp;
  const length = udp.length || rest.length;
  if (length < udpLayout.span || (length > rest.length && !fragment)) return fail(frame, 'udp', 'udp_length');
  const payload = after(upTo(rest, length), udpLayout.span);
  frame.payloadLength = payload.length;
  return fragment ? undefined : payload;
}

function decodeTcpIn(frame: DecodedFrame, rest: Stretch): undefined {
  const tcp = decodeTcp(rest.bytes);
  if (tcp === undefined) return failShort(frame, 'tcp', 'tcp_truncated', rest, tcpLayout.span);
  const { headerLength } = tcp;
  const whole = rest.bytes.length >= headerLength;
  frame.tcp = { ...tcp, options: whole ? decodeOptions(tcp.options) : [] };
  if (headerLength < tcpLayout.span || headerLength > rest.length) return fail(frame, 'tcp', 'tcp_header_length');
  frame.payloadLength = after(rest, headerLength).length;
}

function withEcho(header: Icmp, echoTypes: readonly number[]): DecodedIcmp {
  const { rest, ...base } = header;
  return { ...base, ...(icmpEcho(header, echoTypes) ?? { rest }) };
}

function decodeIcmpIn(frame: DecodedFrame, rest: Stretch): undefined {
  const icmp = decodeIcmp(rest.bytes);
  if (icmp === undefined) return failShort(frame, 'icmp', 'icmp_truncated', rest, icmpLayout.span);
  frame.icmp = withEcho(icmp, ICMP_ECHO_TYPES);
  frame.payloadLength = after(rest, icmpLayout.span).length;
}

function decodeIcmpv6In(frame: DecodedFrame, rest: Stretch): undefined {
  const icmpv6 = decodeIcmpv6(rest.bytes);
  if (icmpv6 === undefined) return failShort(frame, 'icmpv6', 'icmp_truncated', rest, icmpLayout.span);
  frame.icmpv6 = withEcho(icmpv6, ICMPV6_ECHO_TYPES);
  frame.payloadLength = after(rest, icmpLayout.span).length;
  if (icmpv6.type !== NEIGHBOR_SOLICITATION && icmpv6.type !== NEIGHBOR_ADVERTISEMENT) return undefined;
  const message = decodeNeighbor(rest.bytes);
  if (message === undefined) return undefined;
  const { router, solicited, override, target } = message;
  const options = decodeNeighborOptions(rest.bytes.subarray(neighborLayout.span));
  frame.icmpv6.neighbor = { router, solicited, override, target, options };
  frame.payloadLength = after(rest, neighborLayout.span).length;
}

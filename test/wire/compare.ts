/** Our reading of a frame against tshark's: every layer, every field, and the few reasons for which they may differ. */
import { formatIp, parseIp } from '../../src/address.js';
import { type DecodedFrame, decode, type Layer } from '../../src/wire/decode.js';
import { IPV6_EXTENSION, type Ipv6Extension } from '../../src/wire/ipv6-extension.js';
import { type ExpectedLayer, expectedLayers } from './expected.js';
import type { CapturedFrame } from './pcap.js';
import { type Dissected, type DissectedPacket, SEVERITY } from './pdml.js';

export interface Comparison {
  /** Fields that both have. */
  fields: number;
  /** Differences without an excuse. */
  problems: string[];
  /** Differences with one. */
  excuses: string[];
}

/** tshark's names of the layers that we read. */
const LAYERS = [
  ...['eth', 'vlan', 'ieee8021ad', 'arp', 'ip', 'ipv6', 'icmp', 'icmpv6', 'udp', 'tcp', 'esp', 'vxlan'],
  ...['ipv6.hopopts', 'ipv6.routing', 'ipv6.fraghdr', 'ipv6.dstopts', 'ah', 'mipv6', 'hip', 'shim6'],
];

/** Bytes without which we do not show a layer; tshark shows the fields that are there. */
const LEAST: Record<string, number> = { eth: 14, arp: 8, ip: 20, ipv6: 40, tcp: 20, vlan: 4, ieee8021ad: 4, mipv6: 16 };

/** Protocols that carry IP or Ethernet and that we do not open: IPv4, IPv6 and Ethernet inside IP. */
const CARRIED: Record<number, readonly string[]> = { 4: ['ip', 'ipv6'], 41: ['ip', 'ipv6'], 143: ['eth'] };

/** The frame and those inside it, outermost first. */
function nested(frame: DecodedFrame): DecodedFrame[] {
  return [frame, ...(frame.vxlan?.inner ? nested(frame.vxlan.inner) : [])];
}

function same(ours: number | string | boolean, field: string, theirs: string): boolean {
  if (typeof ours !== 'string')
    return Number(theirs) === Number(field === 'vxlan.flags>>8' ? (ours as number) << 8 : ours);
  const isIp = /^(ip|ipv6|icmpv6)\.|_ipv4$/.test(field);
  return (isIp ? formatIp(parseIp(theirs)) : theirs) === ours;
}

/** Compares one frame. */
export function compareFrame(captured: CapturedFrame, packet: DissectedPacket): Comparison {
  const frame = decode(captured.bytes, { wireLength: captured.wireLength });
  const result: Comparison = { fields: 0, problems: [], excuses: [] };
  if (isInterSwitchLink(captured.bytes) && packet.protocols.some(({ name }) => name === 'isl')) {
    result.excuses.push('ISL: tshark takes some multicast addresses with a length field for a trunk header');
    return result;
  }
  const matched = new Set<Dissected>();
  let last = '';
  for (const layer of expectedLayers(frame)) {
    const theirs = packet.protocols.find((p) => p.name === layer.name && p.at === layer.at && !matched.has(p));
    if (theirs === undefined) {
      const excuse = excuseOurs(frame, packet, layer, last);
      if (excuse) result.excuses.push(excuse);
      else result.problems.push(`we have ${layer.name} at ${layer.at}, tshark does not`);
      return result;
    }
    matched.add(theirs);
    last = layer.name;
    compareFields(layer, theirs, result, frame, packet);
  }
  compareErrors(frame, packet, result);
  compareRest(frame, captured, packet, matched, result);
  return result;
}

function compareFields(
  layer: ExpectedLayer,
  theirs: Dissected,
  result: Comparison,
  frame: DecodedFrame,
  packet: DissectedPacket,
): void {
  for (const [name, value] of layer.fields) {
    const shown = theirs.fields.get(theirName(name, theirs))?.[0];
    if (shown === undefined) {
      const excuse = excuseField(name, frame, packet);
      if (excuse) result.excuses.push(excuse);
      else result.problems.push(`${name} is ${value}; tshark does not have it`);
      continue;
    }
    const theirValue = name === 'vxlan.flags>>8' ? String(Number(shown) & 0xff00) : shown;
    result.fields++;
    if (!same(value, name, theirValue)) result.problems.push(`${name} is ${value}; tshark has ${shown}`);
  }
}

/** With a source route that is not used up, tshark calls its last hop `ip.dst` and the header's destination `ip.cur_rt`. */
function theirName(name: string, theirs: Dissected): string {
  if (name === 'ip.dst' && theirs.fields.has('ip.cur_rt')) return 'ip.cur_rt';
  return name.replace('>>8', '');
}

/** ISL (Cisco) starts with 01:00:0c:00:00 or 0c:00:0c:00:00 and has a length where Ethernet II has its type. */
function isInterSwitchLink(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 5)).toString('hex');
  return (start === '01000c0000' || start === '0c000c0000') && Buffer.from(bytes).readUInt16BE(12) <= 1500;
}

/**
 * Super-frames over 64 KiB have a zero length in IPv6 (without the jumbo option) or in UDP. The kernel makes them; we take what
 * the frame has; tshark 4.0 calls the packet malformed and stops there.
 */
function hasZeroLength(frame: DecodedFrame): boolean {
  return nested(frame).some(({ ipv6, udp }) => ipv6?.payloadLength === 0 || udp?.length === 0);
}

/** Why tshark stopped before a layer that we have; `last` is the last one that both have. */
function excuseOurs(
  frame: DecodedFrame,
  packet: DissectedPacket,
  layer: ExpectedLayer,
  last: string,
): string | undefined {
  const other = packet.protocols.find(({ at, name }) => at === layer.at && !LAYERS.includes(name));
  if (layer.name === 'vxlan' && other) return `tshark takes the lower UDP port, of ${other.name}`;
  if (last === 'mipv6') return 'tshark does not look behind a mobility header';
  if (packet.severity < SEVERITY.error) return undefined;
  if (hasZeroLength(frame)) return 'length 0: tshark stops';
  if (/^(ipv6\.|hip|shim6)/.test(last)) return `an option in ${last} that tshark finds malformed; we do not read them`;
  return undefined;
}

function excuseField(name: string, frame: DecodedFrame, packet: DissectedPacket): string | undefined {
  const broken = nested(frame).at(-1)?.error?.reason;
  if (broken === 'tcp_header_length' && name.startsWith('tcp.')) return 'tcp.hdr_len: tshark stops at a wrong one';
  if (name === 'ip.dst' && frame.ipv4 && frame.ipv4.headerLength > 20) return 'ip.dst: tshark reads the options first';
  if (packet.severity >= SEVERITY.error && hasZeroLength(frame)) return 'length 0: tshark stops';
  const badLength = nested(frame).some(({ udp, error }) => udp?.length === 0 || error?.reason === 'udp_length');
  if (name === 'udp.checksum' && badLength && packet.severity >= SEVERITY.error)
    return 'udp.length: tshark stops at a wrong one';
  return undefined;
}

/** What we call malformed, tshark does too. */
function compareErrors(frame: DecodedFrame, packet: DissectedPacket, result: Comparison): void {
  for (const { error } of nested(frame)) {
    // An IPv6 payload length beyond the frame is only worth a warning to tshark.
    const enough = error?.reason === 'ipv6_truncated' ? SEVERITY.warn : SEVERITY.error;
    if (error === undefined || packet.severity >= enough) continue;
    const excuse = excuseError(frame, packet);
    if (excuse) result.excuses.push(excuse);
    else if (error.reason === 'ipv6_extensions') result.excuses.push('tshark follows any number of extension headers');
    else if (error.reason === 'vxlan_flags') result.excuses.push('tshark reads VXLAN without the I flag');
    else result.problems.push(`we say ${error.reason}; tshark sees nothing wrong`);
  }
}

function excuseError(frame: DecodedFrame, packet: DissectedPacket): string | undefined {
  const last = nested(frame).at(-1)!;
  const isMobility = ({ type }: Ipv6Extension) => type === IPV6_EXTENSION.mobility;
  if (last.ipv6?.extensions.some(isMobility)) return 'tshark does not look behind a mobility header';
  if (frame.truncated && packet.protocols.some(({ name }) => name === '_ws.short')) return 'cut before tshark can tell';
  if (last.payloadLength === 0 && /_truncated$/.test(last.error!.reason)) return 'tshark opens no empty payload';
  if (last.error?.reason === 'icmp_truncated' && last.payloadLength >= 4)
    return 'four bytes of ICMP suffice for tshark';
  return undefined;
}

/** The first layer of ours that only tshark has; what follows it is inside it. */
function compareRest(
  frame: DecodedFrame,
  captured: CapturedFrame,
  packet: DissectedPacket,
  matched: ReadonlySet<Dissected>,
  result: Comparison,
): void {
  const protocols = packet.protocols.filter(({ name }) => !/^(geninfo|frame|_ws\..*|fake-field-wrapper)$/.test(name));
  const index = protocols.findIndex((p) => LAYERS.includes(p.name) && !matched.has(p));
  const theirs = protocols[index];
  if (theirs === undefined) return;
  const excuse = excuseTheirs(frame, captured, theirs, protocols[index - 1]);
  if (excuse) result.excuses.push(excuse);
  else result.problems.push(`tshark has ${theirs.name} at ${theirs.at}, we do not`);
}

function excuseTheirs(
  frame: DecodedFrame,
  captured: CapturedFrame,
  theirs: Dissected,
  before: Dissected | undefined,
): string | undefined {
  const last = nested(frame).at(-1)!;
  const { name } = theirs;
  const protocol = last.ipv6?.protocol ?? last.ipv4?.protocol;
  if (before && !LAYERS.includes(before.name)) return `${name} inside ${before.name}, which we do not open`;
  if (last.ipv4 && /^(ah|mipv6|hip|shim6|ipv6\.)/.test(name)) return 'an IPv6 extension header, or AH, in IPv4';
  if (before?.name === 'icmp' || before?.name === 'icmpv6') return 'a packet quoted by ICMP';
  if (last.truncated && theirs.at + (LEAST[name] ?? 8) > captured.bytes.length) return `${name} cut by the capture`;
  if (name === 'mipv6' && protocol === 62) return 'protocol 62, once of mobility headers';
  if (last.error && errorCovers(last.error.layer, name)) return `${last.error.reason}: tshark reads on`;
  if (protocol !== undefined && CARRIED[protocol]?.includes(name)) return `${name} in IP is not opened`;
  if (name === 'icmp' && last.ipv6) return 'ICMP in IPv6 is not read';
  if (name === 'icmpv6' && last.ipv4) return 'ICMPv6 in IPv4 is not read';
  if ((name === 'vlan' || name === 'ieee8021ad') && last.vlans.length === 2) return 'a third VLAN tag';
  if (name === 'arp' && (last.vlans.at(-1) ?? last.ethernet)?.etherType !== 0x0806) return 'reverse ARP is not read';
  if (name === 'esp' && last.payloadLength < 8) return 'under 8 bytes: no ESP for us';
  const firstFragment = last.ipv4?.moreFragments || last.ipv6?.extensions.some(({ fragment }) => fragment);
  const port = last.udp?.destinationPort;
  if (name === 'vxlan' && port !== 4789 && port !== 8472) return 'VXLAN by source port, or GPE: not VXLAN for us';
  if (name === 'vxlan' && firstFragment) return 'VXLAN in a fragment is not read';
  if (name === 'vxlan' && last.udp?.length !== undefined && last.payloadLength < 8)
    return 'under 8 bytes: not VXLAN for us';
  return undefined;
}

/** An error in a layer hides that layer and all above it. */
function errorCovers(layer: Layer, theirs: string): boolean {
  if (layer === 'vxlan') return true;
  const order = ['eth', 'vlan', 'ieee8021ad', 'arp', 'ip', 'ipv6', 'other'];
  const start = { ethernet: 0, vlan: 1, arp: 3, ipv4: 4, ipv6: 4 }[layer as string] ?? order.length - 1;
  const position = order.indexOf(theirs);
  return (position < 0 ? order.length - 1 : position) >= start;
}

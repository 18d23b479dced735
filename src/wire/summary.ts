/** One line about a frame, for people. */
import type { DecodedEsp, DecodedFrame, DecodedIcmp, DecodedIcmpv6, DecodedTcp, EspClosed } from './decode.js';
import { tcpFlagNames } from './tcp.js';

/** What a line of `overlane decode` says of a frame. */
export interface Summary {
  /** The innermost address that the outer frame gives: IP, else MAC; `?` when there is none. */
  source: string;
  destination: string;
  /** `TCP`, `VXLAN`, `ARP`, … */
  protocol: string;
  /** Ports, flags and the like; of VXLAN, the inner frame after `│ VNI n`. */
  info: string;
}

const ICMP_NAMES: Record<number, string> = {
  0: 'echo reply',
  3: 'destination unreachable',
  5: 'redirect',
  8: 'echo request',
  11: 'time exceeded',
  12: 'parameter problem',
};

const ICMPV6_NAMES: Record<number, string> = {
  1: 'destination unreachable',
  2: 'packet too big',
  3: 'time exceeded',
  4: 'parameter problem',
  128: 'echo request',
  129: 'echo reply',
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbor solicitation',
  136: 'neighbor advertisement',
};

const CLOSED: Record<EspClosed, string> = {
  esp_truncated: 'too short',
  esp_spi: 'no key for this SPI',
  esp_icv: 'wrong key, or altered',
  esp_padding: 'wrong padding',
  esp_next_header: 'not UDP inside',
  esp_cut: 'cut by the capture',
  esp_fragment: 'a fragment',
  esp_epoch: "too long after the key's since",
};

/** Summarizes a decoded frame; never throws. */
export function summarize(frame: DecodedFrame): Summary {
  const { ethernet, arp, ipv4, ipv6 } = frame;
  const ends = ipv4 ?? ipv6 ?? ethernet;
  const source = arp?.senderIp ?? ends?.source ?? '?';
  const destination = arp?.targetIp ?? ends?.destination ?? '?';
  const { protocol, info } = topLayer(frame);
  const tags = frame.vlans.map(({ id }) => `VLAN ${id}`);
  const notes = [frame.error && `malformed: ${frame.error.reason}`, frame.truncated && 'cut by the capture'];
  const marks = notes.filter((note) => note).map((note) => `[${note}]`);
  const [outer, ...inner] = info;
  return { source, destination, protocol, info: [...tags, outer, ...marks, ...inner].filter(Boolean).join(' ') };
}

/** Info in pieces: the layer's own, then an inner frame's. */
function topLayer(frame: DecodedFrame): { protocol: string; info: string[] } {
  const { arp, icmp, icmpv6, udp, tcp, esp, vxlan, natTraversal } = frame;
  if (arp) return { protocol: 'ARP', info: [aboutArp(frame)] };
  if (icmp) return { protocol: 'ICMP', info: [aboutIcmp(icmp, ICMP_NAMES)] };
  if (icmpv6) return { protocol: 'ICMPv6', info: [aboutIcmpv6(icmpv6)] };
  if (tcp) return { protocol: 'TCP', info: [aboutTcp(tcp, frame.payloadLength)] };
  if (esp && !udp) return { protocol: 'ESP', info: [aboutEsp(esp)] };
  if (udp) {
    const ports = `${esp ? `${aboutEsp(esp)} ┃ ` : ''}${udp.sourcePort} → ${udp.destinationPort}`;
    if (natTraversal)
      return { protocol: 'UDP', info: [`${ports} ${natTraversal === 'ike' ? 'IKE' : 'NAT keepalive'}`] };
    if (!vxlan) return { protocol: 'UDP', info: [`${ports} len ${frame.payloadLength}`] };
    return { protocol: 'VXLAN', info: [ports, `│ VNI ${vxlan.vni}${vxlan.inner ? `  ${inLine(vxlan.inner)}` : ''}`] };
  }
  return { ...aboutIp(frame) };
}

function inLine(frame: DecodedFrame): string {
  const { source, destination, protocol, info } = summarize(frame);
  return `${source} → ${destination}  ${protocol}  ${info}`;
}

function aboutEsp({ spi, sequence, length, udp, opened, reason }: DecodedEsp): string {
  const numbers = `SPI 0x${spi.toString(16).padStart(8, '0')} seq ${sequence}`;
  if (opened) return numbers;
  const carrier = udp ? ` in UDP ${udp.sourcePort} → ${udp.destinationPort}` : '';
  return `${numbers} len ${length}${carrier}${reason ? ` [not opened: ${CLOSED[reason]}]` : ''}`;
}

function aboutArp({ arp }: DecodedFrame): string {
  if (arp?.senderIp === undefined) return `operation ${arp?.operation}, not IPv4 over Ethernet`;
  if (arp.operation === 1) return `who has ${arp.targetIp}? tell ${arp.senderIp}`;
  if (arp.operation === 2) return `${arp.senderIp} is at ${arp.senderMac}`;
  return `operation ${arp.operation}`;
}

function aboutIcmp(icmp: DecodedIcmp, names: Record<number, string>): string {
  const name = names[icmp.type] ?? `type ${icmp.type}`;
  if (icmp.identifier !== undefined) return `${name} id ${icmp.identifier} seq ${icmp.sequence}`;
  return icmp.code === 0 ? name : `${name}, code ${icmp.code}`;
}

function aboutIcmpv6(icmpv6: DecodedIcmpv6): string {
  const about = aboutIcmp(icmpv6, ICMPV6_NAMES);
  return icmpv6.neighbor ? `${about} ${icmpv6.neighbor.target}` : about;
}

function aboutTcp(tcp: DecodedTcp, length: number): string {
  const flags = tcpFlagNames(tcp.flags).join(' ');
  const ack = tcp.flags & 0x10 ? ` ack ${tcp.acknowledgment}` : '';
  return `${tcp.sourcePort} → ${tcp.destinationPort} [${flags}] seq ${tcp.sequence}${ack} win ${tcp.window} len ${length}`;
}

/** What is left when no layer above IP was read. */
function aboutIp({ ethernet, vlans, ipv4, ipv6, payloadLength }: DecodedFrame): { protocol: string; info: string[] } {
  const bytes = `len ${payloadLength}`;
  const last = vlans.at(-1) ?? ethernet;
  const ip = ipv4 ?? ipv6;
  if (ip) {
    const offset = ipv4?.fragmentOffset ?? ipv6?.extensions.at(-1)?.fragment?.offset ?? 0;
    const fragment = offset > 0 ? `fragment at ${offset * 8} of ` : '';
    return { protocol: ipv4 ? 'IPv4' : 'IPv6', info: [`${fragment}protocol ${ip.protocol} ${bytes}`] };
  }
  if (last?.etherType !== undefined) {
    return { protocol: 'Ethernet', info: [`type 0x${last.etherType.toString(16).padStart(4, '0')} ${bytes}`] };
  }
  return last ? { protocol: '802.3', info: [bytes] } : { protocol: '?', info: [bytes] };
}

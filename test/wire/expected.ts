/** Our reading of a frame in tshark's terms: its protocol names, offsets and field names. */
import type { Arp } from '../../src/wire/arp.js';
import type { DecodedFrame, DecodedIpv4, DecodedIpv6 } from '../../src/wire/decode.js';
import type { VlanTag } from '../../src/wire/ethernet.js';
import { IPV6_EXTENSION } from '../../src/wire/ipv6-extension.js';

type Value = number | string | boolean;

export interface ExpectedLayer {
  name: string;
  at: number;
  fields: [name: string, value: Value][];
}

const EXTENSIONS: Record<number, { name: string; next: string; length?: string }> = {
  [IPV6_EXTENSION.hopByHop]: { name: 'ipv6.hopopts', next: 'ipv6.hopopts.nxt', length: 'ipv6.hopopts.len_oct' },
  [IPV6_EXTENSION.routing]: { name: 'ipv6.routing', next: 'ipv6.routing.nxt', length: 'ipv6.routing.len_oct' },
  [IPV6_EXTENSION.fragment]: { name: 'ipv6.fraghdr', next: 'ipv6.fraghdr.nxt' },
  [IPV6_EXTENSION.authentication]: { name: 'ah', next: 'ah.next_header' },
  [IPV6_EXTENSION.destination]: { name: 'ipv6.dstopts', next: 'ipv6.dstopts.nxt', length: 'ipv6.dstopts.len_oct' },
  [IPV6_EXTENSION.mobility]: { name: 'mipv6', next: 'mip6.proto' },
  [IPV6_EXTENSION.hip]: { name: 'hip', next: 'hip.proto' },
  [IPV6_EXTENSION.shim6]: { name: 'shim6', next: 'shim6.nxt' },
};

/** The layers of a frame that starts at `start`, VXLAN's inner frames included. */
export function expectedLayers(frame: DecodedFrame, start = 0): ExpectedLayer[] {
  const layers: ExpectedLayer[] = [];
  let at = start;
  const add = (name: string, length: number, fields: [string, Value | undefined][]): void => {
    layers.push({ name, at, fields: fields.filter((field): field is [string, Value] => field[1] !== undefined) });
    at += length;
  };
  if (frame.ethernet === undefined) return layers;
  const { destination, source, etherType, length } = frame.ethernet;
  add('eth', 14, [['eth.dst', destination], ['eth.src', source], ['eth.type', etherType], lengthField(length)]);
  for (const tag of frame.vlans) add(tag.tpid === 0x88a8 ? 'ieee8021ad' : 'vlan', 4, vlanFields(tag));
  if (frame.arp) add('arp', 0, arpFields(frame.arp));
  if (frame.ipv4) add('ip', frame.ipv4.headerLength, ipv4Fields(frame.ipv4));
  if (frame.ipv6) {
    add('ipv6', 40, ipv6Fields(frame.ipv6));
    for (const extension of frame.ipv6.extensions) {
      const { name, next, length: octets } = EXTENSIONS[extension.type]!;
      const { fragment } = extension;
      add(name, extension.length, [
        [next, extension.nextHeader],
        ...(octets === undefined ? [] : ([[octets, extension.length]] as [string, number][])),
        ['ipv6.fraghdr.offset', fragment?.offset],
        ['ipv6.fraghdr.more', fragment?.moreFragments],
        ['ipv6.fraghdr.ident', fragment?.identification],
      ]);
    }
  }
  addTransport(frame, add);
  if (frame.vxlan) {
    // tshark has the flags with the eight bits after them, in which it reads the group policy extension.
    add('vxlan', 8, [
      ['vxlan.flags>>8', frame.vxlan.flags],
      ['vxlan.vni', frame.vxlan.vni],
    ]);
    if (frame.vxlan.inner) layers.push(...expectedLayers(frame.vxlan.inner, at));
  }
  return layers;
}

/** tshark shows length 0 as a type, and 1501–1535, which the standard leaves undefined, under a name of its own. */
function lengthField(length: number | undefined): [string, Value | undefined] {
  if (length === 0) return ['eth.type', length];
  return [length !== undefined && length > 1500 ? 'eth.invalid_lentype' : 'eth.len', length];
}

function vlanFields(tag: VlanTag): [string, Value | undefined][] {
  if (tag.tpid === 0x88a8) {
    return [
      ['ieee8021ad.priority', tag.priority],
      ['ieee8021ad.dei', tag.dropEligible],
      ['ieee8021ad.id', tag.id],
      ['ieee8021ah.etype', tag.etherType],
    ];
  }
  return [
    ['vlan.priority', tag.priority],
    ['vlan.dei', tag.dropEligible],
    ['vlan.id', tag.id],
    ['vlan.etype', tag.etherType],
    ['vlan.len', tag.length],
  ];
}

function arpFields(arp: Arp): [string, Value | undefined][] {
  return [
    ['arp.hw.type', arp.hardwareType],
    ['arp.proto.type', arp.protocolType],
    ['arp.hw.size', arp.hardwareLength],
    ['arp.proto.size', arp.protocolLength],
    ['arp.opcode', arp.operation],
    ['arp.src.hw_mac', arp.senderMac],
    ['arp.src.proto_ipv4', arp.senderIp],
    ['arp.dst.hw_mac', arp.targetMac],
    ['arp.dst.proto_ipv4', arp.targetIp],
  ];
}

function ipv4Fields(ip: DecodedIpv4): [string, Value | undefined][] {
  return [
    ['ip.version', ip.version],
    ['ip.hdr_len', ip.headerLength],
    ['ip.dsfield.dscp', ip.dscp],
    ['ip.dsfield.ecn', ip.ecn],
    ['ip.len', ip.totalLength],
    ['ip.id', ip.identification],
    ['ip.flags.rb', ip.reservedFlag],
    ['ip.flags.df', ip.dontFragment],
    ['ip.flags.mf', ip.moreFragments],
    ['ip.frag_offset', ip.fragmentOffset],
    ['ip.ttl', ip.ttl],
    ['ip.proto', ip.protocol],
    ['ip.checksum', ip.checksum],
    ['ip.checksum.status', ip.checksumValid],
    ['ip.src', ip.source],
    ['ip.dst', ip.destination],
  ];
}

function ipv6Fields(ip: DecodedIpv6): [string, Value | undefined][] {
  return [
    ['ipv6.version', ip.version],
    ['ipv6.tclass.dscp', ip.dscp],
    ['ipv6.tclass.ecn', ip.ecn],
    ['ipv6.flow', ip.flowLabel],
    ['ipv6.plen', ip.payloadLength],
    ['ipv6.nxt', ip.nextHeader],
    ['ipv6.hlim', ip.hopLimit],
    ['ipv6.src', ip.source],
    ['ipv6.dst', ip.destination],
  ];
}

function addTransport(
  { icmp, icmpv6, tcp, esp, ...frame }: DecodedFrame,
  add: (name: string, length: number, fields: [string, Value | undefined][]) => void,
): void {
  if (icmp) {
    add('icmp', 8, [
      ['icmp.type', icmp.type],
      ['icmp.code', icmp.code],
      ['icmp.checksum', icmp.checksum],
    ]);
  }
  if (icmpv6) {
    const { type, code, checksum, neighbor } = icmpv6;
    const target = type === 135 ? 'icmpv6.nd.ns.target_address' : 'icmpv6.nd.na.target_address';
    const fields: [string, Value | undefined][] = [
      ['icmpv6.type', type],
      ['icmpv6.code', code],
    ];
    add('icmpv6', 8, [...fields, ['icmpv6.checksum', checksum], [target, neighbor?.target]]);
  }
  const udp = esp?.udp ?? frame.udp;
  if (udp) {
    const { sourcePort, destinationPort, length, checksum } = udp;
    const ports: [string, Value][] = [
      ['udp.srcport', sourcePort],
      ['udp.dstport', destinationPort],
    ];
    add('udp', 8, [...ports, ['udp.length', length], ['udp.checksum', checksum]]);
  }
  if (tcp) {
    add('tcp', tcp.headerLength, [
      ['tcp.srcport', tcp.sourcePort],
      ['tcp.dstport', tcp.destinationPort],
      ['tcp.seq_raw', tcp.sequence],
      ['tcp.ack_raw', tcp.acknowledgment],
      ['tcp.hdr_len', tcp.headerLength],
      ['tcp.flags', tcp.flags],
      ['tcp.window_size_value', tcp.window],
      ['tcp.checksum', tcp.checksum],
      ['tcp.urgent_pointer', tcp.urgentPointer],
    ]);
  }
  if (esp)
    add('esp', 8, [
      ['esp.spi', esp.spi],
      ['esp.sequence', esp.sequence],
    ]);
}

/** ARP (RFC 826). */
import { ETHER_TYPE } from './ethernet.js';
import { HeaderLayout, ip4, mac, uint8, uint16 } from './field.js';

/** The part that every ARP has, 8 bytes. */
export interface ArpHeader {
  /** 1 is Ethernet. */
  hardwareType: number;
  /** 0x0800 is IPv4. */
  protocolType: number;
  /** Bytes of a hardware address: 6 for Ethernet. */
  hardwareLength: number;
  /** Bytes of a protocol address: 4 for IPv4. */
  protocolLength: number;
  /** 1 request, 2 reply. */
  operation: number;
}

/** The addresses of an ARP for IPv4 over Ethernet, 20 bytes. */
export interface ArpAddresses {
  senderMac: string;
  senderIp: string;
  targetMac: string;
  targetIp: string;
}

/** An ARP packet: the addresses only where they are IPv4 over Ethernet. */
export type Arp = ArpHeader & Partial<ArpAddresses>;

export const arpLayout = new HeaderLayout<ArpHeader>([
  uint16('hardwareType'),
  uint16('protocolType'),
  uint8('hardwareLength'),
  uint8('protocolLength'),
  uint16('operation'),
]);

export const arpAddressesLayout = new HeaderLayout<ArpAddresses>([
  mac('senderMac'),
  ip4('senderIp'),
  mac('targetMac'),
  ip4('targetIp'),
]);

/** True when the addresses are those of IPv4 over Ethernet. */
export function isIpv4OverEthernet(arp: ArpHeader): boolean {
  return (
    arp.hardwareType === 1 &&
    arp.protocolType === ETHER_TYPE.ipv4 &&
    arp.hardwareLength === 6 &&
    arp.protocolLength === 4
  );
}

/** Bytes of the whole packet, as its own length fields have it: 28 for IPv4 over Ethernet. */
export function arpLength(arp: ArpHeader): number {
  return arpLayout.span + 2 * (arp.hardwareLength + arp.protocolLength);
}

/**
 * The packet at `offset`; undefined when fewer than 8 bytes are there. The addresses are left out when they are not IPv4 over
 * Ethernet, or not all there: compare `arpLength` to tell.
 */
export function decodeArp(bytes: Uint8Array, offset = 0): Arp | undefined {
  const header = arpLayout.decode(bytes, offset);
  if (header === undefined || !isIpv4OverEthernet(header)) return header;
  return { ...header, ...arpAddressesLayout.decode(bytes, offset + arpLayout.span) };
}

/** Writes the packet at `offset`; returns 28, or 8 for one without addresses. */
export function encodeArp(arp: Arp, bytes: Uint8Array, offset = 0): number {
  const written = arpLayout.encode(arp, bytes, offset);
  const { senderMac, senderIp, targetMac, targetIp } = arp;
  if (senderMac === undefined || senderIp === undefined || targetMac === undefined || targetIp === undefined)
    return written;
  return written + arpAddressesLayout.encode({ senderMac, senderIp, targetMac, targetIp }, bytes, offset + written);
}

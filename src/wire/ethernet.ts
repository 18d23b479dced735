/** Ethernet II, 802.3 and VLAN tags (IEEE 802.3 clause 3, IEEE 802.1Q clause 9). */
import { bitFields, HeaderLayout, mac, uint16 } from './field.js';

/** From here on the type field is an EtherType; below it is the length of an 802.3 frame's payload. */
export const MIN_ETHER_TYPE = 0x600;

/** EtherTypes that this directory follows. */
export const ETHER_TYPE = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  serviceVlan: 0x88a8,
  oldQinq: 0x9100,
} as const;

/** Tags that are followed; what lies behind a third one is payload. */
export const MAX_VLAN_TAGS = 2;

/** What follows a header: an EtherType (0x600 and above), or the length in bytes of an 802.3 payload. Never both. */
export type TypeOrLength = { etherType: number; length?: never } | { etherType?: never; length: number };

/** An Ethernet header, 14 bytes, without preamble and frame check sequence. Addresses as `02:42:0a:00:00:02`. */
export type Ethernet = { destination: string; source: string } & TypeOrLength;

/**
 * A VLAN tag, 4 bytes: the two after the tag protocol identifier, and the two that say what follows. The identifier itself
 * takes the place of the EtherType before it.
 */
export type VlanTag = {
  /** Tag protocol identifier: 0x8100 (802.1Q), 0x88a8 (802.1ad) or 0x9100. */
  tpid: number;
  /** Priority code point, 0–7. */
  priority: number;
  /** Drop eligible indicator. */
  dropEligible: boolean;
  /** VLAN identifier, 0–4095. */
  id: number;
} & TypeOrLength;

interface EthernetFields {
  destination: string;
  source: string;
  type: number;
}

interface VlanFields {
  priority: number;
  dropEligible: boolean;
  id: number;
  type: number;
}

export const ethernetLayout = new HeaderLayout<EthernetFields>([mac('destination'), mac('source'), uint16('type')]);

export const vlanLayout = new HeaderLayout<VlanFields>([
  bitFields(2, [
    ['priority', 3],
    ['dropEligible', 'flag'],
    ['id', 12],
  ]),
  uint16('type'),
]);

/** True for the tag protocol identifiers that are followed. */
export function isVlanType(type: number | undefined): boolean {
  return type === ETHER_TYPE.vlan || type === ETHER_TYPE.serviceVlan || type === ETHER_TYPE.oldQinq;
}

function typeOrLength(type: number): TypeOrLength {
  return type >= MIN_ETHER_TYPE ? { etherType: type } : { length: type };
}

/** The header at `offset`; undefined when fewer than 14 bytes are there. */
export function decodeEthernet(bytes: Uint8Array, offset = 0): Ethernet | undefined {
  const fields = ethernetLayout.decode(bytes, offset);
  return fields && { destination: fields.destination, source: fields.source, ...typeOrLength(fields.type) };
}

/** Writes 14 bytes at `offset`; returns 14. */
export function encodeEthernet(header: Ethernet, bytes: Uint8Array, offset = 0): number {
  const { destination, source } = header;
  return ethernetLayout.encode({ destination, source, type: header.etherType ?? header.length }, bytes, offset);
}

/** The tag whose four bytes lie at `offset`, behind the identifier `tpid`; undefined when fewer are there. */
export function decodeVlanTag(bytes: Uint8Array, offset: number, tpid: number): VlanTag | undefined {
  const fields = vlanLayout.decode(bytes, offset);
  if (fields === undefined) return undefined;
  const { type, ...tag } = fields;
  return { tpid, ...tag, ...typeOrLength(type) };
}

/** Writes the tag's four bytes at `offset` (its `tpid` belongs to what is before); returns 4. */
export function encodeVlanTag(tag: VlanTag, bytes: Uint8Array, offset = 0): number {
  const { priority, dropEligible, id } = tag;
  return vlanLayout.encode({ priority, dropEligible, id, type: tag.etherType ?? tag.length }, bytes, offset);
}

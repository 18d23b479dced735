/** VXLAN (RFC 7348, section 5). */
import { HeaderLayout, uint8, uint24 } from './field.js';

/** UDP ports taken for VXLAN unless told otherwise: IANA's, and the one Linux used before there was one. */
export const VXLAN_PORTS: readonly number[] = [4789, 8472];

/** The I flag: the VNI is valid. Must be set. */
export const VXLAN_FLAG_VNI = 0x08;

/** A VXLAN header, 8 bytes. The reserved 24 and 8 bits are zero on send and ignored on receipt. */
export interface Vxlan {
  /** Eight bits; all but 0x08 are reserved. */
  flags: number;
  /** VXLAN network identifier, 24 bits. */
  vni: number;
}

export const vxlanLayout = new HeaderLayout<Vxlan>([uint8('flags'), uint24(), uint24('vni'), uint8()]);

/** The header at `offset`; undefined when fewer than 8 bytes are there. The I flag is the caller's to check. */
export function decodeVxlan(bytes: Uint8Array, offset = 0): Vxlan | undefined {
  return vxlanLayout.decode(bytes, offset);
}

/** Writes 8 bytes at `offset`; returns 8. */
export function encodeVxlan(header: Vxlan, bytes: Uint8Array, offset = 0): number {
  return vxlanLayout.encode(header, bytes, offset);
}

/** ESP (RFC 4303, section 2): the part before the encrypted bytes. */
import { HeaderLayout, uint32 } from './field.js';

/** An ESP header, 8 bytes. */
export interface Esp {
  /** Security parameters index. */
  spi: number;
  /** Sequence number; the low 32 bits where extended sequence numbers are used. */
  sequence: number;
}

export const espLayout = new HeaderLayout<Esp>([uint32('spi'), uint32('sequence')]);

/** The header at `offset`; undefined when fewer than 8 bytes are there. */
export function decodeEsp(bytes: Uint8Array, offset = 0): Esp | undefined {
  return espLayout.decode(bytes, offset);
}

/** Writes 8 bytes at `offset`; returns 8. */
export function encodeEsp(header: Esp, bytes: Uint8Array, offset = 0): number {
  return espLayout.encode(header, bytes, offset);
}

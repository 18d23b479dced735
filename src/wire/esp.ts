/** ESP (RFC 4303, section 2): the part before the encrypted bytes. */
import { HeaderLayout, uint32 } from './field.js';

/** UDP destination port of ESP that is carried in UDP (RFC 3948). */
export const ESP_UDP_PORT = 4500;

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

/** What a UDP payload on port 4500 is (RFC 3948, section 2): a zero SPI marks IKE, a single 0xff keeps a NAT mapping alive. */
export function udpPayloadKind(payload: Uint8Array): 'esp' | 'ike' | 'keepalive' | undefined {
  if (payload.length === 1 && payload[0] === 0xff) return 'keepalive';
  if (payload.length < 4) return undefined;
  if (payload.subarray(0, 4).every((byte) => byte === 0)) return 'ike';
  return payload.length < espLayout.span ? undefined : 'esp';
}

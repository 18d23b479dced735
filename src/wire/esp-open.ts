/**
 * Sealing and opening ESP with AES-GCM (RFC 4303, RFC 4106) by node:crypto. The readable reference: slow, a packet at a time, and
 * without a replay window.
 */
import { Buffer } from 'node:buffer';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { encodeEsp, espLayout } from './esp.js';
import type { SaEnds } from './esp-keys.js';

/** Bytes of the IV on the wire, between the ESP header and the encrypted bytes (RFC 4106, section 3.1). */
export const ESP_IV_BYTES = 8;
/** Pad length and next header, after the padding. */
const TRAILER_BYTES = 2;
/** What is sealed has a multiple of so many bytes (RFC 4303, section 2.4). */
const ALIGNMENT = 4;
const NEXT_HEADER_UDP = 17;

/** A security association as opening and sealing need it. */
export interface EspSa extends Partial<SaEnds> {
  spi: number;
  /** 16 or 32 bytes. */
  key: Uint8Array;
  /** 4 bytes. */
  salt: Uint8Array;
  /** Bytes of the integrity check value at the packet's end. */
  icvLength: 8 | 16;
  /** 64-bit sequence numbers (RFC 4303, section 2.2.1): the high half is authenticated and not sent. */
  esn: boolean;
}

/**
 * Why a packet does not open: shorter than header, IV, trailer and ICV; no SA has its SPI; the key is another or a bit was changed;
 * the padding is not 1, 2, 3 … (RFC 4303, section 2.4); it is not UDP that was sealed.
 */
export type EspRefusal = 'esp_truncated' | 'esp_spi' | 'esp_icv' | 'esp_padding' | 'esp_next_header';

/** An opened packet. */
export interface EspInside<Sa extends EspSa = EspSa> {
  /** The SA that it is of. */
  sa: Sa;
  /** All 64 bits of it where the SA has them. */
  sequence: bigint;
  /** Whether 64 bits were authenticated. */
  esn: boolean;
  /** 8 bytes as on the wire. */
  iv: Uint8Array;
  /** What was sealed, without padding and trailer: a UDP datagram. */
  inner: Uint8Array;
  padLength: number;
  nextHeader: number;
}

export type EspOpening<Sa extends EspSa = EspSa> =
  | ({ opened: true } & EspInside<Sa>)
  | { opened: false; reason: EspRefusal };

export interface OpenEspInput<Sa extends EspSa = EspSa> extends SaEnds {
  /** From the SPI to the last byte of the ICV. */
  packet: Uint8Array;
  /** Tried in order; those of another SPI or with other ends are passed over. */
  sas: Iterable<Sa>;
}

export interface SealEspInput {
  /** The UDP datagram. */
  inner: Uint8Array;
  sa: EspSa;
  /** The low 32 bits are sent; the rest is authenticated where the SA has `esn`. */
  sequence: bigint;
  /** 64 bits that are never used again with this key. */
  iv: bigint;
  /** Default 17, UDP. */
  nextHeader?: number;
}

function cipherName(key: Uint8Array): 'aes-128-gcm' | 'aes-256-gcm' {
  if (key.length === 16) return 'aes-128-gcm';
  if (key.length === 32) return 'aes-256-gcm';
  throw new RangeError(`a key has 16 or 32 bytes, not ${key.length}`);
}

/** SPI and sequence number, the latter of 32 or, `high` given, 64 bits (RFC 4106, section 5). */
function associatedData(packet: Uint8Array, high: number | undefined): Uint8Array {
  if (high === undefined) return packet.subarray(0, espLayout.span);
  const bytes = new Uint8Array(12);
  bytes.set(packet.subarray(0, 4));
  new DataView(bytes.buffer).setUint32(4, high);
  bytes.set(packet.subarray(4, 8), 8);
  return bytes;
}

/** The packet with its padding 1, 2, 3 …, from the SPI to the ICV. */
export function sealEsp({ inner, sa, sequence, iv, nextHeader = NEXT_HEADER_UDP }: SealEspInput): Uint8Array {
  const padLength = -(inner.length + TRAILER_BYTES) & (ALIGNMENT - 1);
  const plain = new Uint8Array(inner.length + padLength + TRAILER_BYTES);
  plain.set(inner);
  for (let i = 0; i < padLength; i++) plain[inner.length + i] = i + 1;
  plain.set([padLength, nextHeader], inner.length + padLength);

  const start = espLayout.span + ESP_IV_BYTES;
  const packet = new Uint8Array(start + plain.length + sa.icvLength);
  encodeEsp({ spi: sa.spi, sequence: Number(sequence & 0xffff_ffffn) }, packet);
  new DataView(packet.buffer).setBigUint64(espLayout.span, iv);
  const nonce = Uint8Array.of(...sa.salt, ...packet.subarray(espLayout.span, start));
  const cipher = createCipheriv(cipherName(sa.key), sa.key, nonce, { authTagLength: sa.icvLength });
  cipher.setAAD(associatedData(packet, sa.esn ? Number(sequence >> 32n) : undefined));
  packet.set(cipher.update(plain), start);
  cipher.final();
  packet.set(cipher.getAuthTag(), start + plain.length);
  return packet;
}

/** Opens a packet with the first SA that fits, or says why none did. Never throws for what is in the packet. */
export function openEsp<Sa extends EspSa>({ packet, source, destination, sas }: OpenEspInput<Sa>): EspOpening<Sa> {
  if (packet.length < espLayout.span + ESP_IV_BYTES + TRAILER_BYTES + 8) return refusal('esp_truncated');
  const spi = new DataView(packet.buffer, packet.byteOffset).getUint32(0);
  let reason: EspRefusal = 'esp_spi';
  for (const sa of sas) {
    if (sa.spi !== spi || !isOf(sa.source, source) || !isOf(sa.destination, destination)) continue;
    // The number's high half is not sent: most SAs stay in the first 2^32, and a peer may not extend at all.
    for (const high of sa.esn ? [0, 1, undefined] : [undefined]) {
      const plain = decrypt(packet, sa, high);
      if (plain !== undefined) return readPlain(packet, sa, high, plain);
    }
    reason = 'esp_icv';
  }
  return refusal(reason);
}

function refusal(reason: EspRefusal): { opened: false; reason: EspRefusal } {
  return { opened: false, reason };
}

function isOf(end: Uint8Array | undefined, address: Uint8Array): boolean {
  return end === undefined || Buffer.compare(end, address) === 0;
}

/** Undefined when the ICV is wrong. */
function decrypt(packet: Uint8Array, { key, salt, icvLength }: EspSa, high: number | undefined): Buffer | undefined {
  const start = espLayout.span + ESP_IV_BYTES;
  const end = packet.length - icvLength;
  if (end < start + TRAILER_BYTES) return undefined;
  const nonce = Uint8Array.of(...salt, ...packet.subarray(espLayout.span, start));
  const decipher = createDecipheriv(cipherName(key), key, nonce, { authTagLength: icvLength });
  decipher.setAAD(associatedData(packet, high));
  decipher.setAuthTag(packet.subarray(end));
  const plain = decipher.update(packet.subarray(start, end));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

function readPlain<Sa extends EspSa>(
  packet: Uint8Array,
  sa: Sa,
  high: number | undefined,
  plain: Buffer,
): EspOpening<Sa> {
  const [padLength = 0, nextHeader = 0] = plain.subarray(-TRAILER_BYTES);
  const end = plain.length - TRAILER_BYTES - padLength;
  if (end < 0) return refusal('esp_padding');
  const padding = plain.subarray(end, end + padLength);
  if (!padding.every((byte, i) => byte === i + 1)) return refusal('esp_padding');
  if (nextHeader !== NEXT_HEADER_UDP) return refusal('esp_next_header');
  const low = BigInt(new DataView(packet.buffer, packet.byteOffset).getUint32(4));
  return {
    opened: true,
    sa,
    sequence: (BigInt(high ?? 0) << 32n) | low,
    esn: high !== undefined,
    iv: packet.slice(espLayout.span, espLayout.span + ESP_IV_BYTES),
    inner: plain.subarray(0, end),
    padLength,
    nextHeader,
  };
}

/**
 * Where the keys and SPIs of encrypted VXLAN come from. The readable reference: it shares nothing with the native core, and the
 * tests hold the two against each other.
 */
import { createHmac, hkdfSync } from 'node:crypto';

/** Bytes of a secret of profile `strong`. */
export const STRONG_SECRET_BYTES = 32;

/** Bytes of the salt that begins every AES-GCM nonce (RFC 4106, section 4). */
export const ESP_SALT_BYTES = 4;

const RATCHET_LABEL = 'overlane ratchet 1';
const SA_LABEL = 'overlane esp strong 1';
const HINT_LABEL = 'overlane esp hint 1';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The ends of a security association, which belongs to one direction: outer IP addresses of 4 or 16 bytes. */
export interface SaEnds {
  source: Uint8Array;
  destination: Uint8Array;
}

/** What an SA of profile `strong` is derived from. */
export interface SaInput extends SaEnds {
  /** Of the epoch, 32 bytes. */
  secret: Uint8Array;
  /** 256 to 2^32 - 1. */
  spi: number;
  /** 128 or 256. */
  keyBits: number;
}

/** Key material of one SA; `key` and `salt` are secrets, the caller's to wipe. */
export interface SaMaterial {
  /** 16 or 32 bytes. */
  key: Uint8Array;
  /** 4 bytes: with the IV on the wire, the nonce. */
  salt: Uint8Array;
  /** Added to the counter before it goes onto the wire, modulo 2^64. */
  ivMask: bigint;
}

function hkdf(secret: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, label, info, length));
}

/** 16 bytes: IPv6 as it is, IPv4 as `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2). */
function asSixteen(address: Uint8Array): Uint8Array {
  if (address.length === 16) return address;
  if (address.length !== 4) throw new RangeError(`an IP address has 4 or 16 bytes, not ${address.length}`);
  const mapped = new Uint8Array(16);
  mapped.fill(0xff, 10, 12);
  mapped.set(address, 12);
  return mapped;
}

function bigEndian(value: number, bytes: 2 | 4): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out.subarray(4 - bytes);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * The secret of the next epoch, 32 bytes: HKDF-SHA256 (RFC 5869), so there is no way back. By its two HMACs, as `hkdfSync` keeps a copy of
 * the secret until the next garbage collection.
 */
export function ratchet(secret: Uint8Array): Uint8Array {
  const extracted = createHmac('sha256', RATCHET_LABEL).update(secret).digest();
  // One block is as long as the secret: the info is empty, the counter 1.
  const next = createHmac('sha256', extracted).update(Uint8Array.of(1)).digest();
  extracted.fill(0);
  return next;
}

/**
 * The SPI of profile `docker`: FNV-1a, 32 bits, over both addresses and between them the key's tag (4 bytes, big endian).
 *
 * @throws {RangeError} for an address that has neither 4 nor 16 bytes.
 */
export function dockerSpi(source: Uint8Array, destination: Uint8Array, tag: number): number {
  let hash = FNV_OFFSET;
  for (const byte of joined(asSixteen(source), bigEndian(tag, 4), asSixteen(destination))) {
    hash = Math.imul(hash ^ byte, FNV_PRIME);
  }
  return hash >>> 0;
}

/**
 * Key, salt and IV mask of the SA that `source` sends to `destination` with.
 *
 * @throws {RangeError} for an address or a `keyBits` that cannot be.
 */
export function deriveSa({ secret, source, destination, spi, keyBits }: SaInput): SaMaterial {
  if (keyBits !== 128 && keyBits !== 256) throw new RangeError(`keyBits is 128 or 256, not ${keyBits}`);
  const keyBytes = keyBits / 8;
  const info = joined(asSixteen(source), asSixteen(destination), bigEndian(spi, 4), bigEndian(keyBits, 2));
  const material = hkdf(secret, SA_LABEL, info, keyBytes + ESP_SALT_BYTES + 8);
  const ivMask = new DataView(material.buffer).getBigUint64(keyBytes + ESP_SALT_BYTES);
  return { key: material.slice(0, keyBytes), salt: material.slice(keyBytes, keyBytes + ESP_SALT_BYTES), ivMask };
}

/**
 * The top 8 bits of every SPI that `source` chooses for `destination` under this secret: which key an unknown SPI may be of.
 *
 * @throws {RangeError} for an address that has neither 4 nor 16 bytes.
 */
export function spiHint({ secret, source, destination }: SaEnds & { secret: Uint8Array }): number {
  return hkdf(secret, HINT_LABEL, joined(asSixteen(source), asSixteen(destination)), 1)[0]!;
}

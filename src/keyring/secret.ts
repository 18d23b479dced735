/** Bytes that are secret: kept outside of Node's shared pool, wiped after use, and never part of a message. */
import { createHash } from 'node:crypto';
import { OverlaneError } from '../errors.js';

/** How encrypted packets look: overlane's own format, or that of Docker's encrypted overlay networks. */
export type Profile = 'strong' | 'docker';

/** AES key size. */
export type KeyBits = 128 | 256;

/** Bytes of a secret: `strong` derives its keys from 32, `docker` uses the secret as the key. */
export function secretBytes(profile: Profile, keyBits: KeyBits): number {
  return profile === 'strong' ? 32 : keyBits / 8;
}

/** Room outside of V8's heap: up to 64 bytes of a plain Buffer are in it, where copies stay behind that nobody can wipe. */
export function secretRoom(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

/** A copy that is the caller's to wipe. */
export function copySecret(secret: Uint8Array): Buffer {
  const own = secretRoom(secret.length);
  own.set(secret);
  return own;
}

export function wipe(...secrets: (Uint8Array | null | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}

/** Value of an ASCII hex digit; -1: it is none. */
function nibble(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

/** Bytes of hex digits in ASCII, without a string in between, which could not be wiped; null when they are not hex. */
export function hexSecret(digits: Uint8Array): Buffer | null {
  if (digits.length % 2 !== 0) return null;
  const secret = secretRoom(digits.length / 2);
  for (let i = 0; i < secret.length; i++) {
    const [high, low] = [nibble(digits[2 * i]!), nibble(digits[2 * i + 1]!)];
    if (high < 0 || low < 0) {
      wipe(secret);
      return null;
    }
    secret[i] = (high << 4) | low;
  }
  return secret;
}

/** Hex digits in ASCII; the caller's to wipe. */
export function secretHex(secret: Uint8Array): Buffer {
  const digits = secretRoom(2 * secret.length);
  const ascii = (value: number) => value + (value < 10 ? 0x30 : 0x61 - 10);
  secret.forEach((byte, i) => {
    digits[2 * i] = ascii(byte >> 4);
    digits[2 * i + 1] = ascii(byte & 15);
  });
  return digits;
}

/** Tells secrets apart without keeping or showing them; not to be shown either. */
export function fingerprint(secret: Uint8Array): string {
  return createHash('sha256').update('overlane fingerprint 1').update(secret).digest('base64');
}

/** A message without what could be a key: 16 hex digits or more in a row. */
export function redact(message: string): string {
  return message.replaceAll(/[0-9a-f]{16,}/gi, '(hex digits)');
}

/** Runs a call that may find a secret where something else belongs; its errors do not show it. */
export function redacted<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof OverlaneError)) throw error;
    throw new OverlaneError(error.code, redact(error.message));
  }
}

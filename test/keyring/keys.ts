/** Keys for tests: each byte of secret n is n. */
import { type KeyOptions, OverlaneError } from '../../src/index.js';

export function secret(n: number, bytes = 32): Uint8Array {
  return new Uint8Array(bytes).fill(n);
}

export function key(id: number, bytes = 32): KeyOptions {
  return { id, secret: secret(id, bytes) };
}

/** Hex of a secret with every digit the same would hide mistakes in the order. */
export const HEX = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';

/** The error itself, with all that can be got out of it. */
export function thrown(call: () => unknown): OverlaneError {
  try {
    call();
  } catch (error) {
    if (error instanceof OverlaneError) return error;
    throw error;
  }
  throw new Error('the call should have thrown');
}

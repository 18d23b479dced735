/** Finds secrets in whatever is printed, in the forms that they may have there. */

import { parseIp } from '../../src/address.js';
import { deriveSa, ratchet } from '../../src/wire/esp-keys.js';
import type { Ends } from '../wire/esp-frames.js';

/** Forms of bytes in text: hex, base64, and as arrays and buffers are shown. */
function forms(bytes: Uint8Array): string[] {
  const hex = Buffer.from(bytes).toString('hex');
  const pairs = hex.match(/../g)!;
  const short = [...bytes].slice(0, 8);
  const base64 = Buffer.from(bytes).toString('base64');
  return [
    // Half of one is too much as well.
    hex.slice(0, 16),
    hex.slice(-16),
    pairs.slice(0, 8).join(' '),
    pairs.slice(0, 8).join(':'),
    base64.slice(0, 20),
    Buffer.from(bytes).toString('base64url').slice(0, 20),
    short.join(','),
    short.join(', '),
    short.map((byte, i) => `"${i}":${byte}`).join(','),
    Buffer.from(bytes).toString('latin1'),
  ].map((form) => form.toLowerCase());
}

export class Needles {
  readonly #forms = new Map<string, string>();

  add(name: string, bytes: Uint8Array): this {
    for (const form of forms(bytes)) this.#forms.set(form, name);
    return this;
  }

  /** The secret itself, and those of the next epochs. */
  addEpochs(name: string, secret: Uint8Array, count = 4): this {
    let bytes = secret;
    for (let epoch = 0; epoch < count; epoch++) {
      this.add(`${name}, epoch ${epoch}`, bytes);
      bytes = ratchet(bytes);
    }
    return this;
  }

  /** Key and salt of an SA. */
  addSa(secret: Uint8Array, { source, destination }: Ends, spi: number, keyBits: 128 | 256 = 128): this {
    const ends = { source: parseIp(source), destination: parseIp(destination) };
    const { key } = deriveSa({ ...ends, secret, spi, keyBits });
    return this.add(`SA ${spi.toString(16)}`, key);
  }

  /** The names of the secrets that are in it. */
  in(text: string): string[] {
    // Arrays are shown in columns.
    const lower = text.toLowerCase().replaceAll(/,\s+/g, ', ');
    return [...this.#forms].filter(([form]) => lower.includes(form)).map(([, name]) => name);
  }
}

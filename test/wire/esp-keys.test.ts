import { describe, expect, it } from 'vitest';
import { parseIp } from '../../src/address.js';
import { deriveSa, dockerSpi, ratchet, spiHint } from '../../src/wire/esp-keys.js';
import { toHex } from '../../src/wire/field.js';
import { ESP_VECTORS } from './esp-vectors.js';

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);
const V4 = { source: parseIp('192.0.2.1'), destination: parseIp('198.51.100.2') };

describe('dockerSpi', () => {
  it.each([
    ['1.2.3.4', '5.6.7.8', 1234, 0x5de62c5b],
    ['10.0.0.1', '2001:db8::1', 5678, 0x8c1ea943],
    ['10.1.11.45', '10.1.11.29', 56398, 0xf4faae1b],
  ])('%s → %s, tag %i, is that of Docker', (source, destination, tag, spi) => {
    expect(dockerSpi(parseIp(source), parseIp(destination), tag)).toBe(spi);
    expect(dockerSpi(parseIp(destination), parseIp(source), tag)).not.toBe(spi);
  });

  it('takes tags of 32 bits', () => {
    const spis = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff].map((tag) => dockerSpi(V4.source, V4.destination, tag));
    expect(new Set(spis).size).toBe(5);
    expect(spis.every((spi) => spi >= 0 && spi <= 0xffff_ffff)).toBe(true);
  });
});

describe('deriveSa', () => {
  const base = { ...V4, secret: SECRET, spi: 0x1234_5678, keyBits: 128 };

  it.each([128, 256])('gives a key of %i bits, a salt and a mask', (keyBits) => {
    const { key, salt, ivMask } = deriveSa({ ...base, keyBits });
    expect([key.length, salt.length, typeof ivMask]).toEqual([keyBits / 8, 4, 'bigint']);
  });

  it('changes with everything that goes in, direction and key size too', () => {
    const inputs = [
      base,
      { ...base, secret: ratchet(SECRET) },
      { ...base, source: parseIp('192.0.2.2') },
      { ...base, destination: parseIp('198.51.100.3') },
      { ...base, source: V4.destination, destination: V4.source },
      { ...base, spi: base.spi + 1 },
      { ...base, keyBits: 256 },
    ];
    const all = inputs.map((input) => deriveSa(input));
    for (const part of [all.map(({ key }) => toHex(key.subarray(0, 16))), all.map(({ ivMask }) => String(ivMask))]) {
      expect(new Set(part).size).toBe(inputs.length);
    }
  });

  it('takes an IPv4 address and its mapped form for the same', () => {
    const mapped = { source: parseIp('::ffff:192.0.2.1'), destination: parseIp('::ffff:198.51.100.2') };
    expect(deriveSa({ ...base, ...mapped })).toEqual(deriveSa(base));
    expect(spiHint({ ...mapped, secret: SECRET })).toBe(spiHint({ ...V4, secret: SECRET }));
    expect(dockerSpi(mapped.source, mapped.destination, 7)).toBe(dockerSpi(V4.source, V4.destination, 7));
  });

  it('refuses other key sizes, and what is no address', () => {
    expect(() => deriveSa({ ...base, keyBits: 192 })).toThrow(RangeError);
    expect(() => deriveSa({ ...base, source: new Uint8Array(6) })).toThrow(RangeError);
    expect(() => spiHint({ ...V4, destination: new Uint8Array(0), secret: SECRET })).toThrow(RangeError);
    expect(() => dockerSpi(new Uint8Array(15), V4.destination, 1)).toThrow(RangeError);
  });

  it('is what the vectors say', () => {
    const strong = ESP_VECTORS.filter(({ profile }) => profile === 'strong');
    expect(strong.length).toBeGreaterThanOrEqual(4);
    for (const { secret, epoch, epochSecret, hint, spi, keyBits, ...vector } of strong) {
      let current: Uint8Array = Buffer.from(secret, 'hex');
      for (let i = 0; i < epoch!; i++) current = ratchet(current);
      expect(toHex(current)).toBe(epochSecret);
      const ends = { source: parseIp(vector.source), destination: parseIp(vector.destination) };
      expect([spiHint({ ...ends, secret: current }), spi >>> 24]).toEqual([hint, hint]);
      const { key, salt, ivMask } = deriveSa({ ...ends, secret: current, spi, keyBits });
      expect([toHex(key), toHex(salt), String(ivMask)]).toEqual([vector.key, vector.salt, vector.ivMask]);
      expect(BigInt(`0x${vector.iv}`)).toBe(BigInt.asUintN(64, BigInt(vector.counter) + ivMask));
    }
  });
});

describe('spiHint', () => {
  it('is one byte, spread over all of them', () => {
    const hints = Array.from({ length: 1000 }, (_, i) =>
      spiHint({ ...V4, source: Uint8Array.of(10, 0, i >> 8, i & 255), secret: SECRET }),
    );
    expect(hints.every((hint) => Number.isInteger(hint) && hint >= 0 && hint <= 255)).toBe(true);
    expect(new Set(hints).size).toBeGreaterThan(230);
  });
});

describe('ratchet', () => {
  it('gives 32 bytes that do not come back, and leaves its input', () => {
    const seen = new Set<string>();
    let secret: Uint8Array = SECRET;
    for (let i = 0; i < 1000; i++) {
      seen.add(toHex(secret));
      secret = ratchet(secret);
      expect(secret.length).toBe(32);
    }
    expect(seen.size).toBe(1000);
    expect(toHex(SECRET)).toBe(toHex(Uint8Array.from({ length: 32 }, (_, i) => i)));
  });
});

import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIp } from '../../src/address.js';
import { type EspSa, openEsp, sealEsp } from '../../src/wire/esp-open.js';
import { toHex } from '../../src/wire/field.js';
import { ESP_VECTORS, type EspVector } from './esp-vectors.js';

const ENDS = { source: parseIp('192.0.2.1'), destination: parseIp('198.51.100.2') };
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

function saOf({ spi, key, salt, icvLength, esn }: EspVector): EspSa {
  return { spi, key: hex(key), salt: hex(salt), icvLength, esn };
}

const STRONG: EspSa = { spi: 0x8000_0001, key: hex('42'.repeat(16)), salt: hex('01020304'), icvLength: 16, esn: true };
const DOCKER: EspSa = { spi: 0xf4faae1b, key: hex('17'.repeat(16)), salt: hex('f4faae1b'), icvLength: 8, esn: false };

/** A packet with any plaintext, trailer included: what `sealEsp` does not make. */
function sealRaw({ spi, key, salt, icvLength }: EspSa, plain: Uint8Array): Uint8Array {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(spi, 0);
  head.writeUInt32BE(1, 4);
  const nonce = Buffer.concat([salt, head.subarray(8)]);
  const cipher = createCipheriv('aes-128-gcm', key, nonce, { authTagLength: icvLength });
  cipher.setAAD(head.subarray(0, 8));
  return Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

describe('the vectors', () => {
  it.each(ESP_VECTORS.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const { plaintext, packet, sequence, iv, esn } = vector;
    const sa = saOf(vector);
    const sealed = sealEsp({ inner: hex(plaintext), sa, sequence: BigInt(sequence), iv: BigInt(`0x${iv}`) });
    expect(toHex(sealed)).toBe(packet);
    expect(toHex(sealed.subarray(8, 16))).toBe(iv);
    const opening = openEsp({ packet: hex(packet), ...ENDS, sas: [sa] });
    expect(opening).toMatchObject({ opened: true, sequence: BigInt(sequence), esn, nextHeader: 17 });
    if (opening.opened) expect([toHex(opening.inner), toHex(opening.iv)]).toEqual([plaintext, iv]);
  });

  it('cover both key sizes and IP versions, every padding, and both profiles', () => {
    const kinds = ESP_VECTORS.map(({ profile, keyBits, source }) => `${profile} ${keyBits} ${source.includes(':')}`);
    expect(new Set(kinds).size).toBe(7);
    expect(new Set(ESP_VECTORS.map(({ plaintext }) => (plaintext.length / 2) % 4)).size).toBe(4);
  });
});

describe('sealEsp and openEsp', () => {
  it('give back any datagram, padded to 4 with the least there is', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const sas = fc.record({
      spi: fc.integer({ min: 256, max: 0xffff_ffff }),
      key: fc.oneof(bytes(16), bytes(32)),
      salt: bytes(4),
      icvLength: fc.constantFrom(8 as const, 16 as const),
      esn: fc.boolean(),
    });
    const numbers = fc.tuple(
      fc.bigInt({ min: 0n, max: (1n << 33n) - 1n }),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    );
    fc.assert(
      fc.property(sas, fc.uint8Array({ maxLength: 200 }), numbers, (sa, inner, [number, iv]) => {
        const sequence = sa.esn ? number : number & 0xffff_ffffn;
        const packet = sealEsp({ inner, sa, sequence, iv });
        expect((packet.length - sa.icvLength) % 4).toBe(0);
        const opening = openEsp({ packet, ...ENDS, sas: [sa] });
        expect(opening).toMatchObject({ opened: true, sequence, esn: sa.esn, padLength: -(inner.length + 2) & 3 });
        if (opening.opened) expect(toHex(opening.inner)).toBe(toHex(inner));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['strong', STRONG],
    ['docker', DOCKER],
  ])('refuse a packet with any one bit changed, or cut anywhere: %s', (_, sa) => {
    const packet = sealEsp({ inner: hex('00112233445566778899'), sa, sequence: 5n, iv: 9n });
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const altered = Uint8Array.from(packet);
      altered[bit >> 3]! ^= 1 << (bit & 7);
      const reason = bit < 32 ? 'esp_spi' : 'esp_icv';
      expect(openEsp({ packet: altered, ...ENDS, sas: [sa] }), `bit ${bit}`).toEqual({ opened: false, reason });
    }
    for (let length = 0; length < packet.length; length++) {
      const opening = openEsp({ packet: packet.subarray(0, length), ...ENDS, sas: [sa] });
      expect(opening).toEqual({ opened: false, reason: length < 26 ? 'esp_truncated' : 'esp_icv' });
    }
  });

  it('say of another key, salt, ICV length or kind of sequence number that the ICV is wrong', () => {
    const packet = sealEsp({ inner: hex('0011'), sa: { ...STRONG, esn: false }, sequence: 1n, iv: 1n });
    expect(openEsp({ packet, ...ENDS, sas: [{ ...STRONG, esn: false }] }).opened).toBe(true);
    for (const other of [{ key: hex('43'.repeat(16)) }, { salt: hex('01020305') }, { icvLength: 8 as const }]) {
      const opening = openEsp({ packet, ...ENDS, sas: [{ ...STRONG, esn: false, ...other }] });
      expect(opening).toEqual({ opened: false, reason: 'esp_icv' });
    }
    const extended = sealEsp({ inner: hex('0011'), sa: STRONG, sequence: 1n, iv: 1n });
    expect(openEsp({ packet: extended, ...ENDS, sas: [{ ...STRONG, esn: false }] }).opened).toBe(false);
    // A peer that does not extend its numbers is told apart.
    expect(openEsp({ packet, ...ENDS, sas: [STRONG] })).toMatchObject({ opened: true, esn: false });
  });

  it('take the SA whose SPI and ends fit, of several', () => {
    const packet = sealEsp({ inner: hex('0011'), sa: DOCKER, sequence: 1n, iv: 1n });
    const others = [STRONG, { ...DOCKER, source: ENDS.destination }, { ...DOCKER, key: hex('00'.repeat(16)) }];
    expect(openEsp({ packet, ...ENDS, sas: others })).toEqual({ opened: false, reason: 'esp_icv' });
    const opening = openEsp({ packet, ...ENDS, sas: [...others, { ...DOCKER, ...ENDS }] });
    expect(opening.opened && opening.sa.source).toEqual(ENDS.source);
    expect(openEsp({ packet, ...ENDS, sas: [] })).toEqual({ opened: false, reason: 'esp_spi' });
  });

  it.each([
    ['padding of zeros', '0011000002 11', 'esp_padding'],
    ['padding that begins with 2', '001102030211', 'esp_padding'],
    ['more padding than there is', '00110102ff11', 'esp_padding'],
    ['an IPv4 packet inside', '001101020204', 'esp_next_header'],
    ['a dummy packet (RFC 4303, section 2.6)', '00110102023b', 'esp_next_header'],
  ])('refuse %s, though it is authentic', (_, plain, reason) => {
    const packet = sealRaw(DOCKER, hex(plain.replace(' ', '')));
    expect(openEsp({ packet, ...ENDS, sas: [DOCKER] })).toEqual({ opened: false, reason });
  });

  it('take more padding than is needed: it hides lengths (RFC 4303, section 2.4)', () => {
    const packet = sealRaw(DOCKER, hex('0011 01020304050607080911'.replace(' ', '').replace(/0911$/, '0811')));
    expect(openEsp({ packet, ...ENDS, sas: [DOCKER] })).toMatchObject({ opened: true, padLength: 8 });
  });

  it('refuse keys of other lengths', () => {
    const sa = { ...DOCKER, key: new Uint8Array(24) };
    expect(() => sealEsp({ inner: new Uint8Array(2), sa, sequence: 1n, iv: 1n })).toThrow(RangeError);
  });
});

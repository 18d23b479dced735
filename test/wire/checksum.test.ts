import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addToSum, foldSum, internetChecksum, pseudoHeaderSum } from '../../src/wire/checksum.js';

describe('internet checksum', () => {
  it('sums the example of RFC 1071, section 3', () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(foldSum(addToSum(bytes))).toBe(0xddf2);
    expect(internetChecksum(bytes)).toBe(0x220d);
  });

  it('pads an odd last byte with zero', () => {
    expect(internetChecksum(Uint8Array.of(0xab))).toBe(0x54ff);
    expect(internetChecksum(new Uint8Array(0))).toBe(0xffff);
  });

  it('of an IPv4 header with its checksum in place is zero', () => {
    const header = Buffer.from('45000073000040004011b861c0a80001c0a800c7', 'hex');
    expect(internetChecksum(header)).toBe(0);
    header.writeUInt16BE(0, 10);
    expect(internetChecksum(header)).toBe(0xb861);
  });

  it('covers the pseudo-header: a DNS query as scapy sends it', () => {
    const source = Uint8Array.of(10, 0, 0, 1);
    const destination = Uint8Array.of(10, 0, 0, 2);
    expect(internetChecksum(Buffer.from('003500350008eb71', 'hex'), pseudoHeaderSum(source, destination, 17, 8))).toBe(
      0,
    );
  });

  it('is the same whatever the pieces, if only the last is odd', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(32), (bytes, words) => {
        const cut = Math.min(words * 2, bytes.length & ~1);
        const sum = addToSum(bytes.subarray(cut), addToSum(bytes.subarray(0, cut)));
        expect(foldSum(sum)).toBe(foldSum(addToSum(bytes)));
      }),
    );
  });

  it('does not overflow on the longest datagrams', () => {
    expect(internetChecksum(new Uint8Array(1 << 17).fill(0xff))).toBe(0);
  });
});

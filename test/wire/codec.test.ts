import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arpAddressesLayout, arpLayout } from '../../src/wire/arp.js';
import { espLayout } from '../../src/wire/esp.js';
import { ethernetLayout, vlanLayout } from '../../src/wire/ethernet.js';
import type { HeaderLayout } from '../../src/wire/field.js';
import { icmpEchoLayout, icmpLayout } from '../../src/wire/icmp.js';
import { neighborLayout } from '../../src/wire/icmpv6.js';
import { ipv4Layout } from '../../src/wire/ipv4.js';
import { ipv6Layout } from '../../src/wire/ipv6.js';
import { ipv6FragmentLayout } from '../../src/wire/ipv6-extension.js';
import { tcpLayout } from '../../src/wire/tcp.js';
import { udpLayout } from '../../src/wire/udp.js';
import { vxlanLayout } from '../../src/wire/vxlan.js';
import { VECTORS } from './headers.js';

const GUARD = 5;

/** Bytes 0xa5 with a guard on both sides: what must be written and what must not be touched. */
function dirty(length: number): Uint8Array {
  return new Uint8Array(length + 2 * GUARD).fill(0xa5);
}

describe.each(VECTORS)('$name', ({ bytes, value, decode, encode, least }) => {
  it('deconstruct: reads its fields', () => {
    expect(decode(bytes, 0)).toEqual(value);
  });

  it('construct: writes all its bytes and no others', () => {
    const out = dirty(bytes.length);
    const written = encode(out, GUARD);
    expect(written).toBe(bytes.length);
    expect(Buffer.from(out.subarray(GUARD, GUARD + bytes.length)).toString('hex')).toBe(bytes.toString('hex'));
    expect([...out.subarray(0, GUARD), ...out.subarray(GUARD + bytes.length)]).toEqual(Array(2 * GUARD).fill(0xa5));
  });

  it('parse: reads at an offset, from a plain Uint8Array too', () => {
    const out = dirty(bytes.length);
    out.set(bytes, GUARD);
    const cut = out.subarray(0, GUARD + bytes.length);
    expect(decode(cut, GUARD)).toEqual(decode(Uint8Array.from(bytes), 0));
  });

  it('emit: what was written reads the same', () => {
    const out = dirty(bytes.length);
    encode(out, GUARD);
    expect(decode(Buffer.from(out.subarray(GUARD, GUARD + bytes.length)), 0)).toEqual(value);
  });

  it('is not read from fewer bytes, at any length', () => {
    const needed = least ?? bytes.length;
    for (let length = 0; length < needed; length++) expect(decode(bytes.subarray(0, length), 0)).toBeUndefined();
    for (let length = needed; length <= bytes.length; length++) {
      expect(decode(bytes.subarray(0, length), 0)).toBeDefined();
    }
  });

  it('is not written where it does not fit, at any length', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => encode(new Uint8Array(length), 0)).toThrow(RangeError);
    }
  });
});

/** Every layout, with the bits that are reserved: zero on send. */
const LAYOUTS: [string, HeaderLayout<object>, reserved: number][] = [
  ['ethernet', ethernetLayout as HeaderLayout<object>, 0],
  ['vlan', vlanLayout as HeaderLayout<object>, 0],
  ['arp', arpLayout as HeaderLayout<object>, 0],
  ['arp addresses', arpAddressesLayout as HeaderLayout<object>, 0],
  ['ipv4', ipv4Layout as HeaderLayout<object>, 0],
  ['ipv6', ipv6Layout as HeaderLayout<object>, 0],
  ['ipv6 fragment', ipv6FragmentLayout as HeaderLayout<object>, 10],
  ['icmp', icmpLayout as HeaderLayout<object>, 0],
  ['icmp echo', icmpEchoLayout as HeaderLayout<object>, 0],
  ['neighbor', neighborLayout as HeaderLayout<object>, 29],
  ['udp', udpLayout as HeaderLayout<object>, 0],
  ['tcp', tcpLayout as HeaderLayout<object>, 0],
  ['vxlan', vxlanLayout as HeaderLayout<object>, 32],
  ['esp', espLayout as HeaderLayout<object>, 0],
];

describe.each(LAYOUTS)('layout of %s', (_name, layout, reserved) => {
  it('names every bit that is not reserved, once and in order', () => {
    const rows = layout.rows();
    expect(rows.reduce((sum, { bits }) => sum + bits, 0)).toBe(layout.span * 8 - reserved);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const [i, row] of rows.slice(1).entries()) {
      expect(row.bitOffset).toBeGreaterThanOrEqual(rows[i]!.bitOffset + rows[i]!.bits);
    }
  });

  it('encode after decode is the identity on all bits that have a name', () => {
    const mask = new Uint8Array(layout.span);
    for (const { bitOffset, bits } of layout.rows()) {
      for (let bit = bitOffset; bit < bitOffset + bits; bit++) mask[bit >> 3]! |= 0x80 >> (bit & 7);
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: layout.span, maxLength: layout.span }), (bytes) => {
        const out = new Uint8Array(layout.span).fill(0xa5);
        layout.encode(layout.decode(bytes)!, out);
        expect(out).toEqual(bytes.map((byte, i) => byte & mask[i]!));
      }),
    );
  });
});

describe('field values out of range', () => {
  it('are refused, not cut', () => {
    const udp = { sourcePort: 70000, destinationPort: 1, length: 8, checksum: 0 };
    expect(() => udpLayout.encode(udp, new Uint8Array(8))).toThrow();
    expect(() => vxlanLayout.encode({ flags: 8, vni: 1 << 24 }, new Uint8Array(8))).toThrow();
    const tag = { priority: 8, dropEligible: false, id: 1, type: 0x800 };
    expect(() => vlanLayout.encode(tag, new Uint8Array(4))).toThrow(TypeError);
    const ends = { destination: 'nonsense', source: '02:42:0a:00:00:01', type: 0x800 };
    expect(() => ethernetLayout.encode(ends, new Uint8Array(14))).toThrow(/MAC address/);
  });
});

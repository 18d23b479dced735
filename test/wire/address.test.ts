import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerMac, formatIp, formatMac, parseCidr, parseIp, parseMac } from '../../src/address.js';

const OPTION_ERROR = expect.objectContaining({ code: 'ERR_OVERLANE_OPTION' });

describe('MAC addresses', () => {
  it('are read and written', () => {
    expect([...parseMac('02:42:0A:00:00:fe')]).toEqual([2, 0x42, 10, 0, 0, 0xfe]);
    expect([...parseMac('02-42-0a-00-00-fe')]).toEqual([2, 0x42, 10, 0, 0, 0xfe]);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
        expect(parseMac(formatMac(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each([
    '',
    '02:42:0a:00:00',
    '02:42:0a:00:00:1',
    '02:42:0a:00:00:zz',
    '02:42-0a:00:00:01',
    '02420a000001',
    ' 02:42:0a:00:00:01',
  ])('refuses %j and shows it', (text) => {
    expect(() => parseMac(text)).toThrow(OPTION_ERROR);
    expect(() => parseMac(text)).toThrow(JSON.stringify(text));
  });
});

describe('IP addresses', () => {
  it.each([
    ['10.0.0.2', '0a000002'],
    ['255.255.255.255', 'ffffffff'],
    ['2001:db8::1', '20010db8000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['64:ff9b::1.2.3.4', '0064ff9b000000000000000001020304'],
    ['::1.0.0.1', '00000000000000000000000001000001'],
  ])('reads %s', (text, hex) => {
    expect(Buffer.from(parseIp(text)).toString('hex')).toBe(hex);
  });

  it.each([
    '',
    '10.1',
    '010.0.0.1',
    '0x0a.0.0.1',
    '10.0.0.256',
    '10.0.0.1.',
    '167772161',
    'fe80::1%eth0',
    '1::2::3',
    '10.0.0.2/24',
  ])('refuses %j and shows it', (text) => {
    expect(() => parseIp(text)).toThrow(OPTION_ERROR);
    expect(() => parseIp(text)).toThrow(JSON.stringify(text));
  });

  // RFC 5952: sections 4.1 (no leading zeros), 4.2.1 to 4.2.3 (::), 4.3 (lower case), 5 (mapped).
  it.each([
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['0:0:0:0:0:ffff:a00:1', '::ffff:10.0.0.1'],
  ])('writes %s as %s', (text, canonical) => {
    expect(formatIp(parseIp(text))).toBe(canonical);
  });

  it('what is written reads the same', () => {
    const group = fc.constantFrom(0, 0, 1, 0xff, 0xab00);
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const bytes = Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 0xff]));
        expect(parseIp(formatIp(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe('prefixes', () => {
  it('are read with the host bits kept', () => {
    expect(parseCidr('10.0.0.2/24')).toEqual({ address: Uint8Array.of(10, 0, 0, 2), prefix: 24 });
    expect(parseCidr('::1/128').prefix).toBe(128);
    expect(parseCidr('0.0.0.0/0').prefix).toBe(0);
  });

  it.each(['10.0.0.2', '10.0.0.2/', '10.0.0.2/33', '10.0.0.2/024', '10.0.0.2/-1', '::1/129', '10.0.0.2/255.255.255.0'])(
    'refuses %j',
    (text) => {
      expect(() => parseCidr(text)).toThrow(OPTION_ERROR);
    },
  );
});

describe('containerMac', () => {
  it('is 02:42 and the address', () => {
    expect(formatMac(containerMac(parseIp('10.99.0.4')))).toBe('02:42:0a:63:00:04');
    expect(() => containerMac(parseIp('::1'))).toThrow(OPTION_ERROR);
  });
});

/** Misspelt names, addresses and the sums of the MTU. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostIp, stationMac } from '../../src/dataplane/addresses.js';
import { minUnderlayMtu } from '../../src/dataplane/mtu.js';
import { atomically } from '../../src/dataplane/undo.js';
import { vxlanMtu } from '../../src/index.js';
import { editDistance, nearest, suggestion } from '../../src/suggest.js';

describe('nearest', () => {
  const known = ['proxyArp', 'portFdbLimit', 'fdbLimit', 'vni', 'vlans', 'ageing', 'miss'];
  it.each([
    ['proxyARP', 'proxyArp'],
    ['proxy_arp', 'proxyArp'],
    ['aging', 'ageing'],
    ['vnid', 'vni'],
    ['vln', 'vni'],
    ['fdblimt', 'fdbLimit'],
    ['imss', 'miss'],
    ['VLANS', 'vlans'],
    ['colour', undefined],
    ['x', undefined],
    ['', undefined],
    ['a'.repeat(10_000), undefined],
  ])('%s → %s', (name, wanted) => {
    expect(nearest(name, known)).toBe(wanted);
  });

  it('counts insertions, deletions, substitutions and swaps as one each', () => {
    expect(['abc', 'abxc', 'ac', 'axc', 'acb', 'ABC', 'xyz', ''].map((word) => editDistance('abc', word))).toEqual([
      0, 1, 1, 1, 1, 0, 3, 3,
    ]);
  });

  it('is a distance: zero for the same, symmetric, at most the longer word', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.toLowerCase().length, b.toLowerCase().length));
      }),
    );
  });

  it('ends a message', () => {
    expect(suggestion('vnii', known)).toBe("; did you mean 'vni'?");
    expect(suggestion('colour', ['a', 'b'])).toBe('; known: a, b');
    expect(suggestion('colour', [])).toBe('');
  });
});

describe('MTU', () => {
  it('of VXLAN is the underlay less 50 over IPv4, 70 over IPv6 (RFC 7348)', () => {
    expect([vxlanMtu(1500, 4), vxlanMtu(1500, 6), vxlanMtu(9000, 4)]).toEqual([1450, 1430, 8950]);
  });

  it('of an underlay leaves the inner packet 68 bytes, or is what IPv6 needs', () => {
    expect([minUnderlayMtu(4), minUnderlayMtu(6)]).toEqual([118, 1280]);
    expect(vxlanMtu(minUnderlayMtu(4), 4)).toBe(68);
  });
});

describe('addresses', () => {
  it('keep a copy of the bytes that they were given', () => {
    const mine = Uint8Array.of(2, 0, 0, 0, 0, 1);
    const mac = stationMac(mine, 'x');
    mine[0] = 1;
    expect([...mac]).toEqual([2, 0, 0, 0, 0, 1]);
    expect([...hostIp(Uint8Array.of(10, 0, 0, 1), 'x')]).toEqual([10, 0, 0, 1]);
  });

  it.each(['127.0.0.1', '10.0.0.0', '169.254.1.1', '240.0.0.1', '::1', 'fe80::1', '64:ff9b::1'])(
    '%s is a host',
    (ip) => {
      expect(hostIp(ip, 'x').length).toBe(ip.includes(':') ? 16 : 4);
    },
  );
});

describe('atomically', () => {
  it('takes back what was done, last first, and throws the same', () => {
    const log: string[] = [];
    const step = (name: string) => [() => log.push(`do ${name}`), () => log.push(`undo ${name}`)] as const;
    const reason = new Error('third');
    expect(() =>
      atomically((run) => {
        run(...step('one'));
        run(...step('two'));
        throw reason;
      }),
    ).toThrow(reason);
    expect(log).toEqual(['do one', 'do two', 'undo two', 'undo one']);
    expect(
      atomically((run) =>
        run(
          () => 5,
          () => log.push('never'),
        ),
      ),
    ).toBe(5);
    expect(log).toHaveLength(4);
  });
});

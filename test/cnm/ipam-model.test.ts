/** The IPAM against models so naive that they can be seen to be right: every address of a small subnet in a list. */
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DefaultIpam } from '../../src/cnm/ipam/default-ipam.js';
import type { Pool } from '../../src/cnm/ipam/ipam.js';
import { Ring } from '../../src/cnm/ipam/ring.js';
import type { OverlaneError } from '../../src/errors.js';

const BASES = { 4: '10.0.0.', 6: 'fd00::' } as const;

/** The addresses of 256 by their last number. */
const text = (family: 4 | 6, host: number) =>
  family === 4 ? BASES[4] + host : BASES[6] + (host === 0 ? '' : host.toString(16));
const prefix = (family: 4 | 6, first: number, bits: number) =>
  `${text(family, first)}/${(family === 4 ? 32 : 128) - bits}`;

/** The error's code, or what was returned. */
function outcome(call: () => string | boolean): string | boolean {
  try {
    return call();
  } catch (error) {
    return (error as OverlaneError).code;
  }
}

interface Subnet {
  first: number;
  bits: number;
}
const block = (least: number, most: number): fc.Arbitrary<Subnet> =>
  fc
    .tuple(fc.integer({ min: least, max: most }), fc.nat(255))
    .map(([bits, at]) => ({ bits, first: (at >> bits) << bits }));
const members = ({ first, bits }: Subnet) => Array.from({ length: 1 << bits }, (_, i) => first + i);

/** What an address of the subnet may be for. */
function hosts(family: 4 | 6, subnet: Subnet): number[] {
  const all = members(subnet);
  if (all.length <= 2) return all;
  return family === 4 ? all.slice(1, -1) : all.slice(1);
}

const command = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: 'next' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const), at: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('release' as const), at: fc.nat(1000) }) },
);

it.each([4, 6] as const)('hands out IPv%i addresses as a list of all of them says', (family) => {
  const setting = block(0, 5).chain((subnet) =>
    fc.record({
      subnet: fc.constant(subnet),
      range: fc.option(fc.tuple(fc.integer({ min: 0, max: subnet.bits }), fc.nat(255)), { nil: undefined }),
      gateway: fc.option(fc.nat(255), { nil: undefined }),
      aux: fc.array(fc.nat(255), { maxLength: 3 }),
      commands: fc.array(command, { maxLength: 80 }),
    }),
  );
  fc.assert(
    fc.property(setting, ({ subnet, range: part, gateway: chosen, aux: wanted, commands }) => {
      const usable = hosts(family, subnet);
      const pick = (at: number) => usable[at % usable.length]!;
      const range = part && {
        bits: part[0],
        first: subnet.first + (((part[1] % (1 << subnet.bits)) >> part[0]) << part[0]),
      };
      const pool = members(range ?? subnet).filter((host) => usable.includes(host));
      fc.pre(pool.length > 0);
      const gateway = chosen === undefined ? undefined : pick(chosen);
      const aux = [...new Set(wanted.map(pick))].filter((host) => host !== gateway);
      const ipam = new DefaultIpam();
      const made = ipam.requestPool({
        owner: 'n',
        space: 'local',
        family,
        subnet: prefix(family, subnet.first, subnet.bits),
        ...(range && { range: prefix(family, range.first, range.bits) }),
        gateway: gateway === undefined ? 'none' : text(family, gateway),
        aux: Object.fromEntries(aux.map((host) => [`a${host}`, text(family, host)])),
      });

      const fixed = [...aux, ...(gateway === undefined ? [] : [gateway])];
      const taken = new Set<number>();
      const never = new Set(pool.filter((host) => !fixed.includes(host)));
      let released: number[] = [];
      const own = (host: number) => {
        taken.add(host);
        never.delete(host);
        released = released.filter((other) => other !== host);
        return `${text(family, host)}/${(family === 4 ? 32 : 128) - subnet.bits}`;
      };
      for (const { do: what, at = 0 } of commands as { do: string; at?: number }[]) {
        const host = subnet.first + (at % (1 << subnet.bits));
        const ip = text(family, host);
        if (what === 'next') {
          const next = [...never, ...released][0];
          const expected = next === undefined ? 'ERR_OVERLANE_EXHAUSTED' : own(next);
          expect(outcome(() => ipam.requestAddress(made.id, { owner: 'e' }))).toBe(expected);
        } else if (what === 'take') {
          let expected = 'ERR_OVERLANE_OPTION';
          if (usable.includes(host))
            expected = taken.has(host) || fixed.includes(host) ? 'ERR_OVERLANE_EXISTS' : own(host);
          expect(outcome(() => ipam.requestAddress(made.id, { owner: 'e', ip }))).toBe(expected);
        } else {
          const had = taken.delete(host);
          if (had && pool.includes(host)) released.push(host);
          expect(outcome(() => ipam.releaseAddress(made.id, ip))).toBe(had);
        }
      }
    }),
    { numRuns: 400 },
  );
});

const DEFAULTS = { 4: [{ base: '10.0.0.0/24', size: 28 }], 6: [{ base: 'fd00::/120', size: 124 }] };
const step = fc.record({
  space: fc.constantFrom('local' as const, 'global' as const),
  // Without: from the default pools.
  subnet: fc.option(block(0, 6), { nil: undefined }),
  reserved: fc.array(block(0, 5), { maxLength: 3 }),
  release: fc.option(fc.nat(20), { nil: undefined }),
});

it.each([4, 6] as const)('cuts and compares IPv%i subnets as lists of their addresses say', (family) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const ipam = new DefaultIpam({ defaultPools: { local: DEFAULTS[family], global: DEFAULTS[family] } });
      let made: { pool: Pool; all: number[] }[] = [];
      for (const { space, subnet, reserved, release } of steps) {
        const touches = (all: number[], others: number[][]) =>
          others.some((other) => other.some((host) => all.includes(host)));
        const used = made.map(({ all }) => all);
        const own = made.filter(({ pool }) => pool.space === space).map(({ all }) => all);
        const busy = [...used, ...reserved.map(members)];
        const free = Array.from({ length: 16 }, (_, i) => ({ first: 16 * i, bits: 4 })).find(
          (at) => !touches(members(at), busy),
        );
        const chosen = subnet ?? free;
        let expected = subnet ? 'ERR_OVERLANE_OVERLAP' : 'ERR_OVERLANE_EXHAUSTED';
        // Docker's address spaces: overlap is refused within one only.
        const fits = chosen && !touches(members(chosen), own);
        if (fits) expected = prefix(family, chosen.first, chosen.bits);
        const request = {
          owner: 'n',
          space,
          family,
          gateway: 'none',
          reserved: reserved.map((at) => prefix(family, at.first, at.bits)),
        };
        const given = subnet ? { subnet: prefix(family, subnet.first, subnet.bits) } : {};
        const got = outcome(() => {
          const pool = ipam.requestPool({ ...request, ...given });
          made.push({ pool, all: members(chosen!) });
          return pool.subnet;
        });
        expect(got).toBe(expected);
        const gone = release === undefined ? undefined : made[release];
        if (!gone) continue;
        expect(ipam.releasePool(gone.pool.id)).toBe(true);
        made = made.filter((other) => other !== gone);
      }
      expect(made.every(({ pool }) => isIPv6(pool.subnet.split('/')[0]!) === (family === 6))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

it('forgets the order of released addresses beyond a number, but never an address', () => {
  fc.assert(
    fc.property(
      fc.bigInt(1n, 20n),
      fc.nat(4),
      fc.array(fc.option(fc.nat(30)), { maxLength: 120 }),
      (size, most, commands) => {
        const ring = new Ring({ first: 100n, last: 99n + size }, most);
        const taken: bigint[] = [];
        for (const command of commands) {
          const gone = command === null ? undefined : taken.splice(command, 1)[0];
          if (gone !== undefined) ring.release(gone);
          else if (command === null) {
            const next = ring.next('e');
            expect(next === undefined).toBe(BigInt(taken.length) === size);
            if (next === undefined) continue;
            expect(next >= 100n && next < 100n + size && !taken.includes(next)).toBe(true);
            taken.push(next);
          }
          expect(ring.taken).toBe(BigInt(taken.length));
        }
      },
    ),
    { numRuns: 300 },
  );
});

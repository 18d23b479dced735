/** Subnets and addresses: what is handed out, what is refused, and in which words. */
import { describe, expect, it } from 'vitest';
import { DefaultIpam } from '../../src/cnm/ipam/default-ipam.js';
import type { Pool, PoolRequest, RestoredPool } from '../../src/cnm/ipam/ipam.js';
import { ulaOf } from '../../src/cnm/ipam/ula.js';
import { MemoryStore } from '../../src/cnm/memory-store.js';

const ULA = 'fd12:3456:789a::/48';

function pool(ipam: DefaultIpam, request: Partial<PoolRequest> = {}): Pool {
  return ipam.requestPool({ owner: 'network n', space: 'local', family: 4, ...request });
}

/** `count` addresses without their prefix length. */
function take(ipam: DefaultIpam, { id }: Pool, count: number, owner = 'endpoint e'): string[] {
  return Array.from({ length: count }, () => ipam.requestAddress(id, { owner }).replace(/\/\d+$/, ''));
}

const refused = (code: string, ...words: string[]) =>
  expect.objectContaining({
    code: `ERR_OVERLANE_${code}`,
    message: expect.stringMatching(
      new RegExp(words.map((word) => `(?=.*${word.replaceAll(/[.+()]/g, '\\$&')})`).join('')),
    ),
  });

describe('default pools', () => {
  it.each([
    ['local', 4, ['172.17.0.0/16', '172.18.0.0/16', '172.19.0.0/16'], '172.17.0.1'],
    ['global', 4, ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24'], '10.0.0.1'],
    ['local', 6, ['fd12:3456:789a::/64', 'fd12:3456:789a:1::/64', 'fd12:3456:789a:2::/64'], 'fd12:3456:789a::1'],
    ['global', 6, ['fd12:3456:789a:8000::/64', 'fd12:3456:789a:8001::/64'], 'fd12:3456:789a:8000::1'],
  ] as const)('%s, IPv%i: %j, and what was released again', (space, family, subnets, gateway) => {
    const ipam = new DefaultIpam({ ula: ULA });
    const pools = subnets.map(() => pool(ipam, { space, family }));
    expect(pools.map(({ subnet }) => subnet)).toEqual(subnets);
    expect(pools[0]).toEqual({
      id: `${space}:${subnets[0]}`,
      space,
      family,
      subnet: subnets[0],
      range: null,
      gateway,
      aux: {},
    });
    expect(ipam.releasePool(pools[1]!.id)).toBe(true);
    expect(ipam.releasePool(pools[1]!.id)).toBe(false);
    expect(pool(ipam, { space, family }).subnet).toBe(subnets[1]);
  });

  it('15 times /16, 16 times /20, then none', () => {
    const ipam = new DefaultIpam();
    const subnets = Array.from({ length: 31 }, () => pool(ipam).subnet);
    expect(subnets.slice(14, 17)).toEqual(['172.31.0.0/16', '192.168.0.0/20', '192.168.16.0/20']);
    expect(subnets[30]).toBe('192.168.240.0/20');
    expect(() => pool(ipam)).toThrow(refused('EXHAUSTED', 'IPv4', 'local default pools', 'name a subnet'));
  });

  it('avoids what the host uses and what networks of the other address space have, default routes aside', () => {
    const ipam = new DefaultIpam();
    pool(ipam, { space: 'global', subnet: '172.18.128.0/17' });
    const reserved = ['172.17.0.9/24', '172.19.0.0/16', '172.20.255.255/32', '0.0.0.0/0', '::/0', 'fd00::/8'];
    expect(pool(ipam, { reserved }).subnet).toBe('172.21.0.0/16');
    expect(pool(ipam, { reserved, subnet: '172.19.0.0/16' }).subnet).toBe('172.19.0.0/16');
  });

  it('as configured, by family', () => {
    const ipam = new DefaultIpam({ ula: ULA, defaultPools: { local: [{ base: '10.9.0.0/30', size: 31 }] } });
    expect([pool(ipam).subnet, pool(ipam).subnet]).toEqual(['10.9.0.0/31', '10.9.0.2/31']);
    expect(() => pool(ipam)).toThrow(refused('EXHAUSTED'));
    expect(pool(ipam, { family: 6 }).subnet).toBe('fd12:3456:789a::/64');
    expect(pool(ipam, { space: 'global' }).subnet).toBe('10.0.0.0/24');
  });

  it.each([
    [{ base: '10.0.0.0/8', size: 7 }, 'from 8 to 32'],
    [{ base: '10.0.0.0/8', size: 33 }, 'from 8 to 32'],
    [{ base: '10.0.0.0/8', size: 8.5 }, 'from 8 to 32'],
    [{ base: '10.0.0.1/8', size: 24 }, 'did you mean 10.0.0.0/8'],
    [{ base: 'ten', size: 24 }, 'prefix length'],
  ])('refuses %j', (block, words) => {
    expect(() => new DefaultIpam({ defaultPools: { local: [block] } })).toThrow(refused('OPTION', words));
  });

  it('one unique local prefix a store, of 40 random bits', () => {
    const [one, two] = [new MemoryStore(), new MemoryStore()];
    expect(ulaOf(one)).toMatch(/^fd[0-9a-f:]+::\/48$/);
    expect(ulaOf(one)).toBe(ulaOf(one));
    expect(ulaOf(one)).not.toBe(ulaOf(two));
    expect(() => new DefaultIpam({ ula: 'fe80::/48' })).toThrow(refused('OPTION', 'unique local'));
  });
});

describe('a pool with a subnet', () => {
  it.each([
    [{ subnet: '10.1.0.0/16' }, '10.1.0.1', ['10.1.0.2', '10.1.0.3']],
    [{ subnet: '10.1.0.0/16', range: '10.1.4.0/24' }, '10.1.4.1', ['10.1.4.0', '10.1.4.2']],
    [{ subnet: '10.1.0.0/16', range: '10.1.0.0/24' }, '10.1.0.1', ['10.1.0.2', '10.1.0.3']],
    [
      { subnet: '10.1.0.0/16', range: '10.1.255.252/30', gateway: '10.1.0.9' },
      '10.1.0.9',
      ['10.1.255.252', '10.1.255.253'],
    ],
    [{ subnet: '10.1.0.0/16', range: '10.1.0.4/31' }, '10.1.0.4', ['10.1.0.5']],
    [
      { subnet: '10.1.0.0/29', gateway: 'none' },
      null,
      ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5', '10.1.0.6'],
    ],
    [
      { subnet: '10.1.0.0/29', aux: { a: '10.1.0.1', b: '10.1.0.5' } },
      '10.1.0.2',
      ['10.1.0.3', '10.1.0.4', '10.1.0.6'],
    ],
    [{ subnet: '10.1.0.2/31', gateway: 'none' }, null, ['10.1.0.2', '10.1.0.3']],
    [{ subnet: '10.1.0.2/32', gateway: 'none' }, null, ['10.1.0.2']],
    [{ subnet: '2001:db8::/64' }, '2001:db8::1', ['2001:db8::2', '2001:db8::3']],
    [{ subnet: '2001:db8::/126' }, '2001:db8::1', ['2001:db8::2', '2001:db8::3']],
    [{ subnet: '2001:db8::/127', gateway: 'none' }, null, ['2001:db8::', '2001:db8::1']],
    [{ subnet: '2001:DB8:0::7/128', gateway: 'none' }, null, ['2001:db8::7']],
  ] as const)('%j: gateway %s, then %j', (request, gateway, addresses) => {
    const ipam = new DefaultIpam();
    const family = request.subnet.includes(':') ? 6 : 4;
    const made = pool(ipam, { family, ...request });
    expect(made.gateway).toBe(gateway);
    expect(take(ipam, made, addresses.length)).toEqual(addresses);
    expect(made.subnet).toBe(request.subnet.toLowerCase().replace(':0::', '::'));
  });

  it.each([
    [{ subnet: '10.0.0.5/24' }, 'did you mean 10.0.0.0/24'],
    [{ subnet: '10.0.0.0' }, 'prefix length'],
    [{ subnet: '10.0.0.0/33' }, 'from 0 to 32'],
    [{ subnet: 'fd00::/64' }, 'IPv6, and IPv4 is wanted'],
    [{ subnet: '0.0.0.0/0' }, '0.0.0.0/8'],
    [{ subnet: '127.0.0.0/24' }, 'loopback'],
    [{ subnet: '224.0.0.0/24' }, 'multicast'],
    [{ family: 6, subnet: 'ff00::/64' }, 'multicast'],
    [{ family: 6, subnet: '::ffff:10.0.0.0/120' }, 'IPv4 in IPv6'],
    [{ subnet: '10.0.0.0/24', range: '10.0.1.0/25' }, 'not within the subnet 10.0.0.0/24'],
    [{ subnet: '10.0.0.0/24', range: '10.0.0.0/16' }, 'not within'],
    [{ subnet: '10.0.0.0/24', range: 'fd00::/64' }, 'not within'],
    [{ subnet: '10.0.0.0/24', range: '10.0.0.0/32' }, 'no address that a host may have'],
    [{ subnet: '10.0.0.0/24', gateway: '10.0.1.1' }, 'gateway 10.0.1.1 is not in'],
    [{ subnet: '10.0.0.0/24', gateway: '10.0.0.0' }, 'network address'],
    [{ subnet: '10.0.0.0/24', gateway: '10.0.0.255' }, 'broadcast address'],
    [{ subnet: '10.0.0.0/24', gateway: 'fd00::1' }, 'is IPv6'],
    [{ subnet: '10.0.0.0/24', gateway: 'me' }, 'not an IP address'],
    [{ family: 6, subnet: 'fd00::/64', gateway: 'fd00::' }, 'anycast'],
    [{ subnet: '10.0.0.0/24', aux: { router: '10.0.1.7' } }, '"router" 10.0.1.7 is not in'],
    [
      { subnet: '10.0.0.0/24', aux: { a: '10.0.0.7', b: '10.0.0.7' } },
      '"b" is 10.0.0.7, and so is the auxiliary address "a"',
    ],
    [{ subnet: '10.0.0.0/24', gateway: '10.0.0.7', aux: { a: '10.0.0.7' } }, 'gateway is 10.0.0.7'],
    [{ subnet: '10.0.0.0/30', aux: { a: '10.0.0.1', b: '10.0.0.2' } }, 'leave no gateway'],
    [{ gateway: '10.0.0.1' }, 'needs its subnet'],
    [{ range: '10.0.0.0/24' }, 'needs its subnet'],
    [{ aux: { a: '10.0.0.1' } }, 'needs its subnet'],
    [{ family: 5 as 4 }, '4 or 6'],
    [{ space: 'toString' as 'local' }, '"local" or "global"'],
    [{ reserved: ['x'] }, 'prefix length'],
  ] as const)('refuses %j', (request, words) => {
    const ipam = new DefaultIpam();
    expect(() => pool(ipam, request)).toThrow(refused('OPTION', words));
    // And nothing is left of it.
    expect(pool(ipam, { subnet: '10.0.0.0/24' }).gateway).toBe('10.0.0.1');
  });

  it('refuses overlap within an address space and says with whom', () => {
    const ipam = new DefaultIpam();
    pool(ipam, { owner: 'network blue', subnet: '10.1.0.0/16' });
    for (const subnet of ['10.1.0.0/16', '10.1.2.0/24', '10.0.0.0/8']) {
      expect(() => pool(ipam, { subnet })).toThrow(refused('OVERLAP', subnet, '10.1.0.0/16', 'network blue'));
    }
    expect(pool(ipam, { space: 'global', subnet: '10.1.0.0/16' }).id).toBe('global:10.1.0.0/16');
  });
});

describe('an address', () => {
  it('asked for: in or out of the range, never twice', () => {
    const ipam = new DefaultIpam();
    const { id } = pool(ipam, { subnet: '10.0.0.0/24', range: '10.0.0.128/25', aux: { nas: '10.0.0.9' } });
    expect(ipam.requestAddress(id, { owner: 'endpoint web', ip: '10.0.0.7' })).toBe('10.0.0.7/24');
    for (const [ip, holder] of [
      ['10.0.0.7', 'endpoint web'],
      ['10.0.0.129', 'the gateway'],
      ['10.0.0.9', '"nas"'],
    ] as const) {
      expect(() => ipam.requestAddress(id, { owner: 'e', ip })).toThrow(refused('EXISTS', ip, holder, 'network n'));
    }
    for (const [ip, words] of [
      ['10.0.0.0', 'network address'],
      ['10.0.0.255', 'broadcast'],
      ['10.0.1.1', 'not in the subnet'],
      ['fd00::1', 'IPv6'],
      ['10.0.0.8/24', 'not an IP address'],
    ] as const) {
      expect(() => ipam.requestAddress(id, { owner: 'e', ip })).toThrow(refused('OPTION', words));
    }
    expect(() => ipam.requestAddress('local:10.9.0.0/16', { owner: 'e' })).toThrow(refused('MISSING', '10.9.0.0/16'));
  });

  it('a full pool says so, with its range and counts', () => {
    const ipam = new DefaultIpam();
    const made = pool(ipam, { subnet: '10.0.0.0/24', range: '10.0.0.128/30' });
    expect(take(ipam, made, 3)).toEqual(['10.0.0.128', '10.0.0.130', '10.0.0.131']);
    expect(() => take(ipam, made, 1)).toThrow(refused('EXHAUSTED', '10.0.0.128/30', 'network n', '4 of 4'));
    expect(ipam.requestAddress(made.id, { owner: 'e', ip: '10.0.0.5' })).toBe('10.0.0.5/24');
  });

  it('released: not again while another is free, then the one that waited longest', () => {
    const ipam = new DefaultIpam();
    const made = pool(ipam, { subnet: '10.0.0.0/29' });
    expect(take(ipam, made, 3)).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.4']);
    expect(ipam.releaseAddress(made.id, '10.0.0.4/29')).toBe(true);
    expect(ipam.releaseAddress(made.id, '10.0.0.2')).toBe(true);
    expect(take(ipam, made, 4)).toEqual(['10.0.0.5', '10.0.0.6', '10.0.0.4', '10.0.0.2']);
    expect(ipam.lastAddress(made.id)).toBe('10.0.0.2');
  });

  it.each(['10.0.0.77', '10.0.0.1', '10.0.0.9', '10.9.0.1', 'fd00::1', '10.0.0.0'])(
    'releasing %s does nothing',
    (ip) => {
      const ipam = new DefaultIpam();
      const { id } = pool(ipam, { subnet: '10.0.0.0/24', aux: { nas: '10.0.0.9' } });
      expect(ipam.releaseAddress(id, ip)).toBe(false);
      expect(ipam.releaseAddress('local:10.5.0.0/24', ip)).toBe(false);
      expect(() => ipam.requestAddress(id, { owner: 'e', ip: '10.0.0.1' })).toThrow(refused('EXISTS'));
    },
  );

  it('60,000 of a /16 in a moment, and as many changes after that', () => {
    const ipam = new DefaultIpam();
    const made = pool(ipam, { subnet: '10.0.0.0/16' });
    const start = performance.now();
    const addresses = take(ipam, made, 60_000);
    expect(new Set(addresses).size).toBe(60_000);
    for (const ip of addresses) {
      ipam.releaseAddress(made.id, ip);
      take(ipam, made, 1);
    }
    // It takes a fifth of a second; a search through what is taken would take minutes.
    expect(performance.now() - start).toBeLessThan(5000);
    expect(take(ipam, made, 65_533 - 60_000)).toHaveLength(5533);
    expect(() => take(ipam, made, 1)).toThrow(refused('EXHAUSTED', '65534 of 65534'));
  });

  it('of a /64 and a /8: memory only for what is taken', () => {
    const ipam = new DefaultIpam();
    expect(take(ipam, pool(ipam, { family: 6, subnet: 'fd00::/64' }), 2)).toEqual(['fd00::2', 'fd00::3']);
    expect(take(ipam, pool(ipam, { subnet: '10.0.0.0/8' }), 256).at(-1)).toBe('10.0.1.1');
  });
});

describe('after a restart', () => {
  function restart(pools: RestoredPool[]): DefaultIpam {
    const ipam = new DefaultIpam();
    // As a store gives them back.
    ipam.restore(JSON.parse(JSON.stringify(pools)));
    return ipam;
  }

  it('everything taken is taken, and the ring goes on', () => {
    const before = new DefaultIpam();
    const request = { subnet: '10.0.0.0/24', range: '10.0.0.64/26', aux: { nas: '10.0.0.9' } } as const;
    const made = pool(before, { owner: 'network blue', ...request });
    const [a, , c] = take(before, made, 3);
    const addresses = [
      { ip: `${a}/24`, owner: 'endpoint a' },
      { ip: '10.0.0.7', owner: 'endpoint seven' },
    ];
    const after = restart([{ owner: 'network blue', pool: made, addresses, last: before.lastAddress(made.id) }]);
    expect(after.lastAddress(made.id)).toBe(c);
    // The second and third were free in the records, yet what was given away before the end is not given at once.
    expect(take(after, made, 1)).toEqual(['10.0.0.68']);
    expect(take(restart([{ owner: 'n', pool: made, addresses }]), made, 1)).toEqual(['10.0.0.66']);
    expect(() => after.requestAddress(made.id, { owner: 'e', ip: '10.0.0.7' })).toThrow(
      refused('EXISTS', 'endpoint seven'),
    );
    expect(() => after.requestAddress(made.id, { owner: 'e', ip: '10.0.0.9' })).toThrow(refused('EXISTS', 'nas'));
    expect(() => pool(after, { subnet: '10.0.0.0/8' })).toThrow(refused('OVERLAP', 'network blue'));
    expect(after.releaseAddress(made.id, '10.0.0.7')).toBe(true);
    // All around the ring: each but the gateway and what a has.
    expect(new Set(take(after, made, 61)).size).toBe(61);
    expect(() => take(after, made, 1)).toThrow(refused('EXHAUSTED', '64 of 64'));
  });

  it('a pool without gateway stays so', () => {
    const made = pool(new DefaultIpam(), { subnet: '10.0.0.0/24', gateway: 'none' });
    expect(take(restart([{ owner: 'n', pool: made, addresses: [] }]), made, 1)).toEqual(['10.0.0.1']);
  });

  it('records that contradict each other are refused, and nothing of them is taken over', () => {
    const ipam = new DefaultIpam();
    const made = pool(ipam, { owner: 'network old', subnet: '10.0.0.0/24' });
    const other = { owner: 'network two', pool: pool(new DefaultIpam(), { subnet: '10.0.0.0/16' }), addresses: [] };
    const twice = ['a', 'b'].map((owner) => ({ ip: '10.0.0.5', owner }));
    expect(() => ipam.restore([{ owner: 'network one', pool: made, addresses: [] }, other])).toThrow(
      refused('OVERLAP', 'network one'),
    );
    expect(() => ipam.restore([other, { owner: 'n', pool: { ...made, space: 'global' }, addresses: twice }])).toThrow(
      refused('EXISTS', 'taken by a'),
    );
    expect(() => pool(ipam, { subnet: '10.0.0.0/16' })).toThrow(refused('OVERLAP', 'network old'));
    ipam.restore([]);
    expect(pool(ipam, { subnet: '10.0.0.0/16' }).id).toBe('local:10.0.0.0/16');
  });
});

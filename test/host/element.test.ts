/** What may become part of a script for nft, and what may not. */
import { describe, expect, it } from 'vitest';
import {
  checkPublication,
  droppedElements,
  networkElements,
  type Publication,
  publicationElements,
  quoted,
} from '../../src/host/element.js';
import { baseScript, changeScript } from '../../src/host/ruleset.js';

const publication: Publication = {
  ...{
    protocol: 'tcp',
    hostIp: '0.0.0.0',
    hostPort: 80,
    containerIp: '10.0.0.2',
    containerPort: 8080,
    interface: 'br0',
  },
};
const refused = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_OVERLANE_OPTION', message: expect.stringMatching(message) });
const error = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (thrown) {
    return thrown;
  }
};

describe('names of interfaces', () => {
  it.each([
    '',
    '.',
    '..',
    'a b',
    'a/b',
    'a:b',
    'a"b',
    'a\\b',
    'br*',
    'a\nb',
    'a\tb',
    'a\0b',
    'é',
    'sixteen-letters-',
    7,
    null,
  ])('refuses %j', (name) => {
    expect(error(() => quoted(name))).toEqual(refused(/name of an interface/));
  });

  it.each(['eth0', 'fifteen-letters', '$(x)', 'a;b', "a'b", '{#}', '...', '-'])('takes %j', (name) => {
    expect(quoted(name)).toBe(`"${name}"`);
  });
});

describe('networks', () => {
  it('are elements by their interface, and ranges of sources', () => {
    const elements = networkElements({ interface: 'br0', subnets: ['172.18.5.1/16', 'FD00:0::1/64'] });
    expect(changeScript('t', [], elements)).toBe(
      `add element inet t bridges { "br0" }
add element inet t same { "br0" . "br0" }
add element inet t to { "br0" : goto deliver }
add element inet t looped { "br0" . "br0" }
add element inet t masq4 { 172.18.0.0/16 . "br0" }
add element inet t masq6 { fd00::/64 . "br0" }
`,
    );
  });

  it('are closed when they are internal, without masquerading', () => {
    const sets = networkElements({ interface: 'br0', subnets: ['172.18.0.0/16'], icc: false, internal: true });
    expect(sets.map(({ set, value }) => `${set} ${value ?? ''}`.trim())).toEqual([
      'bridges',
      'same',
      'to goto enclosed',
      'internal',
    ]);
  });

  it.each([
    [{ subnets: ['10.0.0.0'] }, /no prefix length/],
    [{ subnets: ['10.0.0.0/33'] }, /wrong prefix length/],
    [{ subnets: ['0.0.0.0/0'] }, /every address/],
    [{ subnets: ['10.0.0.0/8', '10.1.0.0/16'] }, /10\.0\.0\.0\/8 and 10\.1\.0\.0\/16 overlap/],
    [{ subnets: ['::ffff:10.0.0.0/104'] }, /IPv6 clothes/],
    [{ subnets: '10.0.0.0/8' }, /'subnets'/],
    [{ interface: 'x"; flush ruleset' }, /name of an interface/],
    [{ masquerad: true }, /did you mean 'masquerade'/],
    [{ icc: 1 }, /'icc'.*true or false/],
  ])('refuse %j', (changes, message) => {
    const network = { interface: 'br0', subnets: ['172.18.0.0/16'], ...changes } as never;
    expect(error(() => networkElements(network))).toEqual(refused(message));
  });
});

describe('publications', () => {
  const keys = (changes: Partial<Publication>, loopback: 'nat' | 'proxy' = 'nat') =>
    publicationElements(checkPublication({ ...publication, ...changes }), loopback).map(
      ({ set, key, value }) => `${set} ${key} : ${value}`,
    );

  it('are looked up by protocol, address and port', () => {
    expect(keys({})).toEqual(['any4 tcp . 80 : 10.0.0.2 . 8080']);
    expect(keys({ hostIp: '192.0.2.1', protocol: 'udp' })).toEqual(['at4 udp . 192.0.2.1 . 80 : 10.0.0.2 . 8080']);
    expect(keys({ hostIp: '::', containerIp: 'FD00::0002' })).toEqual(['any6 tcp . 80 : fd00::2 . 8080']);
    expect(keys({ hostIp: '2001:db8::1', containerIp: 'fd00::2' })).toEqual([
      'at6 tcp . 2001:db8::1 . 80 : fd00::2 . 8080',
    ]);
  });

  it('are left to a proxy where translation does not reach', () => {
    expect(keys({ hostIp: '::1', containerIp: 'fd00::2' })).toEqual([]);
    expect(keys({ hostIp: '127.0.0.1' }, 'proxy')).toEqual([]);
    expect(keys({ hostIp: '127.0.0.1' })).toEqual(['at4 tcp . 127.0.0.1 . 80 : 10.0.0.2 . 8080']);
    const rule = 'ip daddr 127.0.0.0/8 return';
    expect(baseScript({ table: 'overlane', loopback: 'proxy' })).toContain(rule);
    expect(baseScript({ table: 'overlane', loopback: 'nat' })).not.toContain(rule);
  });

  it.each([
    [{ protocol: 'icmp' }, /'protocol'/],
    [{ hostPort: 0 }, /'hostPort'.*1 to 65535/],
    [{ containerPort: 65_536 }, /'containerPort'/],
    [{ hostPort: '80; flush ruleset' }, /'hostPort'/],
    [{ hostIp: '0.0.0.0 . 80 }' }, /not an IP address/],
    [{ hostIp: 'localhost' }, /not an IP address/],
    [{ hostIp: '::' }, /other IP version.*listen/],
    [{ hostIp: '::ffff:192.0.2.1' }, /IPv6 clothes/],
    [{ containerIp: '0.0.0.0' }, /not the address of a container/],
    [{ containerIp: '127.0.0.1' }, /not the address of a container/],
    [{ containerIp: '239.1.2.3' }, /not the address of a container/],
    [{ interface: '' }, /name of an interface/],
  ])('refuse %j', (changes, message) => {
    expect(error(() => checkPublication({ ...publication, ...changes } as never))).toEqual(refused(message));
  });
});

it('addresses of others are dropped once each, and by the interface they arrive on', () => {
  const elements = droppedElements('eth0.1', ['192.0.2.1', '192.0.2.1', '2001:DB8::1']);
  expect(changeScript('t', [], elements)).toBe(`add table netdev t
add set netdev t dropped4 { type ifname . ipv4_addr; }
add set netdev t dropped6 { type ifname . ipv6_addr; }
add chain netdev t ingress_657468302e31 { type filter hook ingress device "eth0.1" priority 0; policy accept; }
flush chain netdev t ingress_657468302e31
add rule netdev t ingress_657468302e31 iifname . ip daddr @dropped4 drop
add rule netdev t ingress_657468302e31 iifname . ip6 daddr @dropped6 drop
add element netdev t dropped4 { "eth0.1" . 192.0.2.1 }
add element netdev t dropped6 { "eth0.1" . 2001:db8::1 }
`);
});

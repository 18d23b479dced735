/** The rules at work: a host with bridges of the kernel, containers, and a neighbour outside; the judge is who answers whom. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Firewall, type HostNetwork, type Publication } from '../../src/host/firewall.js';
import { joinByVeth } from '../live/netns.js';
import { canFilter, NEEDS_NFT, Place, plug, wire } from './place.js';

const TABLE = `overlane-t${process.pid}`;
const OUTSIDE = { 4: '198.51.100.2', 6: '2001:db8:5::2' } as const;
const HOST = { 4: '198.51.100.1', 6: '2001:db8:5::1' } as const;

const BRIDGE_FILTERS = ['ip', 'ip6'].map((ip) => `/proc/sys/net/bridge/bridge-nf-call-${ip}tables`);

const networks = {
  a: { interface: 'br-a', subnets: ['172.30.1.0/24', 'fd30:1::/64'] },
  b: { interface: 'br-b', subnets: ['172.30.2.0/24', 'fd30:2::/64'] },
  i: { interface: 'br-i', subnets: ['172.30.3.0/24', 'fd30:3::/64'], internal: true },
} satisfies Record<string, HostNetwork>;

const web = (hostIp: string, hostPort: number, changes: Partial<Publication> = {}): Publication => ({
  protocol: 'tcp',
  ...{ hostIp, hostPort, containerPort: 80, interface: 'br-a' },
  containerIp: hostIp.includes(':') ? 'fd30:1::2' : '172.30.1.2',
  ...changes,
});

describe.skipIf(!canFilter)(`networks and published ports in the kernel ${NEEDS_NFT}`, () => {
  let host: Place;
  let outside: Place;
  let a1: Place;
  let a2: Place;
  let b1: Place;
  let i1: Place;
  let fw: Firewall;

  beforeAll(async () => {
    [host, outside, a1, a2, b1, i1] = ['h', 'o', 'a1', 'a2', 'b1', 'i1'].map((word) => new Place(word)) as [
      Place,
      Place,
      Place,
      Place,
      Place,
      Place,
    ];
    joinByVeth([host.netns, `${HOST[4]}/24`], [outside.netns, `${OUTSIDE[4]}/24`], { name: 'wan' });
    wire(host, 'wan', [`${HOST[6]}/64`, '198.51.100.9/24']);
    wire(outside, 'wan', [`${OUTSIDE[6]}/64`]);
    // The neighbour knows the way to the containers, so that only the rules keep it out.
    for (const { subnets } of Object.values(networks)) {
      for (const subnet of subnets) outside.netns.ip('route', 'add', subnet, 'via', HOST[subnet.includes(':') ? 6 : 4]);
    }
    for (const [n, name] of ['a', 'b', 'i'].entries()) {
      host.netns.ip('link', 'add', `br-${name}`, 'type', 'bridge', 'forward_delay', '0');
      wire(host, `br-${name}`, [`172.30.${n + 1}.1/24`, `fd30:${n + 1}::1/64`]);
    }
    for (const [n, place, name, m] of [
      [1, a1, 'a', 2],
      [1, a2, 'a', 3],
      [2, b1, 'b', 2],
      [3, i1, 'i', 2],
    ] as const) {
      const gateways = [`172.30.${n}.1`, `fd30:${n}::1`];
      plug(host, place, `br-${name}`, `p-${name}${m}`, [`172.30.${n}.${m}/24`, `fd30:${n}::${m}/64`], gateways);
    }
    fw = await Firewall.open({ table: TABLE, netns: host.netns.path });
    const advice = await fw.restore({ networks });
    host.sysctl(...advice.sysctls);
    // Else the kernel's bridge would take published ports to a container by itself, past the host's forwarding.
    for (const path of BRIDGE_FILTERS.filter((file) => existsSync(file))) host.sysctl({ path, value: '0' });
    await Promise.all([
      a1.serve('a1', 80, '0.0.0.0', '::'),
      a2.serve('a2', 80, '0.0.0.0', '::'),
      b1.serve('b1', 80, '0.0.0.0', '::'),
      i1.serve('i1', 80, '0.0.0.0', '::'),
      host.serve('host', 90, '0.0.0.0', '::'),
      outside.serve('outside', 80, '0.0.0.0', '::'),
    ]);
  });

  afterAll(async () => {
    await fw?.close();
  });

  it.each(['tcp', 'udp'] as const)('masquerades what leaves (%s), and only then', async (protocol) => {
    expect(await a1.ask(protocol, OUTSIDE[4], 80)).toBe(`outside ${HOST[4]}`);
    expect(await a1.ask(protocol, OUTSIDE[6], 80)).toBe(`outside ${HOST[6]}`);
    expect(await host.ask(protocol, '172.30.1.2', 80)).toBe('a1 172.30.1.1');
    expect(await a1.ask(protocol, '172.30.1.3', 80)).toBe('a2 172.30.1.2');
    expect(await a1.ask(protocol, '172.30.1.1', 90)).toBe('host 172.30.1.2');
    await fw.setNetwork('a', { ...networks.a, masquerade: false });
    expect(await a1.ask(protocol, OUTSIDE[4], 80)).toBe('outside 172.30.1.2');
    expect(await a1.ask(protocol, OUTSIDE[6], 80)).toBe('outside fd30:1::2');
    await fw.setNetwork('a', networks.a);
  });

  it('lets nobody in from outside or from another network, until the network is gone', async () => {
    const closed = () =>
      Promise.all([
        outside.ask('tcp', '172.30.1.2', 80),
        outside.ask('udp', 'fd30:1::2', 80),
        b1.ask('tcp', '172.30.1.2', 80),
        b1.ask('udp', 'fd30:1::2', 80),
      ]);
    expect(await closed()).toEqual(['silence', 'silence', 'silence', 'silence']);
    await fw.removeNetwork('a');
    expect(await closed()).toEqual(['a1 198.51.100.2', 'a1 2001:db8:5::2', 'a1 172.30.1.1', 'a1 fd30:1::1']);
    await fw.setNetwork('a', networks.a);
    expect(await outside.ask('tcp', '172.30.1.2', 80)).toBe('silence');
  });

  it('leaves an internal network to the host and its own containers', async () => {
    // Answers would not come back anyhow: what counts is that nothing gets out.
    outside.nft(
      'table inet watch { chain in { type filter hook input priority 0; ip saddr 172.30.3.0/24 counter; }; }',
    );
    expect(
      await Promise.all([
        i1.ask('tcp', OUTSIDE[4], 80),
        i1.ask('udp', OUTSIDE[6], 80),
        i1.ask('tcp', '172.30.1.2', 80),
        outside.ask('tcp', '172.30.3.2', 80),
        a1.ask('udp', 'fd30:3::2', 80),
      ]),
    ).toEqual(Array(5).fill('silence'));
    expect(outside.nft('list', 'table', 'inet', 'watch')).toContain('packets 0 bytes 0');
    expect(await host.ask('tcp', '172.30.3.2', 80)).toBe('i1 172.30.3.1');
    expect(await i1.ask('udp', 'fd30:3::1', 90)).toBe('host fd30:3::2');
  });

  it('publishes to outside, to the host, to containers of the same network and of others', async () => {
    const { sysctls, proxied } = await fw.publish('a1', [
      web('0.0.0.0', 8080),
      web('0.0.0.0', 8080, { protocol: 'udp' }),
      web('::', 8080),
      web('::', 8080, { protocol: 'udp' }),
    ]);
    expect(sysctls.map(({ path }) => path)).toEqual(['/proc/sys/net/ipv4/conf/br-a/route_localnet']);
    expect(proxied.map(({ hostIp, protocol }) => `${hostIp} ${protocol}`)).toEqual([':: tcp', ':: udp']);
    host.sysctl(...sysctls);
    for (const protocol of ['tcp', 'udp'] as const) {
      expect(await outside.ask(protocol, HOST[4], 8080)).toBe(`a1 ${OUTSIDE[4]}`);
      expect(await outside.ask(protocol, HOST[6], 8080)).toBe(`a1 ${OUTSIDE[6]}`);
      expect(await host.ask(protocol, HOST[4], 8080)).toMatch(/^a1 (198\.51\.100\.1|172\.30\.1\.1)$/);
      expect(await host.ask(protocol, HOST[6], 8080)).toMatch(/^a1 /);
      expect(await host.ask(protocol, '127.0.0.1', 8080)).toBe('a1 172.30.1.1');
      // Hairpin: without masquerading the answer would go round the host, from an address that was not asked.
      expect(await a2.ask(protocol, HOST[4], 8080)).toBe('a1 172.30.1.1');
      expect(await a2.ask(protocol, HOST[6], 8080)).toBe('a1 fd30:1::1');
      expect(await a1.ask(protocol, HOST[4], 8080)).toBe('a1 172.30.1.1');
      expect(await b1.ask(protocol, HOST[4], 8080)).toMatch(/^a1 /);
    }
    // Containers do not get to the host's loopback because route_localnet is on.
    a1.netns.ip('route', 'add', '127.9.0.0/16', 'via', '172.30.1.1');
    a1.sysctl({ path: '/proc/sys/net/ipv4/conf/eth0/route_localnet', value: '1' });
    await host.serve('loopback', 91, '127.9.0.1');
    expect(await host.ask('tcp', '127.9.0.1', 91)).toBe('loopback 127.0.0.1');
    expect(await a1.ask('tcp', '127.9.0.1', 91)).toBe('silence');
    await fw.unpublish('a1');
    expect(await outside.ask('tcp', HOST[4], 8080)).toBe('ECONNREFUSED');
    expect(await host.ask('tcp', '127.0.0.1', 8080)).toBe('ECONNREFUSED');
  });

  it('prefers the port of one address to that of every address', async () => {
    await fw.publish('any', [web('0.0.0.0', 8081)]);
    await fw.publish('one', [web('198.51.100.9', 8081, { containerIp: '172.30.2.2', interface: 'br-b' })]);
    await fw.publish('local', [web('127.0.0.1', 8082)]);
    host.sysctl({ path: '/proc/sys/net/ipv4/conf/br-a/route_localnet', value: '1' });
    expect(await outside.ask('tcp', HOST[4], 8081)).toBe(`a1 ${OUTSIDE[4]}`);
    expect(await outside.ask('tcp', '198.51.100.9', 8081)).toBe(`b1 ${OUTSIDE[4]}`);
    expect(await host.ask('tcp', '127.0.0.1', 8082)).toBe('a1 172.30.1.1');
    expect(await outside.ask('tcp', HOST[4], 8082)).toBe('ECONNREFUSED');
    await fw.unpublish('one');
    expect(await outside.ask('tcp', '198.51.100.9', 8081)).toBe(`a1 ${OUTSIDE[4]}`);
    await Promise.all([fw.unpublish('any'), fw.unpublish('local')]);
  });

  it('keeps containers of one network apart without icc, published ports excepted', async () => {
    // Where the dataplane or bridge-netfilter hands it to the host, traffic within a network goes in and out on the same interface.
    const route = ['172.30.1.3/32', 'via', '172.30.1.1'];
    host.sysctl({ path: '/proc/sys/net/ipv4/conf/br-a/send_redirects', value: '0' });
    host.sysctl({ path: '/proc/sys/net/ipv4/conf/all/send_redirects', value: '0' });
    a1.netns.ip('route', 'add', ...route);
    expect(await a1.ask('tcp', '172.30.1.3', 80)).toBe('a2 172.30.1.2');
    await fw.setNetwork('a', { ...networks.a, icc: false });
    await fw.publish('a2', [web('0.0.0.0', 8083, { containerIp: '172.30.1.3' })]);
    expect(await a1.ask('tcp', '172.30.1.3', 80)).toBe('silence');
    expect(await a1.ask('tcp', HOST[4], 8083)).toBe('a2 172.30.1.1');
    expect(await a1.ask('tcp', OUTSIDE[4], 80)).toBe(`outside ${HOST[4]}`);
    await fw.unpublish('a2');
    await fw.setNetwork('a', networks.a);
    a1.netns.ip('route', 'del', ...route);
  });

  it('ends packets for addresses of others that arrive on a parent', async () => {
    host.netns.ip('address', 'add', '198.51.100.77/24', 'dev', 'wan');
    expect(await outside.ask('tcp', '198.51.100.77', 90)).toBe(`host ${OUTSIDE[4]}`);
    await fw.setDropped('wan', ['198.51.100.77', '2001:db8:5::77']);
    expect(await outside.ask('tcp', '198.51.100.77', 90)).toBe('silence');
    expect(await outside.ask('tcp', HOST[4], 90)).toBe(`host ${OUTSIDE[4]}`);
    await fw.setDropped('wan', []);
    expect(await outside.ask('tcp', '198.51.100.77', 90)).toBe(`host ${OUTSIDE[4]}`);
  });

  it('leaves connections untracked', async () => {
    await fw.publish('a1', [web('0.0.0.0', 8084)]);
    await fw.setUntracked('wan', true);
    expect(await outside.ask('tcp', HOST[4], 8084)).toBe('ECONNREFUSED');
    await fw.setUntracked('wan', false);
    expect(await outside.ask('tcp', HOST[4], 8084)).toBe(`a1 ${OUTSIDE[4]}`);
    await fw.unpublish('a1');
  });
});

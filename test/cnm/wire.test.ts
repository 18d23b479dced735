/** macvlan and ipvlan: containers on the wire of an interface of the host, with another host at its other end. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, joinByVeth, NEEDS_ROOT } from '../live/netns.js';
import { DaemonHost, type SandboxView } from './daemon-host.js';

const live = describe.skipIf(!hasRoot);

live(hasRoot ? 'macvlan and ipvlan networks' : `macvlan and ipvlan networks ${NEEDS_ROOT}`, () => {
  let one: DaemonHost;
  let two: DaemonHost;

  beforeAll(async () => {
    one = new DaemonHost('w1', ['--no-default-bridge']);
    two = new DaemonHost('w2', ['--no-default-bridge']);
    joinByVeth([one.netns, '192.168.7.1/24'], [two.netns, '192.168.7.2/24'], { name: 'eth0' });
    await Promise.all([one.start(), two.start()]);
  });
  afterAll(async () => {
    await one.remove();
    await two.remove();
  });

  const network = (host: DaemonHost, Name: string, Driver: string, subnet: string, Options: Record<string, string>) =>
    host.network({ Name, Driver, IPAM: { Config: [{ Subnet: subnet }] }, Options });

  afterEach(async () => {
    await one.clear();
    await two.clear();
  });

  const macOf = (sandbox: SandboxView) => sandbox.endpoints[0]!.mac;

  it('macvlan reaches another host on VLAN 100 and 200 over one trunk, and the VLANs stay apart', async () => {
    for (const host of [one, two]) {
      for (const vlan of ['100', '200']) {
        await network(host, `v${vlan}`, 'macvlan', `10.${vlan}.0.0/24`, { parent: `eth0.${vlan}` });
      }
    }
    const a100 = await one.sandbox('a100', { network: 'v100', ips: ['10.100.0.2'] });
    const a200 = await one.sandbox('a200', { network: 'v200', ips: ['10.200.0.2'] });
    await two.sandbox('b100', { network: 'v100', ips: ['10.100.0.3'] });
    await two.sandbox('b200', { network: 'v200', ips: ['10.200.0.3'] });
    expect(one.ping(a100, '10.100.0.3')).toBe(2);
    expect(one.ping(a200, '10.200.0.3')).toBe(2);
    // Into the other VLAN there is no way, whatever the address.
    one.exec(a100, 'ip', 'addr', 'add', '10.200.0.9/24', 'dev', 'eth0');
    expect(one.ping(a100, '10.200.0.3')).toBe(0);
  });

  it('macvlan: untagged, with the host at the other end; its own host is out of reach', async () => {
    await network(one, 'lan', 'macvlan', '192.168.7.0/24', { parent: 'eth0' });
    const a = await one.sandbox('a', { network: 'lan', ips: ['192.168.7.10'] });
    const b = await one.sandbox('b', { network: 'lan', ips: ['192.168.7.11'] });
    expect(one.ping(a, '192.168.7.2')).toBe(2);
    expect(one.ping(a, '192.168.7.11')).toBe(2);
    expect(one.ping(a, '192.168.7.1')).toBe(0);
    expect(macOf(a)).not.toBe(macOf(b));
    // Somebody on the wire has that address, which the daemon of this host cannot know.
    const taken = await one.call('POST', '/overlane/sandboxes', {
      name: 'c',
      networks: [{ network: 'lan', ips: ['192.168.7.2'] }],
    });
    expect(taken.status).toBeGreaterThanOrEqual(400);
    expect((taken.body as { message: string }).message).toMatch(/192\.168\.7\.2 is in use on eth0 by /);
  });

  for (const mode of ['private', 'vepa', 'passthru']) {
    it(`macvlan ${mode}: the wire, but no other container`, async () => {
      await network(one, 'lan', 'macvlan', '192.168.7.0/24', { parent: 'eth0', macvlan_mode: mode });
      const a = await one.sandbox('a', { network: 'lan', ips: ['192.168.7.10'] });
      expect(one.ping(a, '192.168.7.2')).toBe(2);
      const second = await one.call('POST', '/overlane/sandboxes', {
        name: 'b',
        networks: [{ network: 'lan', ips: ['192.168.7.11'] }],
      });
      expect(second.status === 201).toBe(mode !== 'passthru');
      if (mode !== 'passthru') expect(one.ping(a, '192.168.7.11')).toBe(0);
    });
  }

  it('macvlan without a parent is isolated', async () => {
    await network(one, 'alone', 'macvlan', '10.7.0.0/24', {});
    const a = await one.sandbox('a', { network: 'alone' });
    await one.sandbox('b', { network: 'alone' });
    expect(one.ping(a, '10.7.0.3')).toBe(2);
  });

  it('ipvlan l2: containers share the MAC of the parent, and reach the wire and each other, but not their host', async () => {
    await network(one, 'ip2', 'ipvlan', '192.168.7.0/24', { parent: 'eth0' });
    const a = await one.sandbox('a', { network: 'ip2', ips: ['192.168.7.10'] });
    const b = await one.sandbox('b', { network: 'ip2', ips: ['192.168.7.11'] });
    const parent = /link\/ether (\S+)/.exec(one.netns.ip('link', 'show', 'eth0'))?.[1];
    expect([macOf(a), macOf(b)]).toEqual([parent, parent]);
    expect(one.ping(a, '192.168.7.2')).toBe(2);
    expect(one.ping(a, '192.168.7.11')).toBe(2);
    expect(one.ping(a, '192.168.7.1')).toBe(0);
  });

  for (const mode of ['l3', 'l3s']) {
    it(`ipvlan ${mode}: routed to, from another host that has a route`, async () => {
      await network(one, 'ip3', 'ipvlan', '10.33.0.0/24', { parent: 'eth0', ipvlan_mode: mode });
      const a = await one.sandbox('a', { network: 'ip3', ips: ['10.33.0.2'] });
      await one.sandbox('b', { network: 'ip3', ips: ['10.33.0.3'] });
      two.netns.ip('route', 'replace', '10.33.0.0/24', 'via', '192.168.7.1');
      expect(one.ping(a, '10.33.0.3')).toBe(2);
      expect(one.ping(a, '192.168.7.2')).toBe(2);
      const { out } = await two.netns.exec('ping', '-n', '-c2', '-i0.1', '-W1', '10.33.0.2');
      expect(out).toMatch(/2 received/);
      two.netns.ip('route', 'del', '10.33.0.0/24');
    });
  }

  it('refuses a parent that is not there, a VLAN that is none, and a wire that is taken', async () => {
    const refused = async (Options: Record<string, string>, Driver = 'macvlan') => {
      const { status, body } = await one.call('POST', '/networks/create', { Name: 'x', Driver, Options });
      expect(status).toBeGreaterThanOrEqual(400);
      return (body as { message: string }).message;
    };
    expect(await refused({ parent: 'eth7' })).toMatch(/parent eth7 is no interface/);
    expect(await refused({ parent: 'eth0.5000' })).toMatch(/1 to 4094/);
    expect(await refused({ parent: 'eth0', macvlan_mode: 'bridged' })).toMatch(/bridge, private, vepa, passthru/);
    expect(await refused({ parrent: 'eth0' })).toMatch(/did you mean 'parent'/);
    await network(one, 'first', 'macvlan', '10.7.0.0/24', { parent: 'eth0.5' });
    expect(await refused({ parent: 'eth0.5' })).toMatch(/already using parent interface eth0\.5/);
    expect(await refused({ parent: 'eth0.5' }, 'ipvlan')).toMatch(/already using parent interface eth0\.5/);
    const names = (await one.ask<{ Name: string }[]>('GET', '/networks')).map(({ Name }) => Name);
    expect(names.sort()).toEqual(['first', 'host', 'none']);
  });
});

/** Overlay networks across two hosts on different subnets that a router joins. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns } from '../live/netns.js';
import { hasTool } from '../peers.js';
import { DaemonHost } from './daemon-host.js';

const can = hasRoot && hasTool('tcpdump');

describe.skipIf(!can)(
  can ? 'overlay networks' : `overlay networks ${NEEDS_ROOT} (needs tcpdump: apt-get install tcpdump)`,
  () => {
    let folder: string;
    let one: DaemonHost;
    let two: DaemonHost;
    let router: Netns;

    const peers = (networks: Record<string, { ip: string; vtep: string }[]>) =>
      writeFileSync(path.join(folder, 'peers.yaml'), JSON.stringify({ networks }));

    beforeAll(async () => {
      folder = mkdtempSync(path.join(tmpdir(), 'ovl-peers-'));
      peers({});
      const { writeKeyFile } = await import('../../src/index.js');
      writeKeyFile(path.join(folder, 'overlay.key'));
      router = new Netns('router');
      const host = (vtep: string) =>
        new DaemonHost(`h${vtep.split('.')[1]}`, [
          ...['--no-default-bridge', '--vtep', vtep, '--peers', path.join(folder, 'peers.yaml')],
          ...['--overlay-keys', path.join(folder, 'overlay.key')],
        ]);
      one = host('10.1.0.2');
      two = host('10.2.0.2');
      joinByVeth([one.netns, '10.1.0.2/24'], [router, '10.1.0.1/24'], { name: 'up1' });
      joinByVeth([two.netns, '10.2.0.2/24'], [router, '10.2.0.1/24'], { name: 'up2' });
      one.netns.ip('route', 'add', 'default', 'via', '10.1.0.1');
      two.netns.ip('route', 'add', 'default', 'via', '10.2.0.1');
      await router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1');
      await Promise.all([one.start(), two.start()]);
    });
    afterAll(async () => {
      await one.remove();
      await two.remove();
      router.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    afterEach(async () => {
      peers({});
      await one.clear();
      await two.clear();
    });

    const settled = async (check: () => boolean) => {
      for (let i = 0; i < 40 && !check(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
      expect(check()).toBe(true);
    };

    for (const encrypted of [false, true]) {
      it(`two containers ping each other in one hop${encrypted ? ', encrypted' : ''}`, async () => {
        const Options = {
          'com.docker.network.driver.overlay.vxlanid_list': '4100',
          ...(encrypted ? { encrypted: '' } : {}),
        };
        const IPAM = { Config: [{ Subnet: '10.9.0.0/24' }] };
        for (const host of [one, two]) await host.network({ Name: 'web', Driver: 'overlay', IPAM, Options });
        // A node that has no endpoint holds nothing of the network.
        type Inspected = { networks: { name: string; bridges: unknown[] }[] };
        const inspected = await one.ask<Inspected>('GET', '/overlane/inspect?network=web');
        expect(inspected.networks[0]!.bridges).toEqual([]);

        const a = await one.sandbox('a', { network: 'web', ips: ['10.9.0.2'] });
        await two.sandbox('b', { network: 'web', ips: ['10.9.0.3'] });
        peers({
          web: [
            { ip: '10.9.0.2', vtep: '10.1.0.2' },
            { ip: '10.9.0.3', vtep: '10.2.0.2' },
          ],
        });
        await settled(() => one.ping(a, '10.9.0.3', 1) === 1);
        const wire = router.start('tcpdump', '-nlq', '-i', 'up1', 'udp');
        await wire.until(/listening on/);
        expect(one.ping(a, '10.9.0.3', 5)).toBe(5);
        // ESP in UDP (RFC 3948), or VXLAN, and nothing of the other.
        await wire.until(encrypted ? /\.4500: / : /\.4789: /);
        await wire.stop();
        expect(wire.results).not.toMatch(encrypted ? /\.4789: / : /\.4500: /);
        // What the node knows of it is there to be seen.
        const shown = await one.overlane('inspect', 'web');
        expect(shown).toMatch(/\b4100\b/);
        expect(shown).toMatch(/10\.2\.0\.2/);
        expect(shown).toContain('02:42:0a:09:00:03');
        // One hop: the TTL arrives as it was sent.
        expect(one.exec(a, 'ping', '-n', '-c1', '-t1', '-W1', '10.9.0.3').out).toMatch(/ttl=64/);
        // As much as the network says fits, and not a byte more.
        const mtu = Number(/mtu (\d+)/.exec(one.exec(a, 'ip', 'link', 'show', 'eth0').out)?.[1]);
        expect(mtu).toBe(encrypted ? 1408 : 1450);
        expect(one.exec(a, 'ping', '-n', '-c1', '-Mdo', '-W1', '-s', String(mtu - 28), '10.9.0.3').status).toBe(0);
      });
    }

    it('two subnets of one overlay route, through a gateway that is the same on both hosts', async () => {
      const IPAM = { Config: [{ Subnet: '10.9.1.0/24' }, { Subnet: '10.9.2.0/24' }] };
      for (const host of [one, two]) await host.network({ Name: 'wide', Driver: 'overlay', IPAM, Internal: true });
      const a = await one.sandbox('a', { network: 'wide', ips: ['10.9.1.2'] });
      const c = await one.sandbox('c', { network: 'wide', ips: ['10.9.2.2'] });
      const b = await two.sandbox('b', { network: 'wide', ips: ['10.9.2.3'] });
      peers({
        wide: [
          { ip: '10.9.1.2', vtep: '10.1.0.2' },
          { ip: '10.9.2.2', vtep: '10.1.0.2' },
          { ip: '10.9.2.3', vtep: '10.2.0.2' },
        ],
      });
      await settled(() => one.ping(a, '10.9.2.3', 1) === 1);
      const reply = (from: typeof a, host: DaemonHost, to: string) =>
        host.exec(from, 'ping', '-n', '-c1', '-W1', to).out;
      expect(reply(a, one, '10.9.2.3')).toMatch(/ttl=63/);
      expect(reply(a, one, '10.9.2.2')).toMatch(/ttl=63/);
      expect(reply(b, two, '10.9.1.2')).toMatch(/ttl=63/);
      expect(reply(b, two, '10.9.2.2')).toMatch(/ttl=64/);
      // The gateway answers, says when the time is up, and where nobody is.
      expect(one.ping(a, '10.9.1.1')).toBe(2);
      expect(one.exec(a, 'ping', '-n', '-c1', '-t1', '-W1', '10.9.2.3').out).toMatch(
        /10\.9\.1\.1.*Time to live exceeded/,
      );
      expect(reply(a, one, '10.9.2.77')).toMatch(/10\.9\.1\.1.*Host Unreachable/);
      expect(one.exec(c, 'ip', 'route', 'show', 'default').out).toBe('');
    });

    it('a container of an overlay that is not internal gets out through the gateway network', async () => {
      await one.network({ Name: 'out', Driver: 'overlay' });
      const a = await one.sandbox('a', { network: 'out' });
      const { endpoints } = await one.ask<typeof a>('GET', '/overlane/sandboxes/a');
      expect(endpoints.map(({ networkName }) => networkName)).toEqual(['out', 'overlane_gwbridge']);
      expect(one.ping(a, '10.1.0.1')).toBe(2);
    });
  },
);

/** Transactions, restarts, other programs in the way, and the end. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  Firewall,
  type FirewallOptions,
  type HostNetwork,
  type Publication,
  type Trouble,
} from '../../src/host/firewall.js';
import { Nft } from '../../src/host/nft.js';
import { Netns } from '../live/netns.js';
import { canFilter, NEEDS_NFT } from './place.js';

const TABLE = `overlane-l${process.pid}`;
const run = promisify(execFile);

const network = (n: number): HostNetwork => ({ interface: `br-${n}`, subnets: [`10.${n}.0.0/16`, `fd00:${n}::/64`] });
const published = (hostPort: number, changes: Partial<Publication> = {}): Publication => ({
  ...{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort, containerIp: '10.0.0.2', containerPort: 80, interface: 'br-0' },
  ...changes,
});

describe.skipIf(!canFilter)(`the table of the firewall ${NEEDS_NFT}`, () => {
  let netns: Netns;
  let troubles: Trouble[];
  let folder: string;
  const open: Firewall[] = [];

  const nft = async (...words: string[]) =>
    (await run('ip', ['netns', 'exec', netns.name, 'nft', ...words], { maxBuffer: 1 << 26 })).stdout;
  const firewall = async (options: FirewallOptions = {}) => {
    const fw = await Firewall.open({ table: TABLE, netns: netns.path, onTrouble: (t) => troubles.push(t), ...options });
    open.push(fw);
    return fw;
  };

  beforeEach(() => {
    netns = new Netns('fw');
    folder = mkdtempSync(join(tmpdir(), 'overlane-fw-'));
    troubles = [];
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((fw) => fw.close().catch(() => {})));
    netns.remove();
    rmSync(folder, { recursive: true });
  });

  it('changes nothing when it is opened, and leaves nothing when it is closed', async () => {
    await nft('add', 'table', 'inet', 'theirs');
    const fw = await firewall();
    expect(await nft('list', 'ruleset')).toBe('table inet theirs {\n}\n');
    await fw.setNetwork('n', network(1));
    await fw.publish('e', [published(80)]);
    await fw.setDropped('lo', ['192.0.2.1', '2001:db8::1']);
    await fw.setUntracked('lo', true);
    expect(await nft('list', 'tables')).toBe(`table inet theirs\ntable inet ${TABLE}\ntable netdev ${TABLE}\n`);
    await fw.close();
    expect(await nft('list', 'ruleset')).toBe('table inet theirs {\n}\n');
    await expect(fw.unpublish('e')).rejects.toMatchObject({ code: 'ERR_OVERLANE_CLOSED' });
    await expect(fw.close()).resolves.toBeUndefined();
  });

  it('takes everything away again, one by one, to the last element', async () => {
    const fw = await firewall();
    await fw.restore({});
    const empty = await nft('list', 'ruleset');
    await fw.setNetwork('n', { ...network(1), internal: true });
    await fw.setNetwork('n', { ...network(2), icc: false });
    await fw.publish('e', [published(80), published(81, { hostIp: '::', containerIp: 'fd00::2' })]);
    await fw.publish('e', [
      published(80, { containerPort: 8080 }),
      published(82, { hostIp: '192.0.2.1', protocol: 'sctp' }),
    ]);
    await fw.setUntracked('br-1', true);
    const full = await nft('list', 'ruleset');
    expect(full).toContain('tcp . 80 : 10.0.0.2 . 8080');
    expect(full).toContain('sctp . 192.0.2.1 . 82 : 10.0.0.2 . 80');
    expect(full).not.toMatch(/br-1.*drop|fd00::2/);
    await Promise.all([
      fw.removeNetwork('n'),
      fw.unpublish('e'),
      fw.setUntracked('br-1', false),
      fw.removeNetwork('never'),
    ]);
    expect(await nft('list', 'ruleset')).toBe(empty);
  });

  it('replaces in one transaction what a run that was killed has left', async () => {
    const before = await firewall();
    await before.restore({
      networks: { old: network(1), both: network(2) },
      publications: { old: [published(80)] },
      dropped: { lo: ['192.0.2.1'] },
      untracked: ['old0'],
    });
    await before.close({ remove: false });
    const after = await firewall();
    expect(await nft('list', 'ruleset')).toContain('old0');
    const state = { networks: { both: network(2), new: network(3) }, publications: { new: [published(81)] } };
    const advice = await after.restore(state);
    const once = await nft('list', 'ruleset');
    expect(once).toContain('"br-3"');
    expect(once).toContain('tcp . 81');
    expect(once).not.toMatch(/br-1"|old0|tcp \. 80|192\.0\.2\.1/);
    expect(await after.restore(state)).toEqual(advice);
    expect(await nft('list', 'ruleset')).toBe(once);
    expect(advice.sysctls.map(({ path }) => path)).toEqual([
      '/proc/sys/net/ipv4/ip_forward',
      '/proc/sys/net/ipv6/conf/all/forwarding',
      '/proc/sys/net/ipv4/conf/br-0/route_localnet',
    ]);
  });

  it('carries out the others when some of several changes want what is taken', async () => {
    const fw = await firewall();
    await fw.publish('first', [published(80)]);
    const outcomes = await Promise.allSettled([
      fw.setNetwork('a', network(1)),
      fw.publish('second', [published(80), published(81)]),
      fw.setNetwork('b', { ...network(2), interface: 'br-1' }),
      fw.unpublish('first'),
      fw.publish('third', [published(80)]),
    ]);
    expect(outcomes.map((o) => (o.status === 'fulfilled' ? 'done' : o.reason.code))).toEqual([
      'done',
      'ERR_OVERLANE_BUSY',
      'ERR_OVERLANE_EXISTS',
      'done',
      'done',
    ]);
    const { 1: busy, 2: exists } = outcomes as PromiseRejectedResult[];
    expect(busy!.reason.message).toContain('tcp 80 is published by endpoint first');
    expect(exists!.reason.message).toContain('interface "br-1" belongs to network a');
    expect(await nft('list', 'ruleset')).not.toContain('tcp . 81');
  });

  it('writes everything anew when another program has flushed the ruleset', async () => {
    const fw = await firewall();
    await fw.restore({ networks: { a: network(1) }, publications: { e: [published(80)] } });
    await nft('flush', 'ruleset');
    await Promise.all([fw.setNetwork('b', network(2)), fw.unpublish('e')]);
    const rules = await nft('list', 'ruleset');
    expect(rules).toContain('"br-1"');
    expect(rules).toContain('"br-2"');
    expect(rules).not.toContain('tcp . 80');
    expect(troubles.map(({ kind }) => kind)).toEqual(['rewritten']);
  });

  it('says when another firewall drops what is forwarded', async () => {
    await nft('add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }');
    await nft(
      'add table ip6 filter; add chain ip6 filter FORWARD { type filter hook forward priority 0; policy accept; }',
    );
    const fw = await firewall();
    await fw.setNetwork('a', network(1));
    await expect.poll(() => troubles).toHaveLength(1);
    expect(troubles[0]).toMatchObject({ kind: 'forward-policy' });
    expect(troubles[0]!.message).toContain('nft insert rule ip filter FORWARD iifname IFACE accept');
    // The advice is commands that work.
    await nft('insert', 'rule', 'ip', 'filter', 'FORWARD', 'iifname', 'br-1', 'accept');
    expect(await fw.inspect()).toHaveLength(1);
  });

  it('says what is missing: the program, the namespace, the privileges', async () => {
    const missing = { code: 'ERR_OVERLANE_MISSING', message: expect.stringContaining('apt-get install nftables') };
    await expect(new Nft(undefined, 'nft-that-is-not-there').apply('')).rejects.toMatchObject(missing);
    await expect(new Nft(netns.path, 'nft-that-is-not-there').ask()).rejects.toMatchObject(missing);
    const nowhere = { netns: '/run/netns/nowhere' };
    await expect(firewall(nowhere)).rejects.toMatchObject({ code: 'ERR_OVERLANE_OPTION' });
    await expect(firewall({ table: 'filter' })).rejects.toMatchObject({ code: 'ERR_OVERLANE_OPTION' });
    const nobody = join(folder, 'nft-of-nobody');
    const script = '#!/bin/sh\nexec setpriv --reuid 65534 --clear-groups nft "$@"\n';
    writeFileSync(nobody, script, { mode: 0o755 });
    await expect(new Nft(undefined, nobody).apply('add table inet x\n', true)).rejects.toMatchObject({
      code: 'ERR_OVERLANE_PERMISSION',
      message: expect.stringContaining('CAP_NET_ADMIN'),
    });
  });

  it('takes any name that an interface may have', async () => {
    const fw = await firewall();
    for (const [n, name] of ["a;b{}#'", '$(reboot)', 'drop', '-', '{ }'.replace(' ', ''), 'wlan0.100@x'].entries()) {
      await fw.setNetwork(name, { interface: name, subnets: [`10.${n}.0.0/16`] });
      await fw.setUntracked(name, true);
      const listed = JSON.parse(await nft('-j', 'list', 'set', 'inet', TABLE, 'untracked')) as {
        nftables: { set?: { elem: string[] } }[];
      };
      expect(listed.nftables.flatMap(({ set }) => set?.elem ?? [])).toContain(name);
    }
    netns.ip('link', 'add', "v;{}'", 'type', 'veth', 'peer', 'name', 'v2');
    await fw.setDropped("v;{}'", ['192.0.2.1']);
    expect(await nft('list', 'table', 'netdev', TABLE)).toContain(`device "v;{}'"`);
    netns.ip('link', 'del', 'v2');
    await fw.setDropped("v;{}'", []);
    expect(await nft('list', 'table', 'netdev', TABLE)).not.toContain('device');
  });

  it('keeps a thousand publications and two hundred networks, and the next of each is small', async () => {
    const fw = await firewall();
    const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
    await fw.restore({
      networks: Object.fromEntries(numbers(200).map((n) => [`n${n}`, network(n)])),
      publications: Object.fromEntries(numbers(1000).map((n) => [`e${n}`, [published(2000 + n)]])),
    });
    const times: number[] = [];
    for (const n of numbers(5)) {
      const start = performance.now();
      await fw.setNetwork(`next${n}`, network(200 + n));
      await fw.publish(`next${n}`, [published(1000 + n)]);
      times.push(performance.now() - start);
    }
    // 16 ms on an idle machine, nearly all of it to start nft twice; all of it anew would take some 250.
    expect(Math.min(...times)).toBeLessThan(100);
    expect((await nft('list', 'map', 'inet', TABLE, 'any4')).match(/tcp \. /g)).toHaveLength(1005);
  });
});

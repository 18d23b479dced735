/** Namespaces, interfaces, addresses, routes and settings, against iproute2. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addAddress,
  addRoute,
  listAddresses,
  listRoutes,
  removeAddress,
  removeRoute,
} from '../../src/netns/addresses.js';
import { deleteLink, listLinks, renameLink, setLink } from '../../src/netns/links.js';
import { createNamespace, deleteNamespace, isNamespace, namespaceId } from '../../src/netns/namespace.js';
import { readSysctl, writeSysctl } from '../../src/netns/sysctl.js';
import { failure } from '../dataplane/lab.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-netns-'));
const path = join(folder, 'a/b/c1');

afterAll(() => {
  if (hasRoot) deleteNamespace(path);
  rmSync(folder, { recursive: true });
});

/** `ip <words>` in the namespace. */
function ip(...words: string[]): string {
  return execFileSync('nsenter', [`--net=${path}`, 'ip', ...words], { encoding: 'utf8' });
}

const codeOf = (act: () => unknown) => failure(act).code;

describe('what is refused before anything is done', () => {
  it('paths, names, addresses, routes and settings', () => {
    for (const wrong of ['c1', '', '/run/netns/', '/run/\0', 7 as never]) {
      for (const act of [createNamespace, deleteNamespace, isNamespace, namespaceId, listLinks, listRoutes]) {
        expect(codeOf(() => act(wrong as never))).toBe('ERR_OVERLANE_OPTION');
      }
    }
    for (const name of ['', '..', 'a b', 'sixteen-bytes-00', 'a/b', 7 as never]) {
      expect(codeOf(() => deleteLink(null, name))).toBe('ERR_OVERLANE_OPTION');
      expect(codeOf(() => renameLink(null, 'lo', name))).toBe('ERR_OVERLANE_OPTION');
    }
    expect(codeOf(() => setLink(null, 'lo', { alias: 'ö'.repeat(128) }))).toBe('ERR_OVERLANE_OPTION');
    expect(codeOf(() => setLink(null, 'lo', { mac: '01:00:00:00:00:00' }))).toBe('ERR_OVERLANE_OPTION');
    expect(codeOf(() => addAddress(null, 'lo', '10.0.0.1'))).toBe('ERR_OVERLANE_OPTION');
    expect(codeOf(() => addRoute(null, { to: '10.0.0.1/8', link: 'lo' }))).toBe('ERR_OVERLANE_OPTION');
    const keys = [
      'kernel.hostname',
      'net',
      'net..x',
      'net/../kernel/hostname',
      'net.',
      '/net/x',
      'net.a\n',
      7 as never,
    ];
    for (const key of keys) expect(codeOf(() => readSysctl(null, key))).toBe('ERR_OVERLANE_OPTION');
  });
});

describe.skipIf(!hasRoot)(`namespaces ${NEEDS_ROOT}`, () => {
  afterEach(() => deleteNamespace(path));

  it('are made with their folders and loopback, found, told apart, and removed', () => {
    createNamespace(path);
    expect(ip('-j', 'link')).toContain('"LOOPBACK","UP"');
    expect(statSync(join(folder, 'a/b')).mode & 0o777).toBe(0o755);
    expect([isNamespace(path), isNamespace('/proc/self/ns/net'), isNamespace('/etc/passwd')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(namespaceId(path)).not.toBe(namespaceId(null));
    expect(namespaceId(null)).toBe(namespaceId('/proc/self/ns/net'));
    const { code, message } = failure(() => createNamespace(path));
    expect([code, message]).toEqual(['ERR_OVERLANE_EXISTS', expect.stringContaining(path)]);
    deleteNamespace(path);
    expect([existsSync(path), isNamespace(path)]).toEqual([false, false]);
    deleteNamespace(path);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(path);
  });

  it('what a failure or a crash left is nothing, or goes with deleteNamespace()', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(failure(() => createNamespace(join(folder, 'file/x/c1'))).message).toContain('make the folder');
    expect(codeOf(() => createNamespace('/proc/overlane/c1'))).toMatch(/MISSING|PERMISSION/);
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(path, '');
    expect(isNamespace(path)).toBe(false);
    expect(codeOf(() => listLinks(path))).toBe('ERR_OVERLANE_OPTION');
    expect(codeOf(() => namespaceId(path))).toBe('ERR_OVERLANE_OPTION');
    deleteNamespace(path);
    expect(existsSync(path)).toBe(false);
  });

  it('are not mistaken for something else', () => {
    const other = join(folder, 'letter');
    writeFileSync(other, 'dear');
    for (const wrong of [other, folder, '/proc/self/ns/net']) {
      expect(codeOf(() => deleteNamespace(wrong))).toBe('ERR_OVERLANE_OPTION');
    }
    expect(readFileSync(other, 'utf8')).toBe('dear');
    for (const act of [listLinks, listAddresses, listRoutes, namespaceId]) {
      expect(codeOf(() => act(path))).toBe('ERR_OVERLANE_MISSING');
    }
  });
});

describe.skipIf(!hasRoot)(`what is in a namespace ${NEEDS_ROOT}`, () => {
  beforeEach(() => {
    createNamespace(path);
    ip('link', 'add', 'eth0', 'address', '02:00:00:00:00:01', 'type', 'veth', 'peer', 'name', 'eth1');
  });
  afterEach(() => deleteNamespace(path));

  it('interfaces', () => {
    const alias = 'é'.repeat(127);
    setLink(path, 'eth0', { up: true, mtu: 1400, mac: '02:00:00:00:00:07', alias, arp: false });
    setLink(path, 'eth1', { up: true });
    const eth0 = { name: 'eth0', kind: 'veth', mac: '02:00:00:00:00:07', mtu: 1400, up: true, alias };
    expect(listLinks(path)).toEqual(expect.arrayContaining([expect.objectContaining(eth0)]));
    expect(
      listLinks(path)
        .map(({ name, index }) => [name, index])
        .sort(),
    ).toEqual(
      (JSON.parse(ip('-j', 'link')) as { ifname: string; ifindex: number }[]).map((l) => [l.ifname, l.ifindex]).sort(),
    );
    expect(ip('link', 'show', 'eth0')).toMatch(/NOARP.*mtu 1400/);
    setLink(path, 'eth0', { up: false, alias: '', arp: true });
    expect(listLinks(path).find(({ name }) => name === 'eth0')).toMatchObject({ up: false, alias: '', mtu: 1400 });
    expect(ip('link', 'show', 'eth0')).not.toContain('NOARP');
    renameLink(path, 'eth0', 'wan.5');
    expect(codeOf(() => renameLink(path, 'wan.5', 'eth1'))).toBe('ERR_OVERLANE_BUSY');
    expect(codeOf(() => setLink(path, 'eth0', { up: true }))).toBe('ERR_OVERLANE_MISSING');
    writeSysctl(path, 'net.ipv4.conf.wan/5.forwarding', 1);
    expect(readSysctl(path, 'net/ipv4/conf/wan.5/forwarding')).toBe('1');
    deleteLink(path, 'wan.5');
    expect(listLinks(path).map(({ name }) => name)).toEqual(['lo']);
    expect(codeOf(() => deleteLink(path, 'wan.5'))).toBe('ERR_OVERLANE_MISSING');
  });

  it('addresses and routes, each as often as one likes', () => {
    for (const name of ['eth0', 'eth1']) setLink(path, name, { up: true });
    for (let time = 0; time < 2; time++) {
      addAddress(path, 'eth0', '10.0.0.1/24');
      addAddress(path, 'eth0', 'fd00::1/64');
      addRoute(path, { to: '10.1.0.0/16', via: '10.0.0.254', link: 'eth0' });
      addRoute(path, { to: '10.2.0.0/16', link: 'eth0' });
      addRoute(path, { to: 'default', via: 'fd00::fe', link: 'eth0' });
      addRoute(path, { to: '10.3.0.0/16', link: 'eth1', scope: 'host' });
    }
    expect(listAddresses(path)).toEqual(
      expect.arrayContaining([
        { link: 'eth0', address: '10.0.0.1/24' },
        { link: 'eth0', address: 'fd00::1/64' },
        { link: 'lo', address: '127.0.0.1/8' },
      ]),
    );
    expect(listRoutes(path)).toEqual(
      expect.arrayContaining([
        { to: '10.0.0.0/24', via: null, link: 'eth0' },
        { to: '10.1.0.0/16', via: '10.0.0.254', link: 'eth0' },
        { to: '10.2.0.0/16', via: null, link: 'eth0' },
        { to: '::/0', via: 'fd00::fe', link: 'eth0' },
      ]),
    );
    expect(ip('route')).toContain('10.3.0.0/16 dev eth1 proto static scope host');
    expect(codeOf(() => addRoute(path, { to: '10.2.0.0/16', link: 'eth1' }))).toBe('ERR_OVERLANE_BUSY');
    expect(codeOf(() => addAddress(path, 'eth7', '10.0.0.1/24'))).toBe('ERR_OVERLANE_MISSING');
    addAddress(path, 'eth0', 'fd00::1/80');
    expect(ip('-6', 'address')).toContain('fd00::1/80');
    for (let time = 0; time < 2; time++) {
      removeRoute(path, { to: '10.1.0.0/16', via: '10.0.0.254', link: 'eth0' });
      removeRoute(path, { to: 'default', via: 'fd00::fe', link: 'eth0' });
      removeAddress(path, 'eth0', '10.0.0.1/24');
      removeAddress(path, 'eth0', 'fd00::1/80');
    }
    expect(ip('address', 'show', 'eth0')).not.toMatch(/10\.0\.0\.1|fd00::1/);
    expect(`${ip('route')}${ip('-6', 'route')}`).not.toMatch(/10\.1\.0\.0|default/);
  });

  it('a route with two routers is listed twice, those of other tables not at all', () => {
    for (const name of ['eth0', 'eth1']) setLink(path, name, { up: true });
    addAddress(path, 'eth0', '10.0.0.1/24');
    ip('route', 'add', '10.9.0.0/16', 'nexthop', 'via', '10.0.0.2', 'nexthop', 'via', '10.0.0.3');
    ip('route', 'add', '10.8.0.0/16', 'via', '10.0.0.2', 'table', '77');
    ip('route', 'add', 'blackhole', '10.7.0.0/16');
    expect(listRoutes(path).filter(({ to }) => /^10\.[789]/.test(to))).toEqual([
      { to: '10.9.0.0/16', via: '10.0.0.2', link: 'eth0' },
      { to: '10.9.0.0/16', via: '10.0.0.3', link: 'eth0' },
    ]);
  });

  it('more interfaces and addresses than one answer of the kernel holds are listed whole', () => {
    const lines = Array.from({ length: 100 }, (_, i) => [
      `link add a${i} type veth peer name b${i}`,
      `address add 10.1.${i}.1/32 dev a${i}`,
    ]);
    const input = `${lines.flat().join('\n')}\n`;
    execFileSync('nsenter', [`--net=${path}`, 'ip', '-batch', '-'], { input });
    expect(listLinks(path)).toHaveLength(203);
    expect(listAddresses(path).filter(({ address }) => address.startsWith('10.1.'))).toHaveLength(100);
  });

  it('settings', () => {
    expect(readSysctl(path, 'net.ipv4.ip_forward')).toBe('0');
    writeSysctl(path, 'net.ipv4.ip_forward', 1);
    expect(readSysctl(path, 'net/ipv4/ip_forward')).toBe('1');
    writeSysctl(path, 'net.ipv4.ping_group_range', '0 7');
    expect(readSysctl(path, 'net.ipv4.ping_group_range')).toBe('0\t7');
    expect(codeOf(() => writeSysctl(path, 'net.ipv4.ip_forward', 'x'))).toBe('ERR_OVERLANE_OPTION');
    expect(codeOf(() => readSysctl(path, 'net.ipv4.nothing'))).toBe('ERR_OVERLANE_MISSING');
  });
});

/** Encryption in topology files: where keys come from, who may read them, what containers are left, and that no error shows a key. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { buildTopology, type ErrorCode, parseTopology, readTopology, writeKeyFile } from '../../src/index.js';
import { HEX, thrown } from '../keyring/keys.js';
import { hasRoot, NEEDS_ROOT, Netns } from '../live/netns.js';
import { watch } from './lab.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-sealed-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeKeyFile(join(folder, 'net.key'));
writeKeyFile(join(folder, 'swarm.key'), { profile: 'docker', id: 1234 });
writeFileSync(join(folder, 'open.key'), `strong 1 ${HEX}\n`);
chmodSync(join(folder, 'open.key'), 0o644);

const GOOD = `
ports:
  c1: { type: memory }
  wire: { type: memory, mtu: 1500 }
underlays:
  u0: { type: frame, port: wire, mac: "02:00:00:00:00:02", local: 192.168.77.2 }
bridges:
  br0: { vni: 1, underlay: u0, ports: [c1], encryption: { keys: net.key } }
  br1: { vni: 2, underlay: u0, encryption: { keys: ./net.key } }
  br2: { vni: 3, underlay: u0, encryption: { profile: docker, keys: swarm.key } }
  br3: { vni: 4, underlay: u0 }
`;

const build = (source: string) => watch(buildTopology(parseTopology(source, { file: 't.yaml', folder })));

describe('a topology with encryption', () => {
  it('finds key files in its folder, and bridges with the same keys share a keyring', () => {
    const bridges = [...build(GOOD).bridges.values()];
    expect(bridges.map(({ encryption }) => encryption?.profile ?? null)).toEqual(['strong', 'strong', 'docker', null]);
    expect(bridges.map(({ mtu }) => mtu)).toEqual([1408, 1408, 1424, 1450]);
    expect(bridges[1]!.encryption!.keyring).toBe(bridges[0]!.encryption!.keyring);
    expect(bridges[2]!.encryption).toEqual({
      keyring: 'br2',
      profile: 'docker',
      keyBits: 128,
      engine: 'auto',
      keys: [{ id: 1234, role: 'current', epoch: null }],
    });
  });

  it('closing the dataplane closes the keyrings that it made', async () => {
    const dataplane = build(GOOD);
    const rings = [...dataplane.bridges.values()].map(({ keyring }) => keyring);
    await dataplane.close();
    expect(rings.map((ring) => ring?.keys)).toEqual([[], [], [], undefined]);
  });

  it.each([0o600, 0o400])('may hold keys itself where only its owner may read it (%o)', (mode) => {
    const file = join(folder, `private-${mode}.yaml`);
    const keys = `keys: [{ id: 1, secret: "${HEX}", since: 2025-11-01 }]`;
    writeFileSync(file, GOOD.replace('keys: net.key', keys), { mode });
    const bridge = watch(buildTopology(readTopology(file))).bridges.get('br0')!;
    expect(bridge.encryption!.keys).toEqual([{ id: 1, role: 'current', epoch: expect.any(Number) }]);
  });

  it('may not where others may', () => {
    const file = join(folder, 'public.yaml');
    writeFileSync(file, GOOD.replace('keys: net.key', `keys: [{ id: 1, secret: "${HEX}" }]`));
    chmodSync(file, 0o640);
    const error = thrown(() => readTopology(file));
    expect(error.message).toContain(`(mode 640): chmod 600 ${file}`);
    expect(error.code).toBe('ERR_OVERLANE_PERMISSION');
  });
});

const inline = (secret: string) => `keys: [{ id: 1, secret: ${secret} }]`;

describe('mistakes', () => {
  it.each<[string, [string, string], ErrorCode, RegExp]>([
    [
      'a file that is not there',
      ['net.key', 'not.key'],
      'ERR_OVERLANE_MISSING',
      /t\.yaml:8:\d+: bridges\.br0\.encryption: key file .*not\.key: no such file/,
    ],
    ['a file that others may read', ['net.key', 'open.key'], 'ERR_OVERLANE_PERMISSION', /chmod 600 .*open\.key/],
    [
      'the other profile',
      ['docker, keys: swarm', 'strong, keys: swarm'],
      'ERR_OVERLANE_TOPOLOGY',
      /holds keys of profile 'docker'/,
    ],
    [
      'an unknown key',
      ['{ keys: net', '{ profil: strong, keys: net'],
      'ERR_OVERLANE_TOPOLOGY',
      /'encryption'.*did you mean 'profile'/s,
    ],
    ['no underlay', [', underlay: u0, ports: [c1], enc', ', ports: [c1], enc'], 'ERR_OVERLANE_TOPOLOGY', /underlay/],
    [
      'a key in place of the option',
      ['{ keys: net.key }', HEX],
      'ERR_OVERLANE_TOPOLOGY',
      /must be a Keyring or an object/,
    ],
    [
      'a key in place of the list',
      ['net.key', `{ a: "${HEX}" }`],
      'ERR_OVERLANE_TOPOLOGY',
      /path of a key file, or a list/,
    ],
    [
      'a key without quotes',
      ['keys: net.key', inline('1'.repeat(64))],
      'ERR_OVERLANE_TOPOLOGY',
      /64 hex digits, in quotes/,
    ],
    ['a short key', ['keys: net.key', inline(`"${HEX.slice(2)}"`)], 'ERR_OVERLANE_TOPOLOGY', /not 31 bytes/],
    [
      'a broken line',
      ['keys: net.key', `keys: [{ id: 1 secret: "${HEX}" "${HEX}" }]`],
      'ERR_OVERLANE_TOPOLOGY',
      /^t\.yaml:8:/,
    ],
    ['a key as a key', ['keys: net.key', `keys: net.key, ${HEX}: 1`], 'ERR_OVERLANE_TOPOLOGY', /unknown/],
    [
      'several workers',
      ['ports:\n', 'workers: [{}, {}]\nports:\n  t: { type: tap, netns: ovl-nowhere }\n'],
      'ERR_OVERLANE_TOPOLOGY',
      /br0\.encryption: underlay 'u0' of type 'frame' cannot.*2 workers/,
    ],
  ])('%s', (_, [from, to], code, words) => {
    expect(GOOD).toContain(from);
    const error = thrown(() => build(GOOD.replace(from, to)));
    expect(error.message).toMatch(words);
    expect(error.code).toBe(code);
    expect(error.message).not.toMatch(/00010203|1d1e1f|1111/);
    expect(inspect(error, { depth: 1 })).not.toMatch(/00010203|1d1e1f|1111/);
  });
});

describe.skipIf(!hasRoot)(`TAPs on an encrypted bridge ${NEEDS_ROOT}`, () => {
  it('have the MTU that is left, and super-frames that one train carries', () => {
    const [host, container] = [new Netns('h1'), new Netns('c1')];
    const dataplane = build(`
ports:
  a: { type: tap, netns: ${container.name} }
  b: { type: tap, netns: ${container.name}, mtu: 1300 }
underlays: { u0: { type: udp, netns: ${host.name}, local: "127.0.0.1", mtu: 1500 } }
bridges:
  br0: { vni: 1, underlay: u0, ports: [a, b], encryption: { keys: net.key } }`);
    expect([...dataplane.ports.values()].map(({ name, mtu }) => [name, mtu])).toEqual([
      ['a', 1408],
      ['b', 1300],
    ]);
    expect(Object.keys(dataplane.counters().ports)).toContain('u0/esp');
    const { stdout } = spawnSync('ip', ['-n', container.name, '-d', '-j', 'link', 'show', 'a'], { encoding: 'utf8' });
    expect(JSON.parse(stdout)).toMatchObject([{ mtu: 1408, gso_max_size: 44 * (1408 - 52) + 331 }]);
  });
});

/** Secrets are in nothing that can be printed: objects, JSON, events, messages, and all that the command line says. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { Keyring } from '../../src/index.js';
import { toHex } from '../../src/wire/field.js';
import { from } from '../dataplane/frames.js';
import { SITES } from '../dataplane/hosts.js';
import { failure, lab } from '../dataplane/lab.js';
import { any } from '../dataplane/refusal.js';
import { innerFrame } from '../wire/esp-frames.js';
import { readFrames, writeFrames } from '../wire/pcap.js';
import { Needles } from './needles.js';
import { espOf, node, secretOf, spiOf, TAG, VNI, type Way, wireFrames } from './nodes.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STRONG: Way = { profile: 'strong', keyBits: 128, version: 4 };
const DOCKER: Way = { ...STRONG, profile: 'docker' };
const SECRET = secretOf(STRONG);
const HEX = toHex(SECRET);
const ENDS = { source: SITES[4][0], destination: SITES[4][1] };

const needles = () => new Needles().addEpochs('secret', SECRET).add('docker', secretOf(DOCKER));

it('the search finds what it is there to find', () => {
  const shown = [
    ...[HEX, HEX.toUpperCase(), Buffer.from(SECRET).toString('base64'), inspect(Buffer.from(SECRET))],
    ...[
      JSON.stringify(Buffer.from(SECRET)),
      JSON.stringify(Uint8Array.from(SECRET)),
      inspect(SECRET, { breakLength: Infinity }),
    ],
    ...[Buffer.from(SECRET).toString('latin1'), `x ${HEX.slice(0, 32)}`, `${HEX.slice(40)} x`],
  ];
  for (const text of shown) expect(needles().in(text), text).not.toEqual([]);
  expect(needles().in('0123456789abcdef'.repeat(8))).toEqual([]);
});

/** Everything that can be seen of a value. */
function allOf(value: object): string {
  const deep = inspect(value, {
    showHidden: true,
    depth: 20,
    maxArrayLength: null,
    maxStringLength: null,
    getters: true,
  });
  return [
    deep,
    inspect(value),
    String(value),
    JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
  ].join('\n');
}

/** `JSON.stringify` of what refers to itself. */
function shownOf(value: object): string {
  try {
    return allOf(value);
  } catch (error) {
    return `${inspect(value, { showHidden: true, depth: 20, getters: true })}\n${inspect(error)}`;
  }
}

describe('objects and events', () => {
  it('keyring, bridge, underlay, dataplane, counters', () => {
    for (const way of [STRONG, DOCKER]) {
      const a = node(0, way);
      a.c.inject([from(1, 2)]);
      a.dataplane.run();
      const found = needles();
      for (const frame of wireFrames(a)) found.addSa(SECRET, ENDS, spiOf(espOf(frame, way)));
      const { dataplane, bridge, underlay } = a;
      for (const value of [
        dataplane,
        bridge,
        underlay,
        bridge.keyring!,
        bridge.encryption!,
        dataplane.counters(),
        a.w,
        a.c,
      ])
        expect(found.in(shownOf(value))).toEqual([]);
    }
  });

  it('a ring that ratchets, and one that was closed', () => {
    const ring = new Keyring({ keys: [{ id: 1, secret: HEX, since: Date.now() - 10_000 }], rotation: { every: 5 } });
    const found = needles();
    expect(found.in(shownOf(ring))).toEqual([]);
    ring.close();
    expect(found.in(shownOf(ring))).toEqual([]);
  });

  it('events of limits, turns, failures and recordings', async () => {
    const told: unknown[] = [];
    const secret = secretOf(DOCKER);
    const ring = new Keyring({
      ...{ profile: 'docker', packetLimit: 2 },
      keys: [{ id: TAG, secret }],
      // A source that fails with a key in its words, and one that gives what is none.
      rotation: { every: 1, grace: 0.9, source: () => any({ id: TAG + 1, secret: toHex(secret).slice(2) }) },
    });
    for (const name of ['rotate', 'limit', 'failure'] as const) ring.on(name, (event: unknown) => told.push(event));
    const a = node(0, DOCKER, { encryption: ring });
    a.dataplane.on('encryption', (troubles) => told.push(...troubles));
    a.c.inject(Array.from({ length: 5 }, () => from(1, 2)));
    a.dataplane.run();
    await new Promise((resolve) => setTimeout(resolve, 300));
    ring.install({ id: TAG + 2, secret: SECRET.slice(16) }).rotate();
    ring.close();
    a.c.inject([from(1, 2)]);
    a.dataplane.run();
    const reasons = told.map((event) => (event as { reason?: string; code?: string }).reason ?? 'other');
    expect(reasons).toEqual(expect.arrayContaining(['exhausted', 'no-key', 'other']));
    expect(told.some((event) => event instanceof Error)).toBe(true);
    for (const event of told) expect(needles().in(`${shownOf(event as object)} ${(event as Error).stack}`)).toEqual([]);
  });
});

/** What a program prints, and how it ends. */
function overlane(...args: string[]): { status: number | null; text: string } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'latin1',
    timeout: 20_000,
  });
  return { status, text: stdout + stderr };
}

describe('the command line', () => {
  const keys = join(folder, 'cli.key');
  const plain = join(folder, 'plain.pcap');
  const sealed = join(folder, 'sealed.pcapng');

  /** Reads a capture of a container, and writes one of the underlay. */
  function topologyFile(name: string, encryption: object): string {
    const file = join(folder, name);
    const text = {
      ports: { c: { type: 'pcap', read: plain }, w: { type: 'pcap', write: sealed } },
      underlays: {
        u: {
          ...{ type: 'frame', port: 'w', mac: '02:00:00:00:00:01', local: ENDS.source },
          neighbors: [{ ip: ENDS.destination, mac: '02:00:00:00:00:02' }],
        },
      },
      bridges: { b: { vni: VNI, underlay: 'u', vteps: [ENDS.destination], ports: ['c'], encryption } },
    };
    writeFileSync(file, JSON.stringify(text), { mode: 0o600 });
    return file;
  }

  it('run, with a key file and with keys in the topology; then decode --keys', () => {
    writeFrames(
      plain,
      [20, 400].map((length) => ({ bytes: innerFrame(length) })),
    );
    writeFileSync(keys, `strong ${TAG} ${HEX} since 2026-01-01\n`, { mode: 0o600 });
    const inline = topologyFile('inline.json', { keys: [{ id: TAG, secret: HEX }], rotation: false });
    const found = needles();
    for (const file of [topologyFile('file.json', { keys, rotation: false }), inline]) {
      for (const words of [[], ['--json']]) {
        const { status, text } = overlane('run', file, ...words);
        expect(status, text).toBe(0);
        const spis = readFrames(sealed).map(({ bytes }) => spiOf(espOf(bytes, STRONG)));
        expect(spis).toHaveLength(2);
        for (const spi of spis) found.addSa(SECRET, ENDS, spi);
        expect(text).toContain('strong');
        expect(found.in(text)).toEqual([]);
      }
    }
    for (const words of [[], ['--json']]) {
      const { status, text } = overlane('decode', '--keys', keys, ...words, sealed);
      expect(status, text).toBe(0);
      expect(text).toMatch(/10\.99\.0\.4/);
      expect(found.in(text)).toEqual([]);
    }
  });

  it('what fails: wrong keys, a file that others may read, a topology that others may read', () => {
    const bad = join(folder, 'bad.key');
    writeFileSync(bad, `strong 1 ${HEX.slice(1)}x\n`, { mode: 0o600 });
    const open = topologyFile('open.json', { keys: [{ id: 1, secret: HEX }] });
    chmodSync(open, 0o644);
    const shared = join(folder, 'shared.key');
    writeFileSync(shared, `strong 1 ${HEX}\n`);
    chmodSync(shared, 0o640);
    const yaml = join(folder, 'bad.yaml');
    writeFileSync(yaml, `bridges:\n  b:\n    encryption:\n      keys: [{ id: 1, secret: "${HEX} }]\n`, { mode: 0o600 });
    for (const args of [
      ['run', topologyFile('bad.json', { keys: bad })],
      ['run', open],
      ['run', topologyFile('shared.json', { keys: shared })],
      ['run', topologyFile('wrong.json', { keys: [{ id: 1, secret: `${HEX}0` }] })],
      ['run', topologyFile('path.json', { keys: HEX })],
      ['run', yaml, '--json'],
      ['decode', '--keys', bad, plain],
      ['decode', '--keys', shared, plain, '--json'],
    ]) {
      const { status, text } = overlane(...args);
      expect(status, text).not.toBe(0);
      expect(text).not.toBe('');
      expect(needles().in(text), text).toEqual([]);
    }
  });

  it('keys new, and doctor', () => {
    for (const [profile, name] of [
      ['strong', 'new1'],
      ['docker', 'new2'],
    ] as const) {
      const file = join(folder, name);
      const made = overlane('keys', 'new', file, '--profile', profile, '--json');
      const digits = /[0-9a-f]{32,}/.exec(readFileSync(file, 'utf8'))![0];
      expect(made.status).toBe(0);
      expect(new Needles().add('new', Buffer.from(digits, 'hex')).in(made.text)).toEqual([]);
      const again = overlane('keys', 'new', file);
      expect(again.status).not.toBe(0);
      expect(new Needles().add('new', Buffer.from(digits, 'hex')).in(again.text)).toEqual([]);
    }
    expect(needles().in(overlane('doctor', '--json').text)).toEqual([]);
  });
});

it('a dataplane that fails to add a bridge keeps nothing of its keys', () => {
  const dataplane = lab();
  const error = failure(() => dataplane.addBridge({ encryption: { keys: [{ id: 1, secret: HEX }] } }));
  expect(needles().in(error.message)).toEqual([]);
  expect(needles().in(shownOf(dataplane))).toEqual([]);
});

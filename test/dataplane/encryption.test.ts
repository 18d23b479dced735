/** Encrypted bridges on this side of the binding: twins of underlays, keyrings of dataplanes, and nothing half made. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { emitAll, takeEvents } from '../../src/dataplane/events.js';
import { minUnderlayMtu, trainSize } from '../../src/dataplane/mtu.js';
import { Dataplane, Keyring, type UdpUnderlayOptions, vxlanMtu, writeKeyFile } from '../../src/index.js';
import { key, secret } from '../keyring/keys.js';
import { failure } from './lab.js';
import { NativeDouble } from './native-double.js';
import { any } from './refusal.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-encryption-'));
afterAll(() => rmSync(folder, { recursive: true }));

const udp: UdpUnderlayOptions = { type: 'udp', name: 'u', local: '192.168.77.1' };
const strong = (...ids: number[]) => new Keyring({ keys: ids.map((id) => key(id)), rotation: false });
const docker = (...ids: number[]) => new Keyring({ profile: 'docker', keys: ids.map((id) => key(id, 16)) });
const carrier = (options: unknown) => {
  const { underlay, keyring } = options as { underlay: number; keyring: number };
  return [underlay, keyring];
};
const hex = (n: number, bytes = 32) => `${n} ${Buffer.from(secret(n, bytes)).toString('hex')}`;

describe('MTU', () => {
  it('inner MTU: what ESP, its padding and ICV take', () => {
    const of = (outer: number) =>
      ([4, 6] as const).flatMap((f) => [vxlanMtu(outer, f, 'strong'), vxlanMtu(outer, f, 'docker')]);
    expect(of(1500)).toEqual([1408, 1424, 1388, 1404]);
    expect(of(9000)).toEqual([8908, 8924, 8888, 8904]);
  });

  it('never makes an outer packet larger than the underlay, and wastes fewer than 4 bytes', () => {
    for (const [profile, around] of [
      ['strong', 20 + 8 + 16 + 16],
      ['docker', 20 + 16 + 8],
    ] as const) {
      for (let outer = 200; outer < 210; outer++) {
        const plain = 8 + 8 + 14 + vxlanMtu(outer, 4, profile) + 2;
        const size = around + Math.ceil(plain / 4) * 4;
        expect(size).toBeLessThanOrEqual(outer);
        expect(outer - size).toBeLessThan(4);
      }
    }
  });

  it('the least underlay leaves 68 bytes; a train of full datagrams fits 64 KiB', () => {
    expect([minUnderlayMtu(4, 'strong'), minUnderlayMtu(4, 'docker'), minUnderlayMtu(6, 'strong')]).toEqual([
      160, 144, 1280,
    ]);
    expect(vxlanMtu(160, 4, 'strong')).toBe(68);
    expect(vxlanMtu(144, 4, 'docker')).toBe(68);
    // 1472 bytes a datagram: 44 of them.
    expect(trainSize(1408, 'strong')).toBe(44 * (1408 - 52) + 331);
    expect(trainSize(1450)).toBe(44 * (1450 - 52) + 331);
  });
});

describe('the twin of a udp underlay', () => {
  it('opens with the first bridge of a profile, is shared, and closes with the underlay', () => {
    const native = new NativeDouble();
    const underlay = native.underlay({ ...udp, espPort: 4501, udpPort: 8472 });
    const [ring, other] = [strong(1), docker(1)];
    native.take();
    const first = native.bridge({ underlay, vni: 1, encryption: ring });
    expect(native.take().map(([method]) => method)).toEqual(['addUdpUnderlay', 'addKeyring', 'setKeys', 'addBridge']);
    const second = native.bridge({ underlay, vni: 2, encryption: ring });
    const clear = native.bridge({ underlay, vni: 3 });
    expect(native.take().map(([method, options]) => [method, carrier(options)])).toEqual([
      ['addBridge', [1, 1]],
      ['addBridge', [0, 0]],
    ]);
    const third = native.bridge({ underlay, vni: 4, encryption: other });
    expect(native.take('addUdpUnderlay')).toMatchObject([
      ['addUdpUnderlay', { name: 'u/esp-ip', esp: 'ip', udpPort: 8472 }],
    ]);
    expect(native.state.rows().map(({ name, row }) => [name, row])).toEqual([
      ['u', 0],
      ['u/esp', 1],
      ['u/esp-ip', 2],
    ]);
    expect(first.mtu).toBe(1408);
    expect([clear.mtu, third.mtu]).toEqual([1450, 1424]);
    expect(failure(() => underlay.close())).toMatchObject({ code: 'ERR_OVERLANE_BUSY' });
    for (const bridge of [first, second, clear, third]) bridge.close();
    expect(native.take('removeKeyring', 'removeBridge').map((call) => call.join(' '))).toEqual([
      'removeBridge 0',
      'removeBridge 1',
      'removeKeyring 1',
      'removeBridge 2',
      'removeBridge 3',
      'removeKeyring 2',
    ]);
    underlay.close();
    expect(native.take().map((call) => call.join(' '))).toEqual([
      'removeUnderlay 1',
      'removePort 1 false',
      'removeUnderlay 2',
      'removePort 2 false',
      'removeUnderlay 0',
      'removePort 0 false',
    ]);
    expect(ring.keys).toHaveLength(1);
  });

  it.each([
    ['strong', 'ERR_OVERLANE_BUSY', /IKE daemon.*'espPort'/],
    ['docker', 'ERR_OVERLANE_PERMISSION', /CAP_NET_RAW/],
  ] as const)(
    'that cannot be opened (%s) leaves nothing behind, and says what is in the way',
    (profile, code, words) => {
      const native = new NativeDouble();
      const underlay = native.underlay(udp);
      const encryption = {
        profile,
        keys: [key(1, profile === 'strong' ? 32 : 16)],
        ...(profile === 'strong' ? { rotation: false as const } : {}),
      };
      native.broken.set('addUdpUnderlay', Object.assign(new Error('the system says so'), { code }));
      native.take();
      const error = failure(() => native.bridge({ underlay, vni: 1, encryption }));
      expect(error.code).toBe(code);
      expect(error.message).toMatch(words);
      expect(native.take()).toEqual([]);
      expect(native.state.bridges.byName.size).toBe(0);
      expect(native.state.rows()).toHaveLength(1);
      native.broken.clear();
      expect(native.bridge({ underlay, vni: 1, encryption }).encryption).toMatchObject({ profile });
    },
  );

  it.each(['addKeyring', 'setKeys', 'addBridge'])('closes again when %s fails', (method) => {
    const native = new NativeDouble();
    const underlay = native.underlay(udp);
    const ring = strong(1);
    native.broken.set(method, new Error('no'));
    native.take();
    failure(() => native.bridge({ underlay, vni: 1, encryption: ring }));
    const made = native.take().map(([name]) => name);
    const count = (name: string) => made.filter((one) => one === name).length;
    expect(count('removeUnderlay')).toBe(1);
    expect(count('removePort')).toBe(1);
    expect(count('removeKeyring')).toBe(count('addKeyring'));
    expect(underlay.twins).toEqual([]);
    // Nobody is told any more.
    ring.install(key(2));
    expect(native.take()).toEqual([]);
  });
});

describe('the twin of a frame underlay', () => {
  it('is on the same port, with the next hops known and those to come', () => {
    const native = new NativeDouble();
    const mac = '02:00:00:00:00:01';
    const hop = (n: number) => ({ ip: `192.168.77.${n}`, mac: `02:00:00:00:00:0${n}` });
    const underlay = native.underlay({
      type: 'frame',
      port: native.port('w'),
      mac,
      local: '192.168.77.1',
      neighbors: [hop(2)],
    });
    if (underlay.type !== 'frame') throw new Error();
    underlay.addNeighbor(hop(3));
    native.take();
    native.bridge({ underlay, vni: 1, encryption: strong(1) });
    const calls = native.take();
    expect(calls.slice(0, 3)).toMatchObject([
      ['addFrameUnderlay', { name: 'frame0/esp', port: 0, esp: 'udp', espPort: 4500 }],
      ['addUnderlayNeighbor', 1, Uint8Array.of(192, 168, 77, 2), Uint8Array.of(2, 0, 0, 0, 0, 2)],
      ['addUnderlayNeighbor', 1, Uint8Array.of(192, 168, 77, 3), Uint8Array.of(2, 0, 0, 0, 0, 3)],
    ]);
    underlay.addNeighbor(hop(4));
    expect(native.take().map(([method, index]) => [method, index])).toEqual([
      ['addUnderlayNeighbor', 0],
      ['addUnderlayNeighbor', 1],
    ]);
  });

  it('is refused to strong with several workers, and to a second underlay of the same address', () => {
    const mac = '02:00:00:00:00:01';
    const native = new NativeDouble(2);
    native.state.ports.add(any({ name: 'w', index: 7, mtu: 1500 }));
    const port = native.state.ports.byName.get('w')!;
    const frame = { type: 'frame', port, mac, local: '192.168.77.1' } as const;
    const underlay = native.underlay(frame);
    const error = failure(() => native.bridge({ underlay, vni: 1, encryption: strong(1) }));
    expect(error.message).toMatch(/2 workers.*type 'udp', or one worker/);
    const other = native.underlay({ ...frame, udpPort: 8472 });
    native.bridge({ underlay, vni: 1, encryption: docker(1) });
    expect(failure(() => native.bridge({ underlay: other, vni: 1, encryption: docker(1) }))).toMatchObject({
      code: 'ERR_OVERLANE_EXISTS',
    });
  });
});

describe('a keyring in use', () => {
  it('passes every change on to every dataplane, the key to send with first; closed, none', () => {
    const ring = strong(1);
    const natives = [new NativeDouble(), new NativeDouble()];
    for (const native of natives) native.bridge({ underlay: native.underlay(udp), vni: 1, encryption: ring });
    for (const native of natives) expect(native.take('setKeys')).toEqual([['setKeys', 1, [hex(1)], 0]]);
    ring.install(key(2));
    ring.rotate();
    ring.retire(1);
    ring.close();
    for (const native of natives) {
      expect(native.take('setKeys').map(([, ...args]) => args)).toEqual([
        [1, [hex(1), hex(2)], 0],
        [1, [hex(2), hex(1)], 0],
        [1, [hex(2)], 0],
        [1, [], -1],
      ]);
    }
    expect(
      failure(() =>
        natives[0]!.bridge({ underlay: natives[0]!.state.underlays.byName.get('u')!, vni: 2, encryption: ring }),
      ),
    ).toMatchObject({ code: 'ERR_OVERLANE_CLOSED' });
  });

  it('of equal options is one, and closes with its last bridge; a Keyring stays open', () => {
    const native = new NativeDouble();
    const underlay = native.underlay(udp);
    const file = join(folder, 'k');
    writeKeyFile(file);
    const bridges = [1, 2].map((vni) =>
      native.bridge({ underlay, vni, encryption: { keys: vni === 1 ? file : `${folder}/./k` } }),
    );
    expect(native.take('addKeyring')).toHaveLength(1);
    const ring = bridges[0]!.keyring!;
    expect(bridges[1]!.keyring).toBe(ring);
    bridges[0]!.close();
    expect(ring.keys).toHaveLength(1);
    bridges[1]!.close();
    expect(ring.keys).toEqual([]);
    expect(native.take('removeKeyring')).toHaveLength(1);
  });

  it('that has what another on the underlay has is refused: a secret, or a tag', () => {
    const native = new NativeDouble();
    const underlay = native.underlay(udp);
    native.bridge({ underlay, vni: 1, encryption: strong(1) });
    expect(failure(() => native.bridge({ underlay, vni: 2, encryption: strong(1, 2) })).message).toMatch(/one Keyring/);
    native.bridge({ underlay, vni: 2, encryption: strong(3) });
    native.bridge({ underlay, vni: 3, encryption: docker(5) });
    const twin = new Keyring({ profile: 'docker', keys: [{ id: 5, secret: secret(6, 16) }] });
    expect(failure(() => native.bridge({ underlay, vni: 4, encryption: twin })).message).toMatch(/tag 5/);
  });

  it('VNIs are unique over an underlay, encrypted or not', () => {
    const native = new NativeDouble();
    const underlay = native.underlay(udp);
    native.bridge({ underlay, vni: 1, encryption: strong(1) });
    expect(failure(() => native.bridge({ underlay, vni: 1 }))).toMatchObject({ code: 'ERR_OVERLANE_EXISTS' });
  });
});

describe('the option', () => {
  const text = '00112233445566778899aabbccddeeff';
  it.each([
    ['a secret itself', text],
    ['its bytes', Buffer.from(text, 'hex')],
    ['a list', [text]],
    ['no keys', { profile: 'strong' }],
    ['an unknown key', { keys: [], secret: text }],
    ['a number for a list', { keys: 5 }],
  ])('refuses %s without showing it', (_, encryption) => {
    const native = new NativeDouble();
    const error = failure(() => native.bridge({ underlay: native.underlay(udp), vni: 1, encryption: any(encryption) }));
    expect(error.code).toBe('ERR_OVERLANE_OPTION');
    expect(error.message).not.toMatch(/0011|aabb/i);
  });

  it('needs an underlay, and one that is large enough', () => {
    const native = new NativeDouble();
    expect(failure(() => native.bridge({ encryption: strong(1) })).message).toMatch(/needs an 'underlay'/);
    native.broken.clear();
    const port = native.port('w');
    const underlay = native.underlay({
      type: 'frame',
      port,
      mac: '02:00:00:00:00:01',
      local: '192.168.77.1',
      mtu: 159,
    });
    expect(failure(() => native.bridge({ underlay, vni: 1, encryption: strong(1) })).message).toMatch(
      /needs 160 or more/,
    );
  });

  it('espPort is not the port of VXLAN', () => {
    const native = new NativeDouble();
    expect(failure(() => native.underlay({ ...udp, espPort: 4789 })).message).toMatch(
      /would be that of VXLAN and of ESP/,
    );
  });

  it('warns of the null cipher', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    new Keyring({ keys: [key(1)], rotation: false, engine: 'null-cipher-without-any-protection' });
    expect(warn).toHaveBeenCalledWith(expect.stringMatching(/encrypts nothing/), { code: 'OVERLANE_NULL_CIPHER' });
    warn.mockRestore();
  });
});

describe('events', () => {
  it('name underlay, keyring and peer, say what to do, and reach the keyring when they are about a limit', () => {
    const native = new NativeDouble();
    const ring = docker(1);
    native.bridge({ underlay: native.underlay(udp), vni: 1, encryption: ring });
    const dataplane = new Dataplane({ mode: 'manual' });
    const told: unknown[] = [];
    dataplane.on('encryption', (troubles) => told.push(...troubles));
    ring.on('limit', (limit) => told.push(limit));
    const event = { kind: 'encryption', ip: Uint8Array.of(192, 168, 77, 2), port: 1, value: 1 } as const;
    native.happened = [
      { ...event, reason: 'stale' },
      { ...event, reason: 'exhausted' },
      { ...event, value: 9, reason: 'engine' },
    ];
    expect(emitAll(dataplane, takeEvents(native.state))).toEqual([]);
    const common = { underlay: 'u', peer: '192.168.77.2' };
    expect(told).toEqual([
      { ...common, keyring: ring.name, keyIds: [1], reason: 'stale', message: expect.stringMatching(/clocks/) },
      {
        ...common,
        keyring: ring.name,
        keyIds: [1],
        reason: 'exhausted',
        message: expect.stringMatching(/install\(\)/),
      },
      { ...common, reason: 'exhausted' },
    ]);
  });

  it('a link of the twin is told once, by the underlay', () => {
    const native = new NativeDouble();
    const underlay = native.underlay(udp);
    native.bridge({ underlay, vni: 1, encryption: strong(1) });
    native.happened = [0, 1].map((port) => ({ kind: 'link', port, state: 'up', value: 1400 }));
    expect(takeEvents(native.state).link).toEqual([{ port: 'u', state: 'up', mtu: 1400 }]);
    expect(underlay.mtu).toBe(1400);
  });
});

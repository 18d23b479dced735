/** Nothing of an encrypted bridge leaves in the clear, and nothing enters it that its ring did not seal. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { Keyring } from '../../src/index.js';
import { BROADCAST, be16, bytes, from, ipv4, ipv6, onesComplement, station, udp, vxlan } from '../dataplane/frames.js';
import { type Host, host, SITES } from '../dataplane/hosts.js';
import { drained, drops, expectBalance, hex, total } from '../dataplane/lab.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { readFrames, writeFrames } from '../wire/pcap.js';
import { deliver, espStart, nameOf, node, pair, ringOf, secretOf, VNI, WAYS, type Way, wireFrames } from './nodes.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-closed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STRONG: Way = { profile: 'strong', keyBits: 128, version: 4 };
const named = WAYS.map((way) => [nameOf(way), way] as const);

/** A VXLAN datagram in the clear from node `n` to node 1, at a UDP port. */
function cleartext(version: 4 | 6, n: number, vni: number, port = 4789): Uint8Array {
  const [src, dst] = [SITES[version][n]!, SITES[version][1]];
  const payload = udp({ src: 50_000, dst: port, payload: vxlan(vni, from(1, 2, 0x55)) });
  const type = version === 4 ? '0800' : '86dd';
  const ip = version === 4 ? ipv4({ src, dst, payload }) : ipv6({ src, dst, payload });
  return bytes('060000000001', '060000000000', type, ip);
}

/** What the container sends on node 0: known, unknown, to all, small and large. */
const FRAMES = [from(1, 2, 0xa1), from(1, 99, 0xa2), from(1, BROADCAST, 0xa3)];

/** Nothing on the wire of what the container sends. */
function sendsNothing({ dataplane, c, w }: Host): Record<string, number> {
  c.inject(FRAMES);
  dataplane.run();
  expect(drained(w)).toEqual([]);
  expectBalance(dataplane);
  return drops(dataplane);
}

describe('cleartext for an encrypted VNI', () => {
  it.each(named)('is refused, from a known VTEP and from anybody: %s', (_, way) => {
    const b = node(1, way);
    for (const n of [0, 2]) expect(deliver(b, [cleartext(way.version, n, VNI)])).toBe(0);
    expect(drops(b.dataplane)).toEqual({ drop_cleartext: 2 });
  });

  it.each(named)('is refused in the place of ESP, too: %s', (_, way) => {
    const b = node(1, way);
    const port = way.profile === 'strong' ? 4500 : 4789;
    const frame = cleartext(way.version, 0, VNI, port);
    // VXLAN where ESP is expected: behind UDP port 4500, or UDP and VXLAN right behind IP, whose checksum is put right.
    if (way.profile === 'docker') frame[way.version === 4 ? 23 : 20] = 50;
    if (way.profile === 'docker' && way.version === 4) {
      frame.set([0, 0], 24);
      frame.set(be16(onesComplement(frame.subarray(14, 34))), 24);
    }
    expect(deliver(b, [frame])).toBe(0);
    expect(total(b.dataplane, 'opened')).toBe(0);
    expect(drops(b.dataplane)).toEqual({ drop_esp_spi: 1 });
  });

  it.each(['vni', 'vlans'] as const)('is refused before the first peer, and with VLANs: %s', (kind) => {
    const bridge = kind === 'vni' ? { vni: VNI } : { vlans: { 100: VNI } };
    const b = host(1, 4, { ...bridge, encryption: ringOf(STRONG) });
    expect(deliver(b, [cleartext(4, 0, VNI)])).toBe(0);
    expect(drops(b.dataplane)).toEqual({ drop_cleartext: 1 });
  });

  it("is refused with a closed ring as well; other VNIs are unknown, or their own bridge's", () => {
    const ring = ringOf(STRONG);
    const b = node(1, STRONG, { encryption: ring });
    const clear = b.dataplane.addBridge({ vni: 7, underlay: b.underlay, vteps: [SITES[4][0]] });
    const d = b.dataplane.addPort({ type: 'memory', name: 'd' });
    clear.attach(d);
    ring.close();
    expect(deliver(b, [cleartext(4, 0, VNI), cleartext(4, 0, 7), cleartext(4, 0, 8)])).toBe(0);
    expect(drained(d)).toHaveLength(1);
    expect(drops(b.dataplane)).toEqual({ drop_cleartext: 1, drop_vni_unknown: 1 });
  });
});

describe('a bridge sends nothing in the clear', () => {
  it.each(named)('every frame is sealed: no byte of it is on the wire: %s', (_, way) => {
    const [a, b] = pair(way);
    a.c.inject(FRAMES);
    a.dataplane.run();
    const wire = wireFrames(a);
    expect(wire).toHaveLength(FRAMES.length);
    for (const frame of wire) {
      expect(hex(frame)).not.toMatch(/0200000000|a1a1a1|a2a2a2|a3a3a3/);
      const protocol = frame[way.version === 4 ? 23 : 20];
      expect(protocol).toBe(way.profile === 'strong' ? 17 : 50);
      if (way.profile === 'strong') expect(hex(frame.subarray(espStart(way) - 6, espStart(way) - 4))).toBe('1194');
    }
    b.w.inject(wire);
    b.dataplane.run();
    expect(drained(b.c)).toEqual(FRAMES.map(hex));
    expect([total(a.dataplane, 'sealed'), total(b.dataplane, 'opened')]).toEqual([3, 3]);
  });

  it.each(named)('with a ring that is closed: %s', (_, way) => {
    const ring = ringOf(way);
    const a = node(0, way, { encryption: ring });
    ring.close();
    expect(sendsNothing(a)).toEqual({ drop_esp_no_key: 3 });
  });

  it('before its first peer, and to a VTEP that it was told to forget', () => {
    const encryption = ringOf(STRONG);
    const alone = host(0, 4, { vni: VNI, encryption });
    expect(Object.keys(sendsNothing(alone)).filter((name) => /esp|cleartext/.test(name))).toEqual([]);
    const a = node(0, STRONG);
    a.bridge.removeVtep(SITES[4][1]);
    sendsNothing(a);
  });

  it('with a key of docker that is used up: no packet more than the limit, until the ring turns', () => {
    const way: Way = { ...STRONG, profile: 'docker' };
    // A secret of its own: numbers are counted for all rings of a process.
    const ring = ringOf(way, 77, { packetLimit: 2 });
    const a = node(0, way, { encryption: ring });
    a.c.inject(FRAMES);
    a.dataplane.run();
    expect(wireFrames(a)).toHaveLength(2);
    expect(drops(a.dataplane)).toEqual({ drop_esp_exhausted: 1 });
    ring.install({ id: 5000, secret: secretOf(way, 78) }).rotate();
    a.c.inject(FRAMES.slice(0, 1));
    a.dataplane.run();
    expect(wireFrames(a)).toHaveLength(1);
  });

  it.skipIf(!hasRoot)(`with an engine that this machine does not have: the bridge is not made ${NEEDS_ROOT}`, () => {
    const at = (name: string) => join(folder, name);
    writeFrames(
      at('in.pcap'),
      FRAMES.map((frame) => ({ bytes: frame })),
    );
    const topology = (engine: string) => {
      const encryption = { engine, rotation: false, keys: [{ id: 1, secret: '17'.repeat(32) }] };
      const neighbors = [{ ip: '192.0.2.2', mac: station(8) }];
      writeFileSync(
        at('t.json'),
        JSON.stringify({
          ports: { c: { type: 'pcap', read: 'in.pcap' }, w: { type: 'pcap', write: 'out.pcapng' } },
          underlays: { u: { type: 'frame', port: 'w', mac: station(9), local: '192.0.2.1', neighbors } },
          bridges: { b: { vni: 1, underlay: 'u', vteps: ['192.0.2.2'], ports: ['c'], encryption } },
        }),
        { mode: 0o600 },
      );
    };
    // Its library is hidden from this process alone, where there is one.
    const hide =
      'for f in $(ldconfig -p | grep -o "/.*libIPSec_MB.so.1$"); do mount --bind /dev/null "$f"; done; exec "$@"';
    const run = () =>
      spawnSync('unshare', ['--mount', 'sh', '-c', hide, 'sh', process.execPath, MAIN, 'run', at('t.json')], {
        encoding: 'utf8',
        timeout: 20_000,
      });
    topology('ipsec-mb');
    const refused = run();
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/ipsec-mb.*apt-get install/s);
    expect(existsSync(at('out.pcapng')) ? readFrames(at('out.pcapng')) : []).toEqual([]);
    // The other one goes on, and is what `auto` is then.
    topology('auto');
    const other = run();
    expect(other.status, other.stderr).toBe(0);
    expect(readFrames(at('out.pcapng'))).toHaveLength(FRAMES.length);
  });
});

describe('what the ring did not seal', () => {
  /** Node 0 with one ring, node 1 with another; what becomes of a frame. */
  function across(way: Way, sender: Keyring, more: Partial<Parameters<typeof node>[2]> = {}): [Host, number] {
    const a = node(0, way, { encryption: sender });
    const b = node(1, way, more);
    a.c.inject(FRAMES.slice(0, 1));
    a.dataplane.run();
    return [b, deliver(b, wireFrames(a))];
  }

  it.each(named)('is refused: of another key: %s', (_, way) => {
    const [b, got] = across(way, ringOf(way, 2));
    expect(got).toBe(0);
    // Docker's SPI says nothing of the key but its tag.
    expect(drops(b.dataplane)).toEqual(way.profile === 'docker' ? { drop_esp_icv: 1 } : { drop_esp_spi: 1 });
  });

  it.each(named)('is refused: from a VTEP that nobody knows: %s', (_, way) => {
    const [b, got] = across(way, ringOf(way), { vteps: [SITES[way.version][2]] });
    expect(got).toBe(0);
    expect(drops(b.dataplane)).toEqual({ drop_vtep_unknown: 1 });
  });

  it.each(named)('is refused: a VNI that is not there: %s', (_, way) => {
    const [b, got] = across(way, ringOf(way), { vni: VNI + 1 });
    expect(got).toBe(0);
    expect(drops(b.dataplane)).toEqual({ drop_vni_unknown: 1 });
  });

  it('is refused: a VNI of another ring, from a member of one; its own VNI is not', () => {
    const [a, b] = [node(0, STRONG, { vni: VNI }), node(1, STRONG, { vni: VNI, encryption: ringOf(STRONG, 2) })];
    // Node 1 has the ring of seed 1 for another VNI.
    const d = b.dataplane.addPort({ type: 'memory', name: 'd' });
    const vteps = [SITES[4][0]];
    b.dataplane.addBridge({ vni: 9, underlay: b.underlay, vteps, encryption: ringOf(STRONG) }).attach(d);
    a.c.inject(FRAMES.slice(0, 1));
    a.dataplane.run();
    expect(deliver(b, wireFrames(a))).toBe(0);
    expect(drained(d)).toEqual([]);
    expect(drops(b.dataplane)).toEqual({ drop_esp_keyring: 1 });
  });

  it('is refused: sealed by a member, for a bridge that is not encrypted', () => {
    const a = node(0, STRONG, { vni: 7 });
    const b = node(1, STRONG);
    const d = b.dataplane.addPort({ type: 'memory', name: 'd' });
    b.dataplane.addBridge({ vni: 7, underlay: b.underlay, vteps: [SITES[4][0]] }).attach(d);
    a.c.inject(FRAMES.slice(0, 1));
    a.dataplane.run();
    expect(deliver(b, wireFrames(a))).toBe(0);
    expect(drained(d)).toEqual([]);
    expect(Object.values(drops(b.dataplane))).toEqual([1]);
  });
});

/** What the dataplane seals, scapy, tshark and `overlane decode --keys` open; what scapy seals, the dataplane opens. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { Keyring } from '../../src/index.js';
import { ESP_UDP_PORT } from '../../src/wire/esp.js';
import { sealEsp } from '../../src/wire/esp-open.js';
import { toHex } from '../../src/wire/field.js';
import { host, SITES } from '../dataplane/hosts.js';
import { drained, drops, lab, total } from '../dataplane/lab.js';
import { hasScapy, NEEDS_SCAPY, scapy } from '../peers/scapy.js';
import { hasTool, NEEDS_TSHARK, tshark } from '../peers.js';
import { type Ends, espFrame, ethernetIp, innerFrame, vxlanDatagram } from '../wire/esp-frames.js';
import { ESP_VECTORS, type EspVector } from '../wire/esp-vectors.js';
import { readFrames, writeFrames } from '../wire/pcap.js';
import { espOf, ivOf, nameOf, node, opened, ringOf, saOf, secretOf, spiOf, TAG, VNI, WAYS, type Way } from './nodes.js';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-crypto-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

/** Paddings of 2, 1, 0 and 3 bytes, the least that a frame has, and a large one. */
const FRAMES = [20, 21, 22, 23, 0, 1300].map(innerFrame);
const HEXES = FRAMES.map(toHex);

/** From node 0 to node 1. */
const endsOf = ({ version }: Way): Ends => ({ source: SITES[version][0], destination: SITES[version][1] });
const fileOf = (way: Way) => at(nameOf(way).replaceAll(/\W+/g, '-'));

function keysFile(name: string, entries: readonly object[]): string {
  writeFileSync(`${name}.json`, JSON.stringify(entries));
  return `${name}.json`;
}

/** What scapy has to be told; it derives the keys itself. */
function secretEntry(way: Way): object {
  const secret = toHex(secretOf(way));
  if (way.profile === 'docker') return { profile: 'docker', secret, tag: TAG };
  return { profile: 'strong', secret, key_bits: way.keyBits };
}

/** The frames, sealed by the dataplane into a capture that it writes itself. */
async function sealed(way: Way): Promise<string> {
  const file = `${fileOf(way)}.pcapng`;
  const dataplane = lab();
  const c = dataplane.addPort({ type: 'memory', name: 'c' });
  const w = dataplane.addPort({ type: 'pcap', name: 'w', write: file });
  const { source, destination } = endsOf(way);
  const neighbors = [{ ip: destination, mac: '02:00:00:00:00:02' }];
  const underlay = dataplane.addUnderlay({
    type: 'frame',
    port: w,
    mac: '02:00:00:00:00:01',
    local: source,
    neighbors,
  });
  dataplane.addBridge({ vni: VNI, underlay, vteps: [destination], encryption: ringOf(way) }).attach(c);
  c.inject(FRAMES);
  dataplane.run();
  expect(drops(dataplane)).toEqual({});
  await dataplane.close();
  return file;
}

/** Gives the frames that scapy sealed to node 1. */
function openNatively(way: Way, frames: readonly Uint8Array[]): { got: string[]; drops: Record<string, number> } {
  const { dataplane, w, c } = node(1, way, {}, { mac: '02:00:00:00:00:02' });
  // By itself: from the first packet on, the receiver knows which 2^32 numbers are meant.
  for (const burst of [frames.slice(0, 1), frames.slice(1)]) {
    w.inject(burst);
    dataplane.run();
  }
  expect(total(dataplane, 'opened')).toBe(frames.length - Object.values(drops(dataplane)).reduce((a, b) => a + b, 0));
  return { got: drained(c), drops: drops(dataplane) };
}

/** Where the numbers begin: where 32 bits of them end, as well as at 1. */
const STARTS = ['1', '4294967293'];

describe.skipIf(!hasScapy)(`scapy ${NEEDS_SCAPY}`, () => {
  it.each(WAYS.map((way) => [nameOf(way), way] as const))('opens what is sealed: %s', async (_, way) => {
    const capture = await sealed(way);
    const rows = await scapy('open', keysFile(fileOf(way), [secretEntry(way)]), capture);
    expect(rows.map((row) => String(row['inner']).slice(32))).toEqual(HEXES);
    expect(rows.map((row) => row['sequence'])).toEqual(HEXES.map((_, i) => `${i + 1}`));
    for (const row of rows) expect(row['inner']).toMatch(/^.{4}12b5.{8}0800000000100100/);
    if (way.profile === 'docker') {
      for (const row of rows) expect(row['spi']).toBe(saOf(way, endsOf(way)).spi);
    }
  });

  it.each(WAYS.flatMap((way) => STARTS.map((start) => [nameOf(way), start, way] as const)))(
    'seals what opens: %s, from number %s',
    async (_, start, way) => {
      const ends = endsOf(way);
      const name = `${fileOf(way)}-${start}`;
      writeFrames(
        `${name}.pcap`,
        FRAMES.map((frame) => ({ bytes: ethernetIp(ends, 17, vxlanDatagram(ends, VNI, frame)) })),
      );
      const udp = way.profile === 'strong' ? { udp: [50_000, ESP_UDP_PORT] } : {};
      const { spi } = saOf(way, ends);
      // An IV that wraps: the mask is part of it.
      const entry = { ...secretEntry(way), ...ends, ...udp, spi, sequence: start, iv: '18446744073709551613' };
      await scapy('seal', keysFile(name, [entry]), `${name}.pcap`, `${name}-sealed.pcap`);
      const frames = readFrames(`${name}-sealed.pcap`).map(({ bytes }) => bytes);
      expect(openNatively(way, frames)).toEqual({ got: HEXES, drops: {} });
    },
  );
});

/** The last packet with 32 bits for a number, of the SA of a vector. */
function before({ source, destination, spi, key, salt, icvLength, esn, plaintext }: EspVector): Uint8Array {
  const [keyBytes, saltBytes, inner] = [key, salt, plaintext].map((hex) => Buffer.from(hex, 'hex')) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const sa = { spi, key: keyBytes, salt: saltBytes, icvLength, esn };
  const packet = sealEsp({ inner, sa, sequence: 2n ** 32n - 1n, iv: 1n });
  return espFrame({ source, destination }, packet, 52_001);
}

describe('the vectors', () => {
  it.each(ESP_VECTORS.map((vector) => [vector.name, vector] as const))('opens: %s', (_, vector) => {
    const { profile, keyBits, source, destination, tag = 1, plaintext } = vector;
    const secret = vector.epochSecret ?? vector.secret;
    const encryption = new Keyring({ profile, keyBits, keys: [{ id: tag, secret }], rotation: false });
    const version = source.includes(':') ? 6 : 4;
    const vni = Number.parseInt(plaintext.slice(24, 30), 16);
    const wire = { mac: '02:00:00:00:00:02', local: destination, neighbors: [] };
    const { dataplane, w, c } = host(1, version, { vni, encryption, vteps: [source] }, wire);
    // A number above 2^32 is not of an SA that is new: no node goes as far with one.
    if (BigInt(vector.sequence) > 2n ** 32n) {
      w.inject([Buffer.from(vector.frame, 'hex')]);
      dataplane.run();
      expect(drops(dataplane)).toEqual({ drop_esp_spi: 1 });
      w.inject([before(vector)]);
      dataplane.run();
      expect(drained(c)).toHaveLength(1);
    }
    const dropped = drops(dataplane);
    w.inject([Buffer.from(vector.frame, 'hex')]);
    dataplane.run();
    expect(drops(dataplane)).toEqual(dropped);
    expect(drained(c)).toEqual([plaintext.slice(32)]);
  });

  it('opens what the reference seals, in the order of its numbers and not', () => {
    for (const way of WAYS) {
      const ends = endsOf(way);
      const sa = saOf(way, ends);
      const frames = FRAMES.map((frame, i) => {
        const inner = vxlanDatagram(ends, VNI, frame);
        const packet = sealEsp({ inner, sa, sequence: BigInt(100 - i), iv: BigInt(i) });
        return espFrame(ends, packet, way.profile === 'strong' ? 40_000 : undefined);
      });
      expect(openNatively(way, frames), nameOf(way)).toEqual({ got: HEXES, drops: {} });
    }
  });
});

describe.skipIf(!hasTool('tshark'))(`tshark ${NEEDS_TSHARK}`, () => {
  it.each(WAYS.map((way) => [nameOf(way), way] as const))('reads down to the inner frame: %s', async (_, way) => {
    const capture = await sealed(way);
    const ends = endsOf(way);
    const spis = new Set(readFrames(capture).map(({ bytes }) => spiOf(espOf(bytes, way))));
    const rows = [...spis].map((spi) => {
      const { key, salt, icvLength } = saOf(way, ends, { spi });
      const cipher = `AES-GCM with ${icvLength} octet ICV [RFC4106]`;
      const cells = [`IPv${way.version}`, ends.source, ends.destination, `0x${spi.toString(16)}`, cipher];
      const row = [...cells, `0x${toHex(key)}${toHex(salt)}`, 'NULL', ''].map((cell) => `"${cell}"`).join(',');
      return ['-o', `uat:esp_sa:${row}`];
    });
    const decode = ['-o', 'esp.enable_encryption_decode:TRUE', '-o', 'esp.enable_authentication_check:TRUE'];
    const wanted = ['esp.icv_good', 'esp.contained_data', 'esp.protocol', 'vxlan.vni', 'ip.dst', 'udp.dstport'];
    const fields = ['-T', 'fields', '-E', 'separator=/t', ...wanted.flatMap((field) => ['-e', field])];
    const lines = (await tshark(capture, ...decode, ...rows.flat(), ...fields)).split('\n').slice(0, -1);
    expect(lines).toHaveLength(FRAMES.length);
    for (const [i, line] of lines.entries()) {
      const [good, data, protocol, vni, ip, ports] = line.split('\t');
      // tshark 4.0 knows no ESN: it decrypts, and finds the ICV wrong for want of the number's high half.
      expect(good).toBe(way.profile === 'docker' ? '1' : '0');
      expect(data!.slice(32)).toBe(HEXES[i]);
      expect([protocol, vni]).toEqual(['0x11', `${VNI}`]);
      expect(ip).toMatch(/10\.99\.0\.4$/);
      expect(ports).toBe(`${way.profile === 'strong' ? '4500,' : ''}4789,9`);
    }
  });
});

describe('overlane decode --keys', () => {
  it.each(WAYS.map((way) => [nameOf(way), way] as const))('opens what is sealed: %s', async (_, way) => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const capture = await sealed(way);
    const keys = `${fileOf(way)}.key`;
    writeFileSync(keys, `${way.profile} ${TAG} ${toHex(secretOf(way))}\n`, { mode: 0o600 });
    const { stdout } = await run(process.execPath, [MAIN, 'decode', '--json', '--keys', keys, capture]);
    const lines = stdout.split('\n').slice(0, -1);
    expect(lines).toHaveLength(FRAMES.length);
    for (const [i, line] of lines.entries()) {
      const { esp, vxlan } = JSON.parse(line);
      const { profile, keyBits } = way;
      expect(esp).toMatchObject({
        opened: true,
        profile,
        keyBits,
        keyId: TAG,
        icvLength: profile === 'strong' ? 16 : 8,
      });
      expect(vxlan.vni).toBe(VNI);
      if (profile === 'docker') continue;
      expect(esp.sequence64).toBe(`${i + 1}`);
      // The IV is the time, to within what the test takes.
      expect(BigInt(esp.sealedAt) - before).toBeGreaterThanOrEqual(-1_000_000n);
      expect(BigInt(esp.sealedAt) - before).toBeLessThan(60_000_000_000n);
    }
  });

  it('the reference agrees, and no IV comes twice', async () => {
    for (const way of WAYS) {
      const packets = readFrames(await sealed(way)).map(({ bytes }) => espOf(bytes, way));
      const inside = packets.map((esp) => opened(esp, endsOf(way), saOf(way, endsOf(way), { spi: spiOf(esp) })));
      expect(inside.map(({ frame }) => frame)).toEqual(HEXES);
      expect(new Set(packets.map((esp) => `${spiOf(esp)} ${ivOf(esp)}`)).size).toBe(packets.length);
    }
  });
});

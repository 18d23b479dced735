/** ESP against others who speak it: scapy opens what we seal and we open what it seals; tshark with the key reads both. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseIp } from '../../src/address.js';
import { ESP_UDP_PORT } from '../../src/wire/esp.js';
import { type EspSa, openEsp, sealEsp } from '../../src/wire/esp-open.js';
import { toHex } from '../../src/wire/field.js';
import { hasScapy, NEEDS_SCAPY, scapy } from '../peers/scapy.js';
import { hasTool, NEEDS_TSHARK, tshark } from '../peers.js';
import { type Ends, espFrame, ethernetIp, innerFrame, vxlanDatagram } from './esp-frames.js';
import { ESP_VECTORS } from './esp-vectors.js';
import { readFrames, writeFrames } from './pcap.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-esp-'));
afterAll(() => rmSync(folder, { recursive: true }));

const V4: Ends = { source: '192.0.2.1', destination: '198.51.100.2' };
const V6: Ends = { source: '2001:db8::1', destination: '2001:db8::2' };
/** Paddings of 2, 1, 0 and 3 bytes, the least that a frame can have, and the most of MTU 1500. */
const LENGTHS = [20, 21, 22, 23, 0, 1380];

interface Way {
  name: string;
  sa: EspSa;
  ends: Ends;
  sourcePort?: number;
  sequence: bigint;
}

/** Both key sizes, ICVs, kinds of sequence numbers, IP versions and carriers. */
const WAYS: Way[] = [16, 32].flatMap((keyBytes) =>
  ([8, 16] as const).flatMap((icvLength) =>
    [false, true].flatMap((esn) =>
      [V4, V6].flatMap((ends) =>
        [undefined, 40_000].map((sourcePort) => ({
          name: `AES-${keyBytes * 8}, ICV ${icvLength}, ${esn ? 'ESN' : '32 bits'}, ${ends.source}, ${sourcePort ? 'UDP' : 'IP'}`,
          sa: {
            spi: 0x1000 + keyBytes * 64 + icvLength,
            key: Uint8Array.from({ length: keyBytes }, (_, i) => i * 7 + icvLength),
            salt: Uint8Array.of(1, 2, 3, keyBytes),
            icvLength,
            esn,
          },
          ends,
          ...(sourcePort && { sourcePort }),
          // The last before the high half changes, and on from there.
          sequence: esn ? 0xffff_fffen : 1n,
        })),
      ),
    ),
  ),
);

const datagrams = (ends: Ends) => LENGTHS.map((length) => vxlanDatagram(ends, 0xabcdef, innerFrame(length)));

function keysFile(name: string, entries: readonly object[]): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(entries));
  return path;
}

/** An SA as the script wants it. */
function entryOf({ sa: { spi, key, salt, icvLength, esn }, ends, sourcePort, sequence }: Way, ivStart: bigint): object {
  const udp = sourcePort === undefined ? {} : { udp: [sourcePort, ESP_UDP_PORT] };
  const numbers = { sequence: sequence.toString(), iv: ivStart.toString() };
  return { ...ends, spi, key: toHex(key), salt: toHex(salt), icv: icvLength, esn, ...udp, ...numbers };
}

/** The ESP packet of a frame that has the carrier of `way`. */
function espOf(frame: Uint8Array, { ends, sourcePort }: Way): Uint8Array {
  return frame.subarray(14 + (ends === V4 ? 20 : 40) + (sourcePort === undefined ? 0 : 8));
}

const IV_START = 0xffff_ffff_ffff_fffcn;

function sealed(way: Way): Uint8Array[] {
  const { sa, ends, sequence, sourcePort } = way;
  return datagrams(ends).map((inner, i) => {
    const iv = BigInt.asUintN(64, IV_START + BigInt(i));
    return espFrame(ends, sealEsp({ inner, sa, sequence: sequence + BigInt(i), iv }), sourcePort);
  });
}

describe.skipIf(!hasScapy)(`with scapy ${NEEDS_SCAPY}`, () => {
  it('has every combination', () => {
    expect(new Set(WAYS.map(({ name }) => name)).size).toBe(32);
  });

  it.each(WAYS.map((way, i) => [way.name, way, i] as const))(
    'both ways: %s',
    { timeout: 60_000 },
    async (_, way, i) => {
      const { sa, ends, sequence } = way;
      const keys = keysFile(`way${i}`, [entryOf(way, IV_START)]);
      const [plain, ours, theirs] = ['plain', 'ours', 'theirs'].map((name) => join(folder, `${name}${i}.pcap`));
      const inner = datagrams(ends);

      const frames = sealed(way);
      writeFrames(
        ours!,
        frames.map((bytes) => ({ bytes })),
      );
      const opened = await scapy('open', keys, ours!);
      expect(opened.map((row) => row['inner'])).toEqual(inner.map(toHex));
      expect(opened.map((row) => row['sequence'])).toEqual(inner.map((_, k) => String(sequence + BigInt(k))));

      writeFrames(
        plain!,
        inner.map((datagram) => ({ bytes: ethernetIp(ends, 17, datagram) })),
      );
      await scapy('seal', keys, plain!, theirs!);
      const packets = readFrames(theirs!).map(({ bytes }) => espOf(bytes, way));
      // The same SA, numbers and IVs: every byte.
      expect(packets.map(toHex)).toEqual(frames.map((frame) => toHex(espOf(frame, way))));
      const [source, destination] = [parseIp(ends.source), parseIp(ends.destination)];
      for (const [k, packet] of packets.entries()) {
        const opening = openEsp({ packet, source, destination, sas: [sa] });
        expect(opening).toMatchObject({ opened: true, sequence: sequence + BigInt(k), esn: sa.esn });
        if (opening.opened) expect(toHex(opening.inner)).toBe(toHex(inner[k]!));
      }
    },
  );

  it('refuses what was altered, and what is of another key', async () => {
    const way = WAYS[0]!;
    const frames = sealed(way);
    frames[1]![frames[1]!.length - 1]! ^= 1;
    frames[2]![60]! ^= 0x80;
    const capture = join(folder, 'altered.pcap');
    writeFrames(
      capture,
      frames.map((bytes) => ({ bytes })),
    );
    const opened = await scapy('open', keysFile('altered', [entryOf(way, 1n)]), capture);
    expect(opened.map((row) => row['reason'] ?? 'opened')).toEqual([
      'opened',
      'icv',
      'icv',
      'opened',
      'opened',
      'opened',
    ]);
    const other = { ...way, sa: { ...way.sa, key: new Uint8Array(16) } };
    const refused = await scapy('open', keysFile('other', [entryOf(other, 1n)]), capture);
    expect(refused.every((row) => row['opened'] === false)).toBe(true);
  });

  it('derives the keys, SPIs and IV masks of the vectors, and opens their frames from the secrets alone', async () => {
    const entries = ESP_VECTORS.map(({ keyBits, profile, secret, source, destination, epoch, tag, spi }) => ({
      ...{ profile, secret, source, destination },
      ...(profile === 'strong' ? { epoch, key_bits: keyBits, spi } : { tag }),
    }));
    const [derived] = await scapy('derive', keysFile('derive', entries));
    for (const [i, { key, salt, ivMask, spi }] of ESP_VECTORS.entries()) {
      const theirs = (derived as unknown as Record<string, unknown>[])[i]!;
      expect({ key: theirs['key'], salt: theirs['salt'], ivMask: theirs['iv_mask'], spi: theirs['spi'] }).toEqual({
        ...{ key, salt, ivMask, spi },
      });
    }
    const capture = join(folder, 'vectors.pcap');
    writeFrames(
      capture,
      ESP_VECTORS.map(({ frame }) => ({ bytes: Buffer.from(frame, 'hex') })),
    );
    // Without the SPI of profile strong: the receiver has to find the key by the hint.
    const secrets = entries.map(({ ...entry }) => (entry.profile === 'strong' ? { ...entry, spi: undefined } : entry));
    const opened = await scapy('open', keysFile('secrets', secrets), capture);
    expect(opened.map((row) => row['inner'])).toEqual(ESP_VECTORS.map(({ plaintext }) => plaintext));
    expect(opened.map((row) => row['sequence'])).toEqual(ESP_VECTORS.map(({ sequence }) => sequence));
  });
});

/** tshark's preferences for one SA: it wants key and salt in one piece, and the ICV's length with the cipher. */
function tsharkKeys({ sa, ends }: Way): string[] {
  const family = ends === V4 ? 'IPv4' : 'IPv6';
  const cipher = `AES-GCM with ${sa.icvLength} octet ICV [RFC4106]`;
  const secret = `0x${toHex(sa.key)}${toHex(sa.salt)}`;
  const row = [family, ends.source, ends.destination, `0x${sa.spi.toString(16)}`, cipher, secret, 'NULL', ''];
  return ['-o', `uat:esp_sa:${row.map((cell) => `"${cell}"`).join(',')}`];
}

describe.skipIf(!hasTool('tshark'))(`with tshark ${NEEDS_TSHARK}`, () => {
  it('is read down to the inner frame; the ICV is right where the sequence numbers have 32 bits', async () => {
    const capture = join(folder, 'tshark.pcap');
    const rows = WAYS.flatMap((way) => sealed(way).map((bytes, i) => ({ way, bytes, i })));
    writeFrames(capture, rows);
    const decode = ['-o', 'esp.enable_encryption_decode:TRUE', '-o', 'esp.enable_authentication_check:TRUE'];
    const wanted = ['esp.icv_good', 'esp.contained_data', 'vxlan.vni', 'ip.dst', 'udp.dstport'];
    const fields = ['-T', 'fields', '-E', 'separator=/t', ...wanted.flatMap((field) => ['-e', field])];
    const text = await tshark(capture, ...decode, ...WAYS.flatMap(tsharkKeys), ...fields);
    const lines = text.split('\n').slice(0, -1);
    expect(lines).toHaveLength(rows.length);
    for (const [k, { way, i }] of rows.entries()) {
      const inner = datagrams(way.ends)[i]!;
      const outerIp = way.ends === V4 ? `${way.ends.destination},` : '';
      const outerUdp = way.sourcePort === undefined ? '' : `${ESP_UDP_PORT},`;
      // tshark 4.0 knows no ESN: it decrypts, and finds the ICV wrong for want of the high half.
      const good = way.sa.esn ? '0' : '1';
      const expected = [good, toHex(inner), String(0xabcdef), `${outerIp}10.99.0.4`, `${outerUdp}4789,9`];
      expect(lines[k]!.split('\t'), `${way.name}, packet ${i}`).toEqual(expected);
    }
  });
});

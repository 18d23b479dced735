import { describe, expect, it } from 'vitest';
import { type DecodedFrame, decode } from '../../src/wire/decode.js';
import { sealEsp } from '../../src/wire/esp-open.js';
import { EspRing } from '../../src/wire/esp-ring.js';
import { toHex } from '../../src/wire/field.js';
import { summarize } from '../../src/wire/summary.js';
import {
  STRONG_SECRET as BASE,
  dockerSa,
  espFrame,
  ethernetIp,
  innerFrame,
  strongFrame,
  udp,
  STRONG_ENDS as V4,
  vxlanDatagram,
} from './esp-frames.js';
import { ESP_VECTORS } from './esp-vectors.js';
import { damagedFrames } from './random.js';

const SINCE = Date.UTC(2026, 0, 1);
const nanoseconds = (ms: number): bigint => BigInt(ms) * 1_000_000n;
const strongRing = (since: number): EspRing =>
  new EspRing({ profile: 'strong', keys: [{ id: 3, secret: BASE, since }] });

function read(ring: EspRing, frame: Uint8Array, ms: number): DecodedFrame {
  return decode(frame, { openEsp: ring.opener(nanoseconds(ms)) });
}

describe('decode with ESP', () => {
  const sealed = strongFrame({ epoch: 0 });

  it('without keys shows header, length and carrier', () => {
    const { esp, udp: inside, vxlan, payloadLength } = decode(sealed);
    expect(esp).toEqual({
      spi: esp!.spi,
      sequence: 1,
      length: 112,
      udp: expect.objectContaining({ sourcePort: 50_000 }),
    });
    expect([inside, vxlan, payloadLength]).toEqual([undefined, undefined, 104]);
    expect(summarize(decode(sealed)).info).toMatch(/^SPI 0x[0-9a-f]{8} seq 1 len 112 in UDP 50000 → 4500$/);
  });

  it('says why a packet stays closed, in the frame and in the line', () => {
    using ring = strongRing(SINCE);
    const altered = Uint8Array.from(sealed);
    altered[altered.length - 1]! ^= 1;
    const foreign = Uint8Array.from(sealed);
    foreign[42]! ^= 0x55;
    const fragment = Uint8Array.from(sealed);
    fragment[20]! |= 0x20;
    const short = espFrame(V4, Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 1, 9, 9));
    for (const [bytes, reason, words] of [
      [altered, 'esp_icv', 'wrong key, or altered'],
      [foreign, 'esp_spi', 'no key for this SPI'],
      [short, 'esp_truncated', 'too short'],
    ] as const) {
      const frame = read(ring, bytes, SINCE);
      expect(frame.esp).toMatchObject({ opened: false, reason });
      expect([frame.udp, frame.vxlan, frame.error]).toEqual([undefined, undefined, undefined]);
      expect(summarize(frame).info).toContain(`[not opened: ${words}]`);
    }
    const cut = decode(sealed.subarray(0, 100), {
      wireLength: sealed.length,
      openEsp: ring.opener(nanoseconds(SINCE)),
    });
    expect([cut.esp?.reason, cut.truncated]).toEqual(['esp_cut', true]);
    expect(decode(fragment, { openEsp: ring.opener(0n) }).esp).toBeUndefined();
    const rawFragment = Uint8Array.from(espFrame(V4, sealed.subarray(42)));
    rawFragment[20]! |= 0x20;
    expect(decode(rawFragment, { openEsp: ring.opener(0n) }).esp?.reason).toBe('esp_fragment');
  });

  it.each([
    ['ike', '00000000 11223344556677881122', 'UDP', 'IKE'],
    ['keepalive', 'ff', 'UDP', 'NAT keepalive'],
    [undefined, '0102', 'UDP', '4500 len 2'],
    [undefined, '01020304050607', 'UDP', '4500 len 7'],
  ])('on port 4500 tells ESP from %s', (kind, payload, protocol, words) => {
    const bytes = Buffer.from(payload.replace(' ', ''), 'hex');
    const frame = decode(ethernetIp(V4, 17, udp(4500, 4500, bytes)));
    expect([frame.natTraversal, frame.esp]).toEqual([kind, undefined]);
    expect(frame.udp?.destinationPort).toBe(4500);
    expect(summarize(frame)).toMatchObject({ protocol, info: expect.stringContaining(words) });
  });

  it('takes ESP on another port for what it is: UDP', () => {
    const frame = decode(ethernetIp(V4, 17, udp(4500, 4501, sealed.subarray(42))));
    expect([frame.esp, frame.udp?.destinationPort]).toEqual([undefined, 4501]);
  });

  it('reads no ESP inside ESP', () => {
    const sa = dockerSa(BASE.subarray(0, 16), 1, V4);
    const inside = udp(4500, 4500, sealEsp({ inner: udp(1, 2, BASE), sa, sequence: 1n, iv: 1n }));
    const frame = espFrame(V4, sealEsp({ inner: inside, sa, sequence: 2n, iv: 2n }));
    using ring = new EspRing({ profile: 'docker', keys: [{ id: 1, secret: BASE.subarray(0, 16) }] });
    const { esp, udp: carried, payloadLength } = read(ring, frame, 0);
    expect([esp?.sequence, esp?.udp, carried?.destinationPort, payloadLength]).toEqual([
      2,
      undefined,
      4500,
      inside.length - 8,
    ]);
  });

  it('calls an opened datagram malformed when it is', () => {
    const sa = dockerSa(BASE.subarray(0, 16), 1, V4);
    const inner = Uint8Array.from(vxlanDatagram(V4, 5, innerFrame(4)));
    inner[4] = 0xff;
    using ring = new EspRing({ profile: 'docker', keys: [{ id: 1, secret: BASE.subarray(0, 16) }] });
    const frame = read(ring, espFrame(V4, sealEsp({ inner, sa, sequence: 2n, iv: 2n })), 0);
    expect([frame.esp?.opened, frame.error]).toEqual([true, { layer: 'udp', reason: 'udp_length' }]);
  });

  it('never throws, and opens nothing that was changed behind the IP header', () => {
    const { profile, secret, frame } = ESP_VECTORS[0]!;
    const bytes = Buffer.from(frame, 'hex');
    using ring = new EspRing({ profile, keys: [{ id: 1, secret: Buffer.from(secret, 'hex') }] });
    let opened = 0;
    for (const damaged of damagedFrames([bytes], 5000, 2)) {
      const { wireLength } = damaged;
      const { esp } = decode(damaged.bytes, { wireLength, openEsp: ring.opener(0n) });
      if (!esp?.opened) continue;
      opened++;
      expect(toHex(damaged.bytes.subarray(42))).toBe(toHex(bytes.subarray(42)));
    }
    expect(opened).toBeGreaterThan(500);
  });

  it('ignores Ethernet padding behind the packet', () => {
    const sa = dockerSa(BASE.subarray(0, 16), 1, V4);
    const frame = espFrame(V4, sealEsp({ inner: udp(1, 2, Uint8Array.of(1)), sa, sequence: 2n, iv: 2n }));
    using ring = new EspRing({ profile: 'docker', keys: [{ id: 1, secret: BASE.subarray(0, 16) }] });
    expect(read(ring, Uint8Array.of(...frame, 0, 0, 0, 0, 0), 0).esp?.opened).toBe(true);
  });
});

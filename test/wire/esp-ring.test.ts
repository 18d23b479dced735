import { describe, expect, it } from 'vitest';
import { decode } from '../../src/wire/decode.js';
import { EpochSecrets } from '../../src/wire/esp-epochs.js';
import { ratchet } from '../../src/wire/esp-keys.js';
import { sealEsp } from '../../src/wire/esp-open.js';
import { EspRing } from '../../src/wire/esp-ring.js';
import { toHex } from '../../src/wire/field.js';
import {
  STRONG_SECRET as BASE,
  dockerSa,
  type Ends,
  espFrame,
  innerFrame,
  strongFrame,
  STRONG_ENDS as V4,
  vxlanDatagram,
} from './esp-frames.js';
import { ESP_VECTORS } from './esp-vectors.js';

const V6: Ends = { source: '2001:db8::1', destination: '2001:db8::2' };
const HOUR = 3_600_000;
const SINCE = Date.UTC(2026, 0, 1);
const nanoseconds = (ms: number): bigint => BigInt(ms) * 1_000_000n;

const strongRing = (since?: number, rotateEvery?: number): EspRing =>
  new EspRing({
    profile: 'strong',
    keys: [{ id: 3, secret: BASE, ...(since !== undefined && { since }) }],
    ...(rotateEvery && { rotateEvery }),
  });

function read(ring: EspRing, frame: Uint8Array, ms: number) {
  return decode(frame, { openEsp: ring.opener(nanoseconds(ms)) });
}

describe('the vectors', () => {
  it.each(ESP_VECTORS.map((vector) => [vector.name, vector] as const))('%s: down to the inner frame', (_, vector) => {
    const { profile, secret, tag, epoch = 0, keyBits, icvLength, spi, sequence, iv, counter } = vector;
    const ring = new EspRing({ profile, keys: [{ id: tag ?? 9, secret: Buffer.from(secret, 'hex'), since: SINCE }] });
    const frame = read(ring, Buffer.from(vector.frame, 'hex'), SINCE + epoch * 12 * HOUR);
    const low = Number(BigInt(sequence) & 0xffff_ffffn);
    const same = {
      spi,
      sequence: low,
      length: vector.packet.length / 2,
      iv,
      opened: true,
      profile,
      keyBits,
      icvLength,
    };
    expect(frame.esp).toMatchObject({ ...same, keyId: tag ?? 9 });
    if (profile === 'strong') {
      expect(frame.esp).toMatchObject({ epoch, sequence64: sequence, sealedAt: counter });
      expect(frame.esp?.udp).toMatchObject({ sourcePort: 52_001, destinationPort: 4500 });
    } else {
      expect([frame.esp?.udp, frame.esp?.epoch, frame.esp?.sequence64, frame.esp?.sealedAt]).toEqual(
        Array(4).fill(undefined),
      );
    }
    expect(frame.udp).toMatchObject({ sourcePort: 49_236, destinationPort: 4789 });
    expect(frame.vxlan).toMatchObject({
      vni: 4097,
      inner: { ipv4: { source: '10.99.0.2', destination: '10.99.0.4' } },
    });
    expect(frame.vxlan?.inner?.udp?.destinationPort).toBe(9);
    expect(frame.error).toBeUndefined();
    const names = Object.keys(frame);
    expect([names.indexOf('esp') < names.indexOf('udp'), names.indexOf('udp') < names.indexOf('vxlan')]).toEqual([
      true,
      true,
    ]);
  });
});

describe('the epoch', () => {
  it.each([
    ['of the time', 5, 5, true],
    ['before, by a sender whose clock is slow', 4, 5, true],
    ['after, by a sender whose clock is fast', 6, 5, true],
    ['two before', 3, 5, false],
    ['two after', 7, 5, false],
    ['of the secret itself, at any time', 0, 500, true],
    ['of the secret itself, before its since', 0, -40, true],
  ])('%s', (_, sealed, now, opened) => {
    using ring = strongRing(SINCE);
    const frame = read(ring, strongFrame({ epoch: sealed }), SINCE + now * 12 * HOUR + HOUR);
    expect(frame.esp?.opened).toBe(opened);
    if (opened) expect(frame.esp?.epoch).toBe(sealed);
    else expect(['esp_spi', 'esp_icv']).toContain(frame.esp?.reason);
  });

  it('has the length that is given', () => {
    using ring = strongRing(SINCE, 60);
    expect(read(ring, strongFrame({ epoch: 30 }), SINCE + 12 * HOUR).esp?.opened).toBe(false);
    expect(read(ring, strongFrame({ epoch: 30 }), SINCE + 30 * 60_000).esp?.epoch).toBe(30);
    // An SA that is known stays so: what is sent again later is shown.
    expect(read(ring, strongFrame({ epoch: 30 }), SINCE + 12 * HOUR).esp?.opened).toBe(true);
  });

  it('counts from 1970 without since', () => {
    using ring = strongRing();
    const now = 12 * HOUR * 40;
    expect(read(ring, strongFrame({ epoch: 40 }), now).esp?.epoch).toBe(40);
  });

  it('says so where it is too far to step to', () => {
    using ring = strongRing(0, 1);
    expect(read(ring, strongFrame({ epoch: 3 }), SINCE).esp).toMatchObject({ opened: false, reason: 'esp_epoch' });
    expect(read(ring, strongFrame({ epoch: 0 }), SINCE).esp?.opened).toBe(true);
  });

  it('may go back and forth in a capture', () => {
    using ring = strongRing(SINCE);
    const frames = [0, 30, 2, 31, 29, 1].map((epoch) => ({ epoch, frame: strongFrame({ epoch, low: 256 + epoch }) }));
    for (const { epoch, frame } of [...frames, ...frames]) {
      expect(read(ring, frame, SINCE + epoch * 12 * HOUR).esp?.epoch).toBe(epoch);
    }
  });
});

describe('EpochSecrets', () => {
  it('agrees with the ratchet in any order', () => {
    const secrets = new EpochSecrets(BASE);
    const steps: string[] = [];
    let secret: Uint8Array = BASE;
    for (let i = 0; i <= 2100; i++) {
      steps.push(toHex(secret));
      secret = ratchet(secret);
    }
    for (const epoch of [5, 4, 2100, 2048, 2047, 0, 1024, 1025, 1, 900, 2099, 3, 7, 8, 9, 10, 11, 12, 13, 1023, 2100]) {
      expect(toHex(secrets.at(epoch)!), `epoch ${epoch}`).toBe(steps[epoch]);
    }
  });

  it('has none before the first, after the most, or in between', () => {
    const secrets = new EpochSecrets(BASE);
    expect([-1, EpochSecrets.MOST + 1, 0.5, Number.NaN].map((epoch) => secrets.at(epoch))).toEqual(
      Array(4).fill(undefined),
    );
  });

  it('copies the secret it starts from', () => {
    const base = Uint8Array.from(BASE);
    const secrets = new EpochSecrets(base);
    base.fill(0);
    expect(toHex(secrets.at(1)!)).toBe(toHex(ratchet(BASE)));
  });
});

describe('several peers and keys', () => {
  it('finds the SA by addresses and direction, and both key sizes', () => {
    using ring = strongRing(SINCE);
    const back = { source: V4.destination, destination: V4.source };
    for (const keyBits of [128, 256] as const) {
      for (const ends of [V4, V6, back]) {
        const frame = read(ring, strongFrame({ epoch: 0, ends, keyBits }), SINCE);
        expect(frame.esp).toMatchObject({ opened: true, keyBits });
      }
    }
  });

  it('tells which of three keys of a Swarm it was', () => {
    const keys = [11, 22, 33].map((id) => ({ id, secret: Uint8Array.from({ length: id === 33 ? 32 : 16 }, () => id) }));
    using ring = new EspRing({ profile: 'docker', keys });
    for (const { id, secret } of keys) {
      const inner = vxlanDatagram(V4, 1, innerFrame(10));
      const frame = espFrame(V4, sealEsp({ inner, sa: dockerSa(secret, id, V4), sequence: 1n, iv: 1n }));
      expect(read(ring, frame, 0).esp).toMatchObject({ opened: true, keyId: id, profile: 'docker' });
    }
  });

  it('opens nothing after close()', () => {
    const ring = strongRing(SINCE);
    const frame = strongFrame({ epoch: 0 });
    expect(read(ring, frame, SINCE).esp?.opened).toBe(true);
    ring.close();
    expect(read(ring, frame, SINCE).esp?.opened).toBe(false);
  });

  it('shows no secret when it is printed', () => {
    using ring = strongRing(SINCE);
    read(ring, strongFrame({ epoch: 0 }), SINCE);
    expect(Object.keys(ring)).toEqual([]);
    expect(JSON.stringify(ring)).toBe('{}');
  });
});

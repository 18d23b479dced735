import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecodedFrame, decode, MAX_VXLAN_NESTING } from '../../src/wire/decode.js';
import { MAX_IPV6_EXTENSIONS } from '../../src/wire/ipv6-extension.js';
import { vectorFiles, vectorsFolder } from '../peers.js';
import { ODD_FRAMES } from './odd-frames.js';
import { readFrames } from './pcap.js';
import { damagedFrames } from './random.js';

const ETHERNET = '02420a00000202420a000001';
const IPV6 = `${'20010db8000000000000000000000001'}${'20010db8000000000000000000000002'}`;

function hex(...parts: string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

/** IPv4 without options; total length is header and payload unless given. */
function ipv4(payload: string, { protocol = '11', fragment = '0000', total = 20 + payload.length / 2 } = {}): string {
  return `4500${total.toString(16).padStart(4, '0')}0001${fragment}40${protocol}00000a0000010a000002${payload}`;
}

function frame4(payload: string, options = {}): Buffer {
  return hex(ETHERNET, '0800', ipv4(payload, options));
}

function ipv6(nextHeader: string, payload: string, length = payload.length / 2): string {
  return `60000000${length.toString(16).padStart(4, '0')}${nextHeader}40${IPV6}${payload}`;
}

function udp(port: number, payload: string): string {
  return `c000${port.toString(16).padStart(4, '0')}${(8 + payload.length / 2).toString(16).padStart(4, '0')}0000${payload}`;
}

/** `depth` VXLAN headers around an ARP-typed frame of nothing. */
function matryoshka(depth: number): string {
  if (depth === 0) return `${ETHERNET}88b5`;
  return `${ETHERNET}0800${ipv4(udp(4789, `0800000000000${depth.toString(16)}00${matryoshka(depth - 1)}`))}`;
}

function nesting(frame: DecodedFrame): number {
  return frame.vxlan?.inner ? 1 + nesting(frame.vxlan.inner) : 0;
}

describe('decode', () => {
  it('reads a VXLAN packet of the Docker Swarm capture, inside and out', () => {
    const underlay = readFrames(join(vectorsFolder, 'underlay.pcap')).map(({ bytes }) => decode(bytes));
    const tunnelled = underlay.filter(({ vxlan }) => vxlan);
    expect(underlay).toHaveLength(360);
    expect(tunnelled).toHaveLength(275);
    expect(new Set(tunnelled.map(({ vxlan }) => vxlan?.vni))).toEqual(new Set([4097]));
    const { ipv4, vxlan, payloadLength } = tunnelled[0]!;
    expect(ipv4).toMatchObject({ source: '192.168.77.1', destination: '192.168.77.2', checksumValid: true });
    expect(vxlan?.inner).toMatchObject({
      ethernet: { destination: '02:42:0a:63:00:04', source: '02:42:0a:63:00:02', etherType: 0x0800 },
      ipv4: { source: '10.99.0.2', destination: '10.99.0.4', protocol: 1 },
      icmp: { type: 8, code: 0, identifier: 20, sequence: 0 },
      payloadLength: 56,
    });
    expect(payloadLength).toBe(98);
  });

  it('inner frames are those of the container, field by field', () => {
    const inner = readFrames(join(vectorsFolder, 'underlay.pcap')).flatMap(
      ({ bytes }) => decode(bytes).vxlan?.inner ?? [],
    );
    const container = readFrames(join(vectorsFolder, 'c2-eth0.pcap')).map(({ bytes }) => decode(bytes));
    expect(inner).toEqual(container);
  });

  it('never throws and always survives JSON, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(300), (bytes, wireLength) => {
        const frame = decode(bytes, { wireLength });
        expect(JSON.parse(JSON.stringify(frame))).toEqual(frame);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never throws on damaged frames, and payload never exceeds the frame', () => {
    const real = vectorFiles().flatMap((path) => readFrames(path).slice(0, 20));
    const bases = [...ODD_FRAMES, ...real].map(({ bytes }) => bytes.subarray(0, 400));
    for (const { bytes, wireLength } of damagedFrames(bases, 20_000, 7)) {
      expect(decode(bytes, { wireLength }).payloadLength).toBeLessThanOrEqual(wireLength);
    }
  });

  it('at every length of a frame, says what is missing, or that the capture cut it', () => {
    const whole = hex(ETHERNET, '0800', ipv4(udp(4789, `0800000000000500${ETHERNET}0806`)));
    for (let length = 0; length < whole.length; length++) {
      const part = whole.subarray(0, length);
      expect(decode(part).error?.reason).toBe(length < 14 ? 'ethernet_truncated' : 'ipv4_truncated');
      const cut = decode(part, { wireLength: whole.length });
      expect(cut.truncated).toBe(true);
      expect(cut.error).toBeUndefined();
      expect([!!cut.ethernet, !!cut.ipv4, !!cut.udp, !!cut.vxlan]).toEqual(
        [14, 34, 42, 50].map((end) => length >= end),
      );
    }
    // The inner frame announces ARP and ends: its error, not ours.
    expect(decode(whole)).not.toHaveProperty('error');
    expect(decode(whole).vxlan?.inner?.error).toEqual({ layer: 'arp', reason: 'arp_truncated' });
  });

  it('ignores Ethernet padding', () => {
    const padded = Buffer.concat([frame4(udp(9, 'abcd')), Buffer.alloc(16)]);
    expect(decode(padded)).toMatchObject({ udp: { length: 10 }, payloadLength: 2 });
    const unknown = frame4('abcd', { protocol: '59' });
    expect(decode(Buffer.concat([unknown, Buffer.alloc(16)])).payloadLength).toBe(2);
    const beyond = frame4('0001000200090000', {});
    expect(decode(Buffer.concat([beyond, Buffer.alloc(16)])).error?.reason).toBe('udp_length');
    const next = hex(ETHERNET, '86dd', ipv6('3b', 'abcd'), '00'.repeat(16));
    expect(decode(next).payloadLength).toBe(2);
  });
});

describe('decode names what is malformed', () => {
  it.each<[string, Buffer]>([
    ['ethernet_truncated', hex(ETHERNET)],
    ['vlan_truncated', hex(ETHERNET, '8100 00')],
    ['vlan_truncated', hex(ETHERNET, '88a8 0001 8100 0002')],
    ['arp_truncated', hex(ETHERNET, '0806 0001 0800 06 04 0001', '02420a000001')],
    ['arp_truncated', hex(ETHERNET, '0806 0001 08')],
    ['ipv4_truncated', frame4(udp(9, ''), { total: 29 })],
    ['ipv4_version', hex(ETHERNET, '0800', ipv6('3b', ''))],
    ['ipv4_header_length', hex(ETHERNET, '0800 44', ipv4(udp(9, '')).slice(2))],
    ['ipv4_header_length', frame4(udp(9, ''), { total: 19 })],
    ['ipv6_truncated', hex(ETHERNET, '86dd', ipv6('11', udp(9, ''), 9))],
    ['ipv6_truncated', hex(ETHERNET, '86dd', ipv6('3c', '1101000000000000'))],
    ['ipv6_version', hex(ETHERNET, '86dd 50', ipv6('3b', '').slice(2))],
    ['udp_truncated', frame4('00010002000800')],
    ['udp_length', frame4('0001000200070000')],
    ['udp_length', frame4('0001000200090000')],
    ['tcp_truncated', frame4('00'.repeat(19), { protocol: '06' })],
    ['tcp_header_length', frame4(`${'00'.repeat(12)}4${'0'.repeat(15)}`, { protocol: '06' })],
    ['tcp_header_length', frame4(`${'00'.repeat(12)}6${'0'.repeat(15)}`, { protocol: '06' })],
    ['icmp_truncated', frame4('08000000000000', { protocol: '01' })],
    ['icmp_truncated', hex(ETHERNET, '86dd', ipv6('3a', '80000000000000'))],
    ['vxlan_flags', frame4(udp(4789, `f700000000000500${ETHERNET}88b5`))],
  ])('%s', (reason, bytes) => {
    expect(decode(bytes).error?.reason).toBe(reason);
  });

  it('but takes a length of zero as "all there is"', () => {
    const tcp = `00500051${'00'.repeat(8)}50020000${'00000000'}`;
    expect(decode(frame4(tcp, { protocol: '06', total: 0 }))).toMatchObject({
      ipv4: { totalLength: 40, lengthFromFrame: true },
      tcp: { sourcePort: 80 },
      payloadLength: 0,
    });
    expect(decode(hex(ETHERNET, '86dd', ipv6('06', tcp, 0)))).toMatchObject({ tcp: { destinationPort: 81 } });
    expect(decode(frame4('0001000200000000abcdef'))).toMatchObject({ udp: { length: 0 }, payloadLength: 3 });
  });
});

describe('decode is bounded', () => {
  it('in VLAN tags: two, the rest is payload', () => {
    const { vlans, payloadLength, error } = decode(hex(ETHERNET, '88a8 0001 8100 0002 8100 0003 0800 45'));
    expect(vlans.map(({ tpid, id, etherType }) => [tpid, id, etherType])).toEqual([
      [0x88a8, 1, 0x8100],
      [0x8100, 2, 0x8100],
    ]);
    expect([payloadLength, error]).toEqual([5, undefined]);
  });

  it('in IPv6 extension headers', () => {
    const options = (count: number) => `${'3c00010400000000'.repeat(count - 1)}1100010400000000${udp(9, '')}`;
    const most = decode(hex(ETHERNET, '86dd', ipv6('3c', options(MAX_IPV6_EXTENSIONS))));
    expect(most.ipv6?.extensions).toHaveLength(MAX_IPV6_EXTENSIONS);
    expect(most.udp?.destinationPort).toBe(9);
    const over = decode(hex(ETHERNET, '86dd', ipv6('3c', options(MAX_IPV6_EXTENSIONS + 1))));
    expect(over.error).toEqual({ layer: 'ipv6', reason: 'ipv6_extensions' });
    expect(over.udp).toBeUndefined();
  });

  it('in frames inside frames', () => {
    expect(nesting(decode(hex(matryoshka(MAX_VXLAN_NESTING))))).toBe(MAX_VXLAN_NESTING);
    expect(nesting(decode(hex(matryoshka(MAX_VXLAN_NESTING + 2))))).toBe(MAX_VXLAN_NESTING);
  });
});

describe('decode stops where it should', () => {
  const inside = `0800000000000500${ETHERNET}88b5`;

  it('VXLAN by destination port, and only on the ports given', () => {
    expect(decode(frame4(udp(8472, inside))).vxlan?.vni).toBe(5);
    expect(decode(frame4(udp(4790, inside))).vxlan).toBeUndefined();
    expect(decode(frame4(udp(4790, inside)), { vxlanPorts: [4790] }).vxlan?.vni).toBe(5);
    expect(decode(frame4(udp(4789, inside)), { vxlanPorts: [4790] }).vxlan).toBeUndefined();
    expect(decode(frame4(udp(4789, '08000000000005')))).toMatchObject({ payloadLength: 7 });
  });

  it('fragments: transport header in the first only, VXLAN in none', () => {
    const first = decode(frame4(udp(4789, inside), { fragment: '2000' }));
    expect([first.udp?.destinationPort, first.vxlan, first.error]).toEqual([4789, undefined, undefined]);
    const later = decode(frame4(udp(4789, inside), { fragment: '0003' }));
    expect(later.ipv4?.fragmentOffset).toBe(3);
    expect([later.udp, later.error, later.payloadLength]).toEqual([undefined, undefined, 30]);
    const later6 = decode(hex(ETHERNET, '86dd', ipv6('2c', `3c00001900000007${udp(9, '')}`)));
    expect(later6.ipv6?.extensions.map(({ fragment }) => fragment)).toEqual([
      { offset: 3, moreFragments: true, identification: 7 },
    ]);
    expect([later6.ipv6?.protocol, later6.udp, later6.payloadLength]).toEqual([60, undefined, 8]);
  });

  it('802.3, LLC and IP in IP', () => {
    expect(decode(hex(ETHERNET, '05ff', '00'.repeat(40))).ethernet).toEqual({
      destination: '02:42:0a:00:00:02',
      source: '02:42:0a:00:00:01',
      length: 1535,
    });
    const tunnel = decode(frame4(ipv4(udp(9, '')), { protocol: '04' }));
    expect([tunnel.ipv4?.protocol, tunnel.udp, tunnel.payloadLength]).toEqual([4, undefined, 28]);
  });

  it('ARP for anything but IPv4 over Ethernet: its lengths, no addresses', () => {
    const { arp, error } = decode(hex(ETHERNET, '0806 0006 0800 01 04 0001', 'aa 0a000001 bb 0a000002'));
    expect(arp).toEqual({ hardwareType: 6, protocolType: 0x800, hardwareLength: 1, protocolLength: 4, operation: 1 });
    expect(error).toBeUndefined();
  });

  it('ICMPv6 neighbor discovery: target and options, a malformed one ending them', () => {
    const target = 'fe800000000000000000000000000001';
    const solicitation = `8700000000000000${target}010102420a0000010e01aabbccddeeff0500`;
    expect(decode(hex(ETHERNET, '86dd', ipv6('3a', solicitation))).icmpv6?.neighbor).toMatchObject({
      target: 'fe80::1',
      options: [
        { type: 1, length: 8, linkLayerAddress: '02:42:0a:00:00:01' },
        { type: 14, length: 8, data: 'aabbccddeeff' },
        { type: 5, length: 0, malformed: true },
      ],
    });
  });

  it('options of IPv4 and TCP: listed, a malformed one ending them', () => {
    const tcp = `00500051${'00'.repeat(8)}80020000${'00000000'}020405b4010108ff00000000`.slice(0, 64);
    expect(decode(frame4(tcp, { protocol: '06' })).tcp?.options).toEqual([
      { type: 2, length: 4, data: '05b4' },
      { type: 1, length: 1 },
      { type: 1, length: 1 },
      { type: 8, length: 255, malformed: true },
    ]);
  });
});

/** The native parser and the TypeScript codecs find the same in any bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Columns, decode, formatIp, parseBurst, parseMac, parseStatuses } from '../../src/index.js';
import type { DecodedFrame } from '../../src/wire/decode.js';
import { captureFiles, NEEDS_CAPTURES, vectorFiles } from '../peers.js';
import { ODD_FRAMES } from './odd-frames.js';
import { readFrames } from './pcap.js';

const FRAGMENT = 1;
const LATER_FRAGMENT = 2;
const TAGGED = 4;
const L4_ERRORS = new Set(['udp', 'tcp', 'icmp', 'icmpv6']);

/** One row of the columns, addresses as text. */
function nativeRow(columns: Columns, i: number) {
  const version = columns.ipVersion[i]!;
  const four = (number: number) => formatIp(Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number));
  const six = (bytes: Uint8Array) => formatIp(bytes.slice(16 * i, 16 * i + 16));
  return {
    status: parseStatuses[columns.status[i]!],
    flags: columns.flags[i],
    etherType: columns.etherType[i],
    vlan: columns.vlan[i],
    srcMac: columns.srcMac[i],
    dstMac: columns.dstMac[i],
    ipVersion: version,
    protocol: columns.protocol[i],
    source: version === 4 ? four(columns.srcIp[i]!) : version === 6 ? six(columns.srcIp6) : null,
    destination: version === 4 ? four(columns.dstIp[i]!) : version === 6 ? six(columns.dstIp6) : null,
    srcPort: columns.srcPort[i],
    dstPort: columns.dstPort[i],
    l3Offset: columns.l3Offset[i],
    l4Offset: columns.l4Offset[i],
    payloadOffset: columns.payloadOffset[i],
    vni: columns.vni[i],
  };
}

const macNumber = (text: string): number => parseMac(text).reduce((sum, byte) => sum * 256 + byte, 0);

function transport(frame: DecodedFrame, l3: number) {
  const { ipv4, ipv6 } = frame;
  const later = (ipv4?.fragmentOffset ?? 0) > 0 || ipv6?.extensions.some(({ fragment }) => (fragment?.offset ?? 0) > 0);
  const cutBefore = frame.error !== undefined && !L4_ERRORS.has(frame.error.layer) && frame.error.layer !== 'vxlan';
  if (later || cutBefore || (!ipv4 && !ipv6)) return { l4Offset: 0, payloadOffset: 0 };
  const extensions = ipv6?.extensions.reduce((sum, { length }) => sum + length, 0) ?? 0;
  const l4Offset = l3 + (ipv4?.headerLength ?? 40 + extensions);
  if (frame.error !== undefined && L4_ERRORS.has(frame.error.layer)) return { l4Offset, payloadOffset: 0 };
  const header =
    frame.udp || frame.esp?.udp || frame.icmp || frame.icmpv6 ? 8 : frame.tcp ? frame.tcp.headerLength : null;
  return { l4Offset, payloadOffset: header === null ? 0 : l4Offset + header };
}

function fragmentFlags({ ipv4, ipv6 }: DecodedFrame): number {
  const parts = ipv6?.extensions.flatMap(({ fragment }) => fragment ?? []) ?? [];
  const any = ipv4?.moreFragments || (ipv4?.fragmentOffset ?? 0) > 0 || parts.length > 0;
  const later = (ipv4?.fragmentOffset ?? 0) > 0 || parts.some(({ offset }) => offset > 0);
  return (any ? FRAGMENT : 0) | (later ? LATER_FRAGMENT : 0);
}

/** What the native row should be by the codecs. */
function expectedRow(bytes: Uint8Array) {
  const frame = decode(bytes);
  const { ethernet, vlans, ipv4, ipv6, tcp, vxlan, error } = frame;
  const udp = frame.esp?.udp ?? frame.udp;
  const l3 = 14 + 4 * vlans.length;
  const ip = ipv4 ?? ipv6;
  const ports = error === undefined || error.layer === 'vxlan' ? (udp ?? tcp) : undefined;
  return {
    status: error === undefined || error.layer === 'vxlan' ? 'ok' : error.reason,
    flags: (vlans.length > 0 ? TAGGED : 0) | fragmentFlags(frame),
    etherType: vlans.at(-1)?.etherType ?? vlans.at(-1)?.length ?? ethernet?.etherType ?? ethernet?.length,
    vlan: vlans[0]?.id ?? 0xffff,
    srcMac: ethernet ? macNumber(ethernet.source) : 0,
    dstMac: ethernet ? macNumber(ethernet.destination) : 0,
    ipVersion: ipv4 ? 4 : ipv6 ? 6 : 0,
    protocol: ipv4?.protocol ?? ipv6?.protocol ?? 0,
    source: ip?.source ?? null,
    destination: ip?.destination ?? null,
    srcPort: ports?.sourcePort ?? 0,
    dstPort: ports?.destinationPort ?? 0,
    l3Offset: l3,
    ...transport(frame, l3),
    vni: vxlan && error === undefined ? vxlan.vni : -1,
  };
}

/** Fields that mean something where parsing stopped at this status. */
function comparable(row: ReturnType<typeof nativeRow> | ReturnType<typeof expectedRow>) {
  const { status, srcMac, dstMac, etherType, vlan } = row;
  if (status === 'ethernet_truncated') return { status };
  if (status === 'vlan_truncated') return { status, srcMac, dstMac };
  // A header that contradicts itself: the codecs show nothing of it, the columns what they read.
  if (/^ipv[46]_(version|header_length|truncated|extensions)$/.test(status ?? '')) {
    return { status, srcMac, dstMac, etherType, vlan };
  }
  return row;
}

function compare(frames: readonly Uint8Array[]): void {
  const lengths = Uint32Array.from(frames, ({ length }) => length);
  const offsets = new Uint32Array(frames.length);
  for (let i = 1; i < frames.length; ++i) offsets[i] = offsets[i - 1]! + lengths[i - 1]!;
  const columns = parseBurst({ data: new Uint8Array(Buffer.concat(frames)), offsets, lengths, count: frames.length });
  frames.forEach((frame, i) => {
    const about = Buffer.from(frame.subarray(0, 200)).toString('hex');
    expect(comparable(nativeRow(columns, i)), about).toEqual(comparable(expectedRow(frame)));
  });
}

const own = vectorFiles().flatMap((file) => readFrames(file).map(({ bytes }) => bytes));
const seeds = [...ODD_FRAMES.map(({ bytes }) => bytes), ...own.filter(({ length }) => length < 200).slice(0, 60)];

describe('native columns and TypeScript codecs', () => {
  it('agree on the Docker Swarm captures', () => {
    expect(own.length).toBe(714);
    compare(own);
  });

  it('agree on frames that captures seldom have, whole and cut at every length', () => {
    for (const { bytes } of ODD_FRAMES) compare([bytes, ...Array.from(bytes, (_, length) => bytes.slice(0, length))]);
  });

  const files = captureFiles('tcpdump');
  it.skipIf(files.length === 0)(`agree on the tcpdump captures ${NEEDS_CAPTURES}`, () => {
    const frames = files.flatMap((file) => readFrames(file).filter(({ linkType }) => linkType === 1));
    expect(frames.length).toBeGreaterThan(2000);
    compare(frames.map(({ bytes }) => bytes));
  });

  it('agree on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => compare([bytes])),
      { numRuns: 2000 },
    );
  });

  it('agree on damaged frames', () => {
    const change = fc.tuple(fc.nat(160), fc.nat(255));
    const damaged = fc
      .tuple(fc.constantFrom(...seeds), fc.array(change, { maxLength: 4 }), fc.option(fc.nat(200)))
      .map(([seed, changes, length]) => {
        const bytes = seed.slice(0, length ?? seed.length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.array(damaged, { minLength: 1, maxLength: 20 }), (frames) => compare(frames)),
      { numRuns: 2000 },
    );
  }, 120_000);
});

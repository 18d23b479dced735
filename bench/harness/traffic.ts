/**
 * The traffic of every trial and peer: N stations in N/2 pairs, one of each pair on either side, talking UDP to each
 * other; so every frame is known unicast once both sides were heard.
 */

/** Frames back to back, as `inject()` takes them. */
export interface Frames {
  data: Uint8Array;
  offsets: Uint32Array;
  lengths: Uint32Array;
  count: number;
}

/** Ethernet + IPv4 + UDP. */
export const LEAST_SIZE = 42;
/** Outer Ethernet + IPv4 + UDP + VXLAN. */
export const VXLAN_OVERHEAD = 50;

export type Side = 'a' | 'b';

/** MAC of a station: 02:42 and its IPv4 address, as containers have it. */
export function stationMac(side: Side, i: number): Uint8Array {
  return Uint8Array.from([0x02, 0x42, ...stationIp(side, i)]);
}

/** 10.0.0.0/12 for side a, 10.16.0.0/12 for side b; network and broadcast addresses of /24s are as good as any here. */
export function stationIp(side: Side, i: number): number[] {
  const n = i + 1;
  return [10, (side === 'a' ? 0 : 16) + ((n >> 16) & 15), (n >> 8) & 255, n & 255];
}

/** Internet checksum (RFC 1071) of `length` bytes at `offset`. */
function checksum(bytes: Uint8Array, offset: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 2) sum += (bytes[offset + i]! << 8) | (bytes[offset + i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >> 8;
  bytes[offset + 1] = value & 255;
}

export interface Flow {
  dstMac: ArrayLike<number>;
  srcMac: ArrayLike<number>;
  srcIp: ArrayLike<number>;
  dstIp: ArrayLike<number>;
  srcPort: number;
  dstPort: number;
}

/** Writes the 42 bytes of Ethernet, IPv4 and UDP headers (UDP checksum 0: none) of a frame of `size` bytes at `offset`. */
export function putUdpHeaders(bytes: Uint8Array, offset: number, size: number, flow: Flow): void {
  bytes.set(flow.dstMac, offset);
  bytes.set(flow.srcMac, offset + 6);
  put16(bytes, offset + 12, 0x0800);
  const ip = offset + 14;
  bytes.set([0x45, 0], ip);
  put16(bytes, ip + 2, size - 14);
  bytes.set([0, 0, 0x40, 0, 64, 17, 0, 0], ip + 4);
  bytes.set(flow.srcIp, ip + 12);
  bytes.set(flow.dstIp, ip + 16);
  put16(bytes, ip + 10, checksum(bytes, ip, 20));
  put16(bytes, ip + 20, flow.srcPort);
  put16(bytes, ip + 22, flow.dstPort);
  put16(bytes, ip + 24, size - 34);
}

function frames(count: number, stride: number): Frames {
  return {
    data: new Uint8Array(count * stride),
    offsets: Uint32Array.from({ length: count }, (_, i) => i * stride),
    lengths: new Uint32Array(count).fill(stride),
    count,
  };
}

function putStationFrame(bytes: Uint8Array, offset: number, size: number, from: Side, i: number): void {
  const to = from === 'a' ? 'b' : 'a';
  putUdpHeaders(bytes, offset, size, {
    dstMac: stationMac(to, i),
    srcMac: stationMac(from, i),
    srcIp: stationIp(from, i),
    dstIp: stationIp(to, i),
    srcPort: 1024 + (i % 60000),
    dstPort: 2000,
  });
}

/** One frame from each of `pairs` stations on side `from` to its partner. `size` bytes each, at least 42. */
export function stationFrames(from: Side, pairs: number, size: number): Frames {
  if (size < LEAST_SIZE) throw new RangeError(`a UDP frame has at least ${LEAST_SIZE} bytes, not ${size}`);
  const all = frames(pairs, size);
  for (let i = 0; i < pairs; i++) putStationFrame(all.data, i * size, size, from, i);
  return all;
}

/** An end of a VXLAN tunnel. */
export interface Vtep {
  mac: number[];
  ip: number[];
}

/** The frames of `stationFrames`, each inside VXLAN (RFC 7348) from `vteps[i % vteps.length]` to `local`. */
export function vxlanFrames(from: Side, pairs: number, size: number, vni: number, vteps: Vtep[], local: Vtep): Frames {
  const stride = size + VXLAN_OVERHEAD;
  const all = frames(pairs, stride);
  for (let i = 0; i < pairs; i++) {
    const at = i * stride;
    const vtep = vteps[i % vteps.length]!;
    const ports = { srcPort: 49152 + (i % 16384), dstPort: 4789 };
    putUdpHeaders(all.data, at, stride, {
      dstMac: local.mac,
      srcMac: vtep.mac,
      srcIp: vtep.ip,
      dstIp: local.ip,
      ...ports,
    });
    all.data.set([0x08, 0, 0, 0, vni >> 16, (vni >> 8) & 255, vni & 255, 0], at + LEAST_SIZE);
    putStationFrame(all.data, at + VXLAN_OVERHEAD, size, from, i);
  }
  return all;
}

/** The frames as a little-endian microsecond pcap file, for peers that read one. */
export function toPcap(all: Frames): Uint8Array {
  const out = new Uint8Array(24 + all.count * 16 + all.data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 65535, true);
  view.setUint32(20, 1, true);
  let at = 24;
  for (let i = 0; i < all.count; i++) {
    const length = all.lengths[i]!;
    const offset = all.offsets[i]!;
    view.setUint32(at + 4, i, true);
    view.setUint32(at + 8, length, true);
    view.setUint32(at + 12, length, true);
    out.set(all.data.subarray(offset, offset + length), at + 16);
    at += 16 + length;
  }
  return out.subarray(0, at);
}

/** `02:42:0a:00:00:01`. */
export function macText(mac: ArrayLike<number>): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

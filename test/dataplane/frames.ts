/** Literal frames, built by hand: what is tested does not also make its own input. */

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';

/** `02:00:00:00:00:0n`: station n. */
export function station(n: number): string {
  return `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
}

export function bytes(...parts: (string | number | Uint8Array | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => {
      if (typeof part === 'number') return [part];
      if (typeof part === 'string') return [...Buffer.from(part.replaceAll(/[:\s]/g, ''), 'hex')];
      return [...part];
    }),
  );
}

export function be16(value: number): number[] {
  return [value >> 8, value & 255];
}

export function ip4(text: string): number[] {
  return text.split('.').map(Number);
}

interface Frame {
  dst: string;
  src: string;
  /** 802.1Q VLAN. */
  vlan?: number;
  type?: number;
  payload?: Uint8Array;
}

export function ethernet({ dst, src, vlan, type = 0x88b5, payload = new Uint8Array(46) }: Frame): Uint8Array {
  const tag = vlan === undefined ? [] : [0x81, 0x00, ...be16(vlan)];
  return bytes(dst, src, tag, be16(type), payload);
}

/** A frame from one station to another, told apart from others by `mark`. */
export function from(src: number, dst: number | string, mark = 0, vlan?: number): Uint8Array {
  const payload = new Uint8Array(46).fill(mark);
  const to = typeof dst === 'string' ? dst : station(dst);
  return ethernet({ dst: to, src: station(src), payload, ...(vlan === undefined ? {} : { vlan }) });
}

export function arp(fields: {
  op: 1 | 2;
  sha: string;
  spa: string;
  tha?: string;
  tpa: string;
  dst?: string;
  vlan?: number;
}): Uint8Array {
  const { op, sha, spa, tha = '00:00:00:00:00:00', tpa, dst = BROADCAST, vlan } = fields;
  const payload = bytes('0001 0800 06 04', be16(op), sha, ip4(spa), tha, ip4(tpa));
  return ethernet({ dst, src: sha, type: 0x0806, payload, ...(vlan === undefined ? {} : { vlan }) });
}

export function onesComplement(data: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) sum += (data[i]! << 8) | (data[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function ipv4(fields: {
  src: string;
  dst: string;
  protocol?: number;
  tos?: number;
  flags?: number;
  payload: Uint8Array;
}): Uint8Array {
  const { src, dst, protocol = 17, tos = 0, flags = 0, payload } = fields;
  const start = bytes(0x45, tos, be16(20 + payload.length), '0000', be16(flags), 64, protocol);
  const sum = onesComplement(bytes(start, '0000', ip4(src), ip4(dst)));
  return bytes(start, be16(sum), ip4(src), ip4(dst), payload);
}

export function ip6(text: string): Uint8Array {
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [left, right] = [groups(head), groups(tail)];
  const middle = new Array<number>(8 - left.length - right.length).fill(0);
  return Uint8Array.from([...left, ...middle, ...right].flatMap(be16));
}

export function ipv6(fields: { src: string; dst: string; protocol?: number; payload: Uint8Array }): Uint8Array {
  const { src, dst, protocol = 17, payload } = fields;
  return bytes('60000000', be16(payload.length), protocol, 255, ip6(src), ip6(dst), payload);
}

export function udp(fields: { src: number; dst: number; payload: Uint8Array; checksum?: number }): Uint8Array {
  const { src, dst, payload, checksum = 0 } = fields;
  return bytes(be16(src), be16(dst), be16(8 + payload.length), be16(checksum), payload);
}

export function vxlan(vni: number, inner: Uint8Array, flags = 0x08): Uint8Array {
  return bytes(flags, '000000', vni >> 16, be16(vni & 0xffff), '00', inner);
}

/** A neighbor solicitation for `target` (RFC 4861, section 4.3), with the source link-layer option. */
export function solicitation(fields: { src: string; sha: string; target: string }): Uint8Array {
  const { src, sha, target } = fields;
  const want = ip6(target);
  const group = bytes('ff02 0000 0000 0000 0000 0001 ff', want.subarray(13));
  const body = bytes('87 00 0000 00000000', want, '01 01', sha);
  const pseudo = bytes(ip6(src), group, '0000', be16(body.length), '000000', 58);
  const sum = onesComplement(bytes(pseudo, body));
  const icmp = bytes(body.subarray(0, 2), be16(sum), body.subarray(4));
  const packet = bytes('60000000', be16(icmp.length), 58, 255, ip6(src), group, icmp);
  return ethernet({
    dst: `33:33:ff:${hexByte(want[13])}:${hexByte(want[14])}:${hexByte(want[15])}`,
    src: sha,
    type: 0x86dd,
    payload: packet,
  });
}

function hexByte(value: number | undefined): string {
  return (value ?? 0).toString(16).padStart(2, '0');
}

/** Headers of a burst as columns: one typed array a field, one row a packet. */
import { addon } from '../native.js';
import type { Burst } from './burst.js';
import { optionError, shown } from './check.js';
import { burstArrays } from './frames.js';
import { native } from './undo.js';

const KINDS = { Uint8: Uint8Array, Uint16: Uint16Array, Uint32: Uint32Array, Int32: Int32Array, Float64: Float64Array };

/** What the values of `status` mean, in order: `ok`, `ethernet_truncated`, … */
export const parseStatuses: readonly string[] = addon.parseStatusNames;

type Kind = keyof typeof KINDS;
type View = InstanceType<(typeof KINDS)[Kind]>;

/**
 * The columns that {@link parseBurst} fills. Row i describes frame i of the burst, for i from 0 to `count` − 1; rows above are left
 * over from earlier bursts. A field that the frame does not have is 0, except where noted. All columns are views of one `buffer`, and
 * can be kept and filled again and again, which saves allocating them.
 */
export class Columns {
  /** How far parsing came, an index into {@link parseStatuses}; 0 is `ok`. */
  readonly status!: Uint8Array;
  /** Bits: 1, a fragment; 2, not the first fragment; 4, VLAN-tagged. */
  readonly flags!: Uint8Array;
  /** EtherType after the VLAN tags; below 1536 an IEEE 802.3 length. */
  readonly etherType!: Uint16Array;
  /** VLAN of the outer tag, 0 to 4095; 65535: untagged. */
  readonly vlan!: Uint16Array;
  /** Source MAC as a 48-bit number: `02:00:00:00:00:01` is 0x020000000001. */
  readonly srcMac!: Float64Array;
  /** Destination MAC, likewise. */
  readonly dstMac!: Float64Array;
  /** 4, 6, or 0 when not IP. */
  readonly ipVersion!: Uint8Array;
  /** IPv4 source as a number: `10.0.0.1` is 0x0a000001. */
  readonly srcIp!: Uint32Array;
  /** IPv4 destination, likewise. */
  readonly dstIp!: Uint32Array;
  /** IPv6 source, 16 bytes a packet: that of row i is `srcIp6.subarray(16 * i, 16 * i + 16)`. Not touched where not IPv6. */
  readonly srcIp6!: Uint8Array;
  /** IPv6 destination, likewise. */
  readonly dstIp6!: Uint8Array;
  /** IP protocol, after IPv6 extension headers. */
  readonly protocol!: Uint8Array;
  /** UDP or TCP source port. */
  readonly srcPort!: Uint16Array;
  /** UDP or TCP destination port. */
  readonly dstPort!: Uint16Array;
  /** Where the ARP, IPv4 or IPv6 header begins, bytes from the start of the frame. */
  readonly l3Offset!: Uint16Array;
  /** Where the transport header begins; 0: none was reached. */
  readonly l4Offset!: Uint16Array;
  /** Where the bytes after a UDP, TCP or ICMP header begin; 0: there is no such header. */
  readonly payloadOffset!: Uint16Array;
  /** Hash of addresses, protocol and ports, of the addresses alone for fragments: for spreading flows, not for identity. */
  readonly flowHash!: Uint32Array;
  /** VNI, when this is a VXLAN packet (UDP port 4789 or 8472, I flag set); −1 else. */
  readonly vni!: Int32Array;
  /** Rows that there is room for: the capacity asked for, rounded up to a multiple of 8. */
  readonly capacity: number;
  /** All columns. */
  readonly buffer: ArrayBuffer;
  /** Rows filled by the last `parseBurst`. */
  count = 0;

  /** @param capacity - packets of the largest burst, 1 to 2^24; default 256. */
  constructor(capacity = 256) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 2 ** 24) {
      throw optionError(
        `the capacity of Columns must be a whole number from 1 to ${2 ** 24} packets, not ${shown(capacity)}`,
      );
    }
    // A multiple of 8 rows keeps every column 8-aligned without gaps.
    this.capacity = Math.ceil(capacity / 8) * 8;
    const { buffer, views } = layOut(this.capacity);
    this.buffer = buffer;
    // One view for each field above; a test proves that the native layout has the same names and types.
    Object.assign(this, views);
  }
}

function layOut(capacity: number): { buffer: ArrayBuffer; views: Record<string, View> } {
  const layout = addon.columnLayout.map(({ name, type, perPacket }) => ({
    name,
    perPacket,
    Kind: KINDS[type as Kind],
  }));
  const bytes = layout.map(({ Kind, perPacket }) => Kind.BYTES_PER_ELEMENT * perPacket * capacity);
  const buffer = new ArrayBuffer(bytes.reduce((sum, size) => sum + size, 0));
  const views: Record<string, View> = {};
  let offset = 0;
  layout.forEach(({ name, perPacket, Kind }, i) => {
    views[name] = new Kind(buffer, offset, perPacket * capacity);
    offset += bytes[i]!;
  });
  return { buffer, views };
}

/**
 * Parses the headers of a burst, in one native call, to columns.
 *
 * @param columns - to fill again; default new ones with room for this burst.
 * @returns the columns; `columns.count` is `burst.count`.
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` when the burst's arrays do not agree, or `columns` has too little room.
 */
export function parseBurst(burst: Burst, columns: Columns = new Columns(Math.max(1, burst?.count ?? 1))): Columns {
  const { data, offsets, lengths, count } = burstArrays(burst, 'parseBurst');
  if (!(columns instanceof Columns)) throw optionError(`parseBurst takes Columns to fill, not ${shown(columns)}`);
  if (count > columns.capacity) {
    throw optionError(
      `the burst has ${count} packets, but the columns have room for ${columns.capacity}: new Columns(${count})`,
    );
  }
  columns.count = native('parseBurst', () =>
    addon.parseBurst(data, offsets, lengths, count, columns.buffer, columns.capacity),
  );
  return columns;
}

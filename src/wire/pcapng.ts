/** Captures in the format pcapng (draft-ietf-opsawg-pcapng), block by block, little-endian: one section, one Ethernet interface. */
import type { PortBurst } from '../dataplane/port-capture.js';

/** Types of blocks (sections 4.1 to 4.6). */
export const BLOCK = {
  section: 0x0a0d0d0a,
  interface: 1,
  simplePacket: 3,
  interfaceStatistics: 5,
  enhancedPacket: 6,
} as const;

const BYTE_ORDER = 0x1a2b3c4d;
const ETHERNET = 1;

/** Options, each with the block that it belongs to (sections 4.1 to 4.4). */
export const OPTION = {
  applicationOfSection: 4,
  nameOfInterface: 2,
  descriptionOfInterface: 3,
  resolutionOfInterface: 9,
  flagsOfPacket: 2,
  dropsOfPacket: 4,
  startOfStatistics: 2,
  endOfStatistics: 3,
  receivedOfStatistics: 4,
  droppedOfStatistics: 5,
  droppedBySystemOfStatistics: 7,
} as const;

const END_OF_OPTIONS = Buffer.alloc(4);

/** Bytes of a packet's block beside its data: the fields of every one, the flags with the end of options, and the drops. */
const PACKET = 32;
const FLAGS = 12;
const DROPS = 12;

export interface PcapngInterface {
  name: string;
  description?: string;
  /** Bytes of a packet at most. */
  snaplen: number;
  /** The program that writes. */
  application: string;
}

/** What a capture begins with: the section, and its interface with times in nanoseconds. */
export function pcapngHeader({ name, description, snaplen, application }: PcapngInterface): Buffer {
  const section = Buffer.alloc(16, 0xff);
  section.writeUInt32LE(BYTE_ORDER, 0);
  section.writeUInt16LE(1, 4);
  section.writeUInt16LE(0, 6);
  const fields = Buffer.alloc(8);
  fields.writeUInt16LE(ETHERNET, 0);
  fields.writeUInt32LE(snaplen, 4);
  return Buffer.concat([
    block(BLOCK.section, section, option(OPTION.applicationOfSection, Buffer.from(application)), END_OF_OPTIONS),
    block(
      BLOCK.interface,
      fields,
      option(OPTION.nameOfInterface, Buffer.from(name)),
      ...(description === undefined ? [] : [option(OPTION.descriptionOfInterface, Buffer.from(description))]),
      option(OPTION.resolutionOfInterface, Buffer.of(9)),
      END_OF_OPTIONS,
    ),
  ]);
}

/** The packets of a burst, with their directions, and with how many were lost before each; before the first, `lost` more. */
export function pcapngPackets(burst: PortBurst, lost = 0): Buffer {
  const { count, lengths, lostBefore } = burst;
  let size = 0;
  for (let i = 0; i < count; i++) {
    size += PACKET + FLAGS + padded(lengths[i]!) + (lostBefore[i]! > 0 || (i === 0 && lost > 0) ? DROPS : 0);
  }
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (let i = 0; i < count; i++) at = putPacket(out, at, burst, i, lostBefore[i]! + (i === 0 ? lost : 0));
  return out;
}

function putPacket(out: Buffer, start: number, burst: PortBurst, i: number, lost: number): number {
  const { data, offsets, lengths, wireLengths, timestamps, directions } = burst;
  const length = lengths[i]!;
  const room = padded(length);
  const size = PACKET + FLAGS + room + (lost > 0 ? DROPS : 0);
  out.writeUInt32LE(BLOCK.enhancedPacket, start);
  out.writeUInt32LE(size, start + 4);
  out.writeUInt32LE(0, start + 8);
  putTime(out, start + 12, timestamps[i]!);
  out.writeUInt32LE(length, start + 20);
  out.writeUInt32LE(wireLengths[i]!, start + 24);
  out.set(data.subarray(offsets[i]!, offsets[i]! + length), start + 28);
  let at = start + 28 + length;
  out.fill(0, at, start + 28 + room);
  at = start + 28 + room;
  out.writeUInt16LE(OPTION.flagsOfPacket, at);
  out.writeUInt16LE(4, at + 2);
  out.writeUInt32LE(directions[i]!, at + 4);
  at += 8;
  if (lost > 0) {
    out.writeUInt16LE(OPTION.dropsOfPacket, at);
    out.writeUInt16LE(8, at + 2);
    out.writeBigUInt64LE(BigInt(lost), at + 4);
    at += DROPS;
  }
  out.writeUInt32LE(0, at);
  out.writeUInt32LE(size, at + 4);
  return start + size;
}

export interface PcapngStatistics {
  /** Nanoseconds since 1970. */
  start: bigint;
  end: bigint;
  /** Packets that there were, with those that are missing. */
  received: bigint;
  /** Packets that are missing. */
  dropped: bigint;
}

/** What a capture ends with. */
export function pcapngStatistics({ start, end, received, dropped }: PcapngStatistics): Buffer {
  const fields = Buffer.alloc(12);
  putTime(fields, 4, end);
  return block(
    BLOCK.interfaceStatistics,
    fields,
    option(OPTION.startOfStatistics, time(start)),
    option(OPTION.endOfStatistics, time(end)),
    option(OPTION.receivedOfStatistics, number(received)),
    option(OPTION.droppedOfStatistics, number(dropped)),
    END_OF_OPTIONS,
  );
}

function block(type: number, ...parts: Buffer[]): Buffer {
  const size = 12 + parts.reduce((sum, part) => sum + part.length, 0);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(size, 4);
  return Buffer.concat([head, ...parts, head.subarray(4)]);
}

function option(code: number, value: Buffer): Buffer {
  const out = Buffer.alloc(4 + padded(value.length));
  out.writeUInt16LE(code, 0);
  out.writeUInt16LE(value.length, 2);
  value.copy(out, 4);
  return out;
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function number(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(value, 0);
  return out;
}

/** The upper half first, whatever the byte order; times before 1970 become 0. */
function putTime(out: Buffer, at: number, value: bigint): void {
  const ns = value < 0n ? 0n : value;
  out.writeUInt32LE(Number(ns >> 32n), at);
  out.writeUInt32LE(Number(ns & 0xffff_ffffn), at + 4);
}

function time(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  putTime(out, 0, value);
  return out;
}

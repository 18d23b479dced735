/** Captures for the tests of reading and writing them: what a file holds, and the same file in the other byte order. */
import { createHash } from 'node:crypto';
import { addon } from '../../src/native.js';
import { tshark } from '../peers.js';

export interface Row {
  length: number;
  wireLength: number;
  /** Nanoseconds since the epoch. */
  time: bigint;
  md5: string;
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** Every frame of a capture of any link type, read with our reader. */
export function ourRows(path: string, burstSize = 256): Row[] {
  const reader = new addon.CaptureReader(path);
  const rows: Row[] = [];
  for (let burst = reader.read(burstSize); burst !== null; burst = reader.read(burstSize)) {
    for (let i = 0; i < burst.count; i++) {
      const bytes = burst.data.subarray(burst.offsets[i], burst.offsets[i]! + burst.lengths[i]!);
      rows.push({
        length: burst.lengths[i]!,
        wireLength: burst.wireLengths[i]!,
        time: burst.timestamps[i]!,
        md5: md5(bytes),
      });
    }
  }
  reader.close();
  return rows;
}

/** The same as tshark reads it. A wire length below the length is corrected, as our reader does. */
export async function tsharkRows(path: string): Promise<Row[]> {
  const fields = ['frame.cap_len', 'frame.len', 'frame.time_epoch', 'frame.md5_hash'];
  const options = ['-o', 'frame.generate_md5_hash:TRUE', '-T', 'fields', '-E', 'occurrence=f'];
  const text = await tshark(path, ...options, ...fields.flatMap((field) => ['-e', field]));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [length, wireLength, time, hash] = line.split('\t');
      return {
        length: Number(length),
        wireLength: Math.max(Number(length), Number(wireLength)),
        time: BigInt(time!.replace('.', '')),
        md5: hash!,
      };
    });
}

/** A little-endian pcap or pcapng file in big-endian order. */
export function bigEndian(file: Uint8Array): Uint8Array {
  const copy = Buffer.from(file);
  const magic = copy.readUInt32LE(0);
  if (magic === 0x0a0d0d0a) swapPcapng(copy);
  else if (magic === 0xa1b2c3d4 || magic === 0xa1b23c4d) swapPcap(copy);
  else throw new Error('not a little-endian capture');
  return copy;
}

/** Swaps fields of the given sizes in bytes, one after the other. */
function swapFields(file: Buffer, at: number, ...sizes: number[]): void {
  let position = at;
  for (const size of sizes) {
    file.subarray(position, position + size).reverse();
    position += size;
  }
}

function swapPcap(file: Buffer): void {
  swapFields(file, 0, 4, 2, 2, 4, 4, 4, 4);
  for (let at = 24; at < file.length; ) {
    const length = file.readUInt32LE(at + 8);
    swapFields(file, at, 4, 4, 4, 4);
    at += 16 + length;
  }
}

/** The fixed fields of the blocks that are read; options are swapped behind interfaces only. */
const BLOCK_FIELDS: Record<number, number[]> = {
  168627466: [4, 2, 2, 8],
  1: [2, 2, 4],
  2: [2, 2, 4, 4, 4, 4],
  3: [4],
  6: [4, 4, 4, 4, 4],
};

function swapPcapng(file: Buffer): void {
  for (let at = 0; at < file.length; ) {
    const type = file.readUInt32LE(at);
    const length = file.readUInt32LE(at + 4);
    if (type === 1) swapOptions(file, at + 16, at + length - 4);
    swapFields(file, at, 4, 4, ...(BLOCK_FIELDS[type] ?? []));
    swapFields(file, at + length - 4, 4);
    at += length;
  }
}

function swapOptions(file: Buffer, from: number, to: number): void {
  for (let at = from; at < to; ) {
    const code = file.readUInt16LE(at);
    const length = file.readUInt16LE(at + 2);
    swapFields(file, at, 2, 2, ...(code === 14 ? [8] : []));
    at += 4 + Math.ceil(length / 4) * 4;
  }
}

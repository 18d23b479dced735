/** A second, independent reader of pcap and pcapng, and a writer of pcap: tests of the codecs need no addon. */
import { readFileSync, writeFileSync } from 'node:fs';

export interface CapturedFrame {
  bytes: Uint8Array;
  /** Bytes on the wire. */
  wireLength: number;
  /** 1 is Ethernet. */
  linkType: number;
}

/** All whole frames of a capture; a cut last record is left out. */
export function readFrames(path: string): CapturedFrame[] {
  const file = readFileSync(path);
  return file.readUInt32BE(0) === 0x0a0d0d0a ? readPcapng(file) : readPcap(file);
}

/** Integers of either byte order. */
function integers(file: Buffer, little: boolean) {
  return {
    u16: (at: number) => (little ? file.readUInt16LE(at) : file.readUInt16BE(at)),
    u32: (at: number) => (little ? file.readUInt32LE(at) : file.readUInt32BE(at)),
  };
}

function readPcap(file: Buffer): CapturedFrame[] {
  const magic = file.readUInt32LE(0);
  const { u32 } = integers(file, magic === 0xa1b2c3d4 || magic === 0xa1b23c4d);
  const linkType = u32(20) & 0xffff;
  const frames: CapturedFrame[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const length = u32(at + 8);
    if (at + 16 + length > file.length) break;
    frames.push({ bytes: file.subarray(at + 16, at + 16 + length), wireLength: u32(at + 12), linkType });
    at += 16 + length;
  }
  return frames;
}

function readPcapng(file: Buffer): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  let links: number[] = [];
  let read = integers(file, true);
  for (let at = 0; at + 12 <= file.length; ) {
    if (file.readUInt32BE(at) === 0x0a0d0d0a) {
      read = integers(file, file.readUInt32LE(at + 8) === 0x1a2b3c4d);
      links = [];
    }
    const type = read.u32(at);
    const length = read.u32(at + 4);
    if (length < 12 || at + length > file.length) break;
    if (type === 1) links.push(read.u16(at + 8));
    if (type === 6) {
      const captured = read.u32(at + 20);
      const bytes = file.subarray(at + 28, at + 28 + captured);
      frames.push({ bytes, wireLength: read.u32(at + 24), linkType: links[read.u32(at + 8)] ?? -1 });
    }
    at += length;
  }
  return frames;
}

/** Writes an Ethernet capture, a frame a second from 0 unless told; frames longer on the wire than here are given as cut. */
export function writeFrames(
  path: string,
  frames: readonly { bytes: Uint8Array; wireLength?: number; seconds?: number }[],
): void {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(262144, 16);
  head.writeUInt32LE(1, 20);
  const records = frames.flatMap(({ bytes, wireLength, seconds }, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(seconds ?? i, 0);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(wireLength ?? bytes.length, 12);
    return [record, bytes];
  });
  writeFileSync(path, Buffer.concat([head, ...records]));
}

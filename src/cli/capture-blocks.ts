/** A pcapng stream cut into its blocks (draft-ietf-opsawg-pcapng, section 3.1), and what they tell of packets. */
import { OverlaneError } from '../errors.js';
import { BLOCK, OPTION } from '../wire/pcapng.js';

/** Bytes of a block at most: a packet of 256 KiB and its options are far below. */
const LONGEST = 16 * 2 ** 20;

export class CaptureBlocks {
  #rest: Buffer = Buffer.alloc(0);
  #little: boolean | undefined;
  #packets = 0;
  #droppedBetween = 0n;
  /** What the last statistics of each interface say, which count from the beginning. */
  readonly #droppedBy = new Map<number, bigint>();

  /** Packets of all whole blocks so far. */
  get packets(): number {
    return this.#packets;
  }

  /** Packets that the capture missed, as far as it says so. */
  get lost(): bigint {
    const told = [...this.#droppedBy.values()].reduce((sum, count) => sum + count, 0n);
    // Both ways of saying it may be used, of the same packets.
    if (told > this.#droppedBetween) return told;
    return this.#droppedBetween;
  }

  /**
   * Takes more of the stream, and gives what is whole of it: as many blocks as there are, up to `most` packets in all.
   *
   * @throws {OverlaneError} `ERR_OVERLANE_CAPTURE` when it is no pcapng.
   */
  push(chunk: Uint8Array, most = Number.POSITIVE_INFINITY): Buffer {
    const data =
      this.#rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([this.#rest, chunk]);
    let end = 0;
    while (this.#packets < most) {
      const length = this.#lengthAt(data, end);
      if (length === undefined || end + length > data.length) break;
      this.#read(data.subarray(end, end + length));
      end += length;
    }
    // A copy: the rest must not hold the whole chunk.
    this.#rest = Buffer.from(data.subarray(end));
    return data.subarray(0, end);
  }

  /** Length of the block at `start`; undefined as long as too little of it is there. */
  #lengthAt(data: Buffer, start: number): number | undefined {
    if (data.length - start < 12) return undefined;
    if (data.readUInt32LE(start) === BLOCK.section) {
      const magic = data.readUInt32LE(start + 8);
      if (magic !== 0x1a2b3c4d && magic !== 0x4d3c2b1a) throw broken('its section has no byte order');
      this.#little = magic === 0x1a2b3c4d;
    } else if (this.#little === undefined) throw broken('it does not begin with a section');
    const length = this.#u32(data, start + 4);
    if (length < 12 || length % 4 !== 0 || length > LONGEST) throw broken(`it has a block of ${length} bytes`);
    return length;
  }

  #read(block: Buffer): void {
    const type = this.#u32(block, 0);
    if (type === BLOCK.simplePacket) this.#packets++;
    if (type === BLOCK.enhancedPacket && block.length >= 32) {
      this.#packets++;
      const captured = this.#u32(block, 20);
      this.#droppedBetween += this.#options(block, 28 + Math.ceil(captured / 4) * 4).get(OPTION.dropsOfPacket) ?? 0n;
    }
    if (type === BLOCK.interfaceStatistics && block.length >= 24) {
      const options = this.#options(block, 20);
      this.#droppedBy.set(
        this.#u32(block, 8),
        (options.get(OPTION.droppedOfStatistics) ?? 0n) + (options.get(OPTION.droppedBySystemOfStatistics) ?? 0n),
      );
    }
  }

  /** The options of 8 bytes from `at` to the end of the block. */
  #options(block: Buffer, at: number): Map<number, bigint> {
    const found = new Map<number, bigint>();
    for (let from = at; from + 4 <= block.length - 4; ) {
      const code = this.#little ? block.readUInt16LE(from) : block.readUInt16BE(from);
      const length = this.#little ? block.readUInt16LE(from + 2) : block.readUInt16BE(from + 2);
      if (code === 0) break;
      if (length === 8 && from + 12 <= block.length - 4) {
        found.set(code, this.#little ? block.readBigUInt64LE(from + 4) : block.readBigUInt64BE(from + 4));
      }
      from += 4 + Math.ceil(length / 4) * 4;
    }
    return found;
  }

  #u32(data: Buffer, offset: number): number {
    return this.#little ? data.readUInt32LE(offset) : data.readUInt32BE(offset);
  }
}

function broken(why: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_CAPTURE', `what overlaned sends is no pcapng: ${why}; is it of this version?`);
}

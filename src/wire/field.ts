/// <reference path="./buffer-layout.d.ts" />
/**
 * Field tables: a header is a list of fields in wire order. This is the only importer of buffer-layout, which wants a Buffer
 * and nests bit fields; here a Uint8Array is wrapped without copying and bit fields are properties like all others.
 */
import { Buffer } from 'node:buffer';
import {
  BitStructure,
  bits as bitStructure,
  Layout,
  type Structure,
  struct,
  u8,
  u16be,
  u24be,
  u32be,
} from 'buffer-layout';
import { formatIp, formatMac, parseIp, parseMac } from '../address.js';

/** One entry of a field table, for documentation and for proving two tables equal. */
export interface FieldRow {
  name: string;
  /** From the start of the header, in bits. */
  bitOffset: number;
  bits: number;
}

/** A field of a table; made by the functions below only. */
export interface Field {
  readonly span: number;
  readonly property: string | undefined;
}

/** [name, bits]; a null name is reserved: zero on send, ignored on receipt. One bit written as `flag` reads as a boolean. */
export type BitRow = readonly [name: string | null, bits: number | 'flag'];

/** The bytes as a Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

class MacField extends Layout<string> {
  constructor(property: string) {
    super(6, property);
  }

  override decode(b: Buffer, offset = 0): string {
    return formatMac(b.subarray(offset, offset + 6));
  }

  override encode(src: string, b: Buffer, offset = 0): number {
    b.set(parseMac(src), offset);
    return 6;
  }
}

class IpField extends Layout<string> {
  override decode(b: Buffer, offset = 0): string {
    return formatIp(b.subarray(offset, offset + this.span));
  }

  override encode(src: string, b: Buffer, offset = 0): number {
    const bytes = parseIp(src);
    if (bytes.length !== this.span) throw new RangeError(`${src} does not have the ${this.span} bytes of this field`);
    b.set(bytes, offset);
    return this.span;
  }
}

/** 6 bytes, as `02:42:0a:00:00:02`. */
export const mac = (name: string): Field => new MacField(name);
/** 4 bytes, as `10.0.0.2`. */
export const ip4 = (name: string): Field => new IpField(4, name);
/** 16 bytes, as `2001:db8::1`. */
export const ip6 = (name: string): Field => new IpField(16, name);
/** Unsigned, 1 byte; without a name it is reserved. */
export const uint8 = (name?: string): Field => u8(name);
/** Unsigned, 2 bytes, big endian. */
export const uint16 = (name?: string): Field => u16be(name);
/** Unsigned, 3 bytes, big endian. */
export const uint24 = (name?: string): Field => u24be(name);
/** Unsigned, 4 bytes, big endian. */
export const uint32 = (name?: string): Field => u32be(name);

/** Bit fields in 1, 2 or 4 bytes, most significant first; the widths add up to the whole. */
export function bitFields(span: 1 | 2 | 4, rows: readonly BitRow[]): Field {
  const word = { 1: u8, 2: u16be, 4: u32be }[span]();
  const group = bitStructure(word, true, `bits:${rows.map(([name]) => name).join('+')}`);
  for (const [name, width] of rows) {
    if (width === 'flag') group.addBoolean(name ?? undefined);
    else group.addField(width, name ?? undefined);
  }
  return group;
}

/** The fixed part of a header as a field table; `T` has one property per named field. */
export class HeaderLayout<T extends object> {
  /** Bytes. */
  readonly span: number;
  readonly #fields: readonly Layout<unknown>[];
  readonly #struct: Structure;

  constructor(fields: readonly Field[]) {
    this.#fields = fields as readonly Layout<unknown>[];
    this.#struct = struct(this.#fields);
    this.span = this.#struct.span;
  }

  /** The fields at `offset`, or undefined when `bytes` ends before the header does: the one length check. */
  decode(bytes: Uint8Array, offset = 0): T | undefined {
    if (offset < 0 || offset + this.span > bytes.length) return undefined;
    const nested = this.#struct.decode(asBuffer(bytes), offset);
    const flat: Record<string, unknown> = {};
    for (const field of this.#fields) {
      if (field.property === undefined) continue;
      if (field instanceof BitStructure) Object.assign(flat, nested[field.property]);
      else flat[field.property] = nested[field.property];
    }
    return flat as T;
  }

  /**
   * Writes the header at `offset`, reserved bits as zero, and returns its bytes. Values out of range throw a `TypeError` or
   * `RangeError`, as does a buffer without room; nothing outside the header is touched.
   */
  encode(value: T, bytes: Uint8Array, offset = 0): number {
    if (offset < 0 || offset + this.span > bytes.length) {
      throw new RangeError(`the header needs ${this.span} bytes at offset ${offset}; the buffer has ${bytes.length}`);
    }
    const source = value as Record<string, unknown>;
    const nested: Record<string, unknown> = {};
    for (const field of this.#fields) {
      if (field.property === undefined) continue;
      nested[field.property] = field instanceof BitStructure ? source : source[field.property];
    }
    const buffer = asBuffer(bytes);
    buffer.fill(0, offset, offset + this.span);
    return this.#struct.encode(nested, buffer, offset);
  }

  /** The named fields in wire order. */
  rows(): FieldRow[] {
    const rows: FieldRow[] = [];
    let bitOffset = 0;
    for (const field of this.#fields) {
      if (field instanceof BitStructure) {
        let at = bitOffset;
        for (const { property, bits } of field.fields) {
          if (property !== undefined) rows.push({ name: property, bitOffset: at, bits });
          at += bits;
        }
      } else if (field.property !== undefined) {
        rows.push({ name: field.property, bitOffset, bits: field.span * 8 });
      }
      bitOffset += field.span * 8;
    }
    return rows;
  }
}

/** Lower-case hex without separators. */
export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex');
}

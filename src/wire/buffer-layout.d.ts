/** The part of buffer-layout 1.2.2 that this directory uses; the package has no types of its own. */
declare module 'buffer-layout' {
  import type { Buffer } from 'node:buffer';

  export class Layout<T> {
    constructor(span: number, property?: string);
    /** Bytes; negative when only the value tells. */
    readonly span: number;
    readonly property: string | undefined;
    decode(b: Buffer, offset?: number): T;
    /** Returns the bytes written. */
    encode(src: T, b: Buffer, offset?: number): number;
  }
  /** Little endian; a single byte has no order. */
  export class UInt extends Layout<number> {}
  /** Big endian. */
  export class UIntBE extends Layout<number> {}

  export class BitField {
    readonly bits: number;
    readonly property: string | undefined;
  }
  export class BitStructure extends Layout<Record<string, number | boolean>> {
    readonly fields: readonly BitField[];
    addField(bits: number, property?: string): BitField;
    addBoolean(property?: string): BitField;
  }
  export class Structure extends Layout<Record<string, unknown>> {
    readonly fields: readonly Layout<unknown>[];
    offsetOf(property: string): number | undefined;
  }

  export function u8(property?: string): UInt;
  export function u16be(property?: string): UIntBE;
  export function u24be(property?: string): UIntBE;
  export function u32be(property?: string): UIntBE;
  /** `msb` true: the first field added takes the most significant bits. */
  export function bits(word: UInt | UIntBE, msb?: boolean, property?: string): BitStructure;
  export function struct(fields: readonly Layout<unknown>[], property?: string): Structure;
}

/**
 * JSON Schema (draft 2020-12), as far as options need it, for the validator of typebox. Its own builder is not used: to load that takes
 * longer than all of overlane, and what starts anew after a crash is waited for.
 */
import type { TObject, TSchema } from 'typebox';

const OPTIONAL = Symbol('optional');

type Marked = TSchema & { [OPTIONAL]?: true };

interface Bounds {
  minimum?: number;
  maximum?: number;
}

/** By the names that typebox has for them. */
const Type = {
  /** Without `required`, which is every property but the optional ones. */
  Object(properties: Record<string, TSchema>, options: { additionalProperties?: boolean } = {}): TObject {
    const required = Object.keys(properties).filter((key) => !(OPTIONAL in properties[key]!));
    return { type: 'object', required, properties, ...options } as unknown as TObject;
  },
  Optional: (schema: TSchema): TSchema => ({ ...schema, [OPTIONAL]: true }) as Marked,
  Array: (items: TSchema, options: { minItems?: number; maxItems?: number } = {}): TSchema =>
    of({ type: 'array', items, ...options }),
  /** An object of any keys. */
  Record: (_key: TSchema, value: TSchema): TSchema => of({ type: 'object', patternProperties: { '^.*$': value } }),
  Union: (anyOf: TSchema[]): TSchema => of({ anyOf }),
  Enum: (values: readonly (string | number)[]): TSchema => of({ enum: values }),
  String: (options: { pattern?: string; minLength?: number } = {}): TSchema => of({ type: 'string', ...options }),
  Number: (bounds: Bounds = {}): TSchema => of({ type: 'number', ...bounds }),
  Integer: (bounds: Bounds = {}): TSchema => of({ type: 'integer', ...bounds }),
  /** Not of JSON Schema, but the validator knows it. */
  BigInt: (): TSchema => of({ type: 'bigint' }),
  Boolean: (): TSchema => of({ type: 'boolean' }),
  Null: (): TSchema => of({ type: 'null' }),
  Unknown: (): TSchema => of({}),
};

function of(schema: object): TSchema {
  return schema as TSchema;
}

export default Type;

/** Options against their schema: the first thing wrong, as an error that says what to write instead. */
import { inspect } from 'node:util';
import Type, { type TObject, type TSchema } from 'typebox';
import { Check, Errors } from 'typebox/schema';
import { OverlaneError } from '../errors.js';
import { suggestion } from '../suggest.js';

/** What a mistake was, and where: `path` is empty for the value itself, else the keys that lead to it. */
export interface Mistake {
  path: string[];
  /** Continues a sentence that begins with the name of what is at `path`. */
  problem: string;
  /** Set when the last key of `path` should not be there. */
  unknown?: true;
}

/** An object schema with exactly the keys of the interface T: a forgotten or a surplus option does not compile. */
export function optionsOf<T>(properties: { [K in keyof Required<T>]: TSchema }): TObject {
  return Type.Object(properties, { additionalProperties: false });
}

/** Gives a schema the words an error uses for what it accepts. */
export function expects<S extends TSchema>(words: string, schema: S): S {
  return { ...schema, expects: words };
}

export const flag = expects('true or false', Type.Boolean());
export const text = expects('a string', Type.String());
export const address = expects('a string or a Uint8Array', Type.Unknown());
export const handle = Type.Unknown();

export function whole(minimum: number, maximum: number, unit = ''): TSchema {
  return expects(`a whole number from ${minimum} to ${maximum}${unit}`, Type.Integer({ minimum, maximum }));
}

export function oneOf(...words: string[]): TSchema {
  return expects(words.map((word) => `'${word}'`).join(' or '), Type.Enum(words));
}

const NAME = '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$';

/** Names appear in tables, JSON and topology files, so they are plain. */
export const name = expects(
  "a name of 1 to 64 letters, digits, '.', '_', ':' or '-', beginning with a letter or digit",
  Type.String({ pattern: NAME }),
);

/** How a value appears in a message: short, on one line. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string')
    return value.length > 60 ? JSON.stringify(`${value.slice(0, 57)}...`) : JSON.stringify(value);
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 3 });
}

interface Keywords {
  expects?: string;
  properties?: Record<string, TSchema>;
  patternProperties?: Record<string, TSchema>;
  items?: TSchema;
}

/** The first mistake in `value`, unknown keys before everything else; null when there is none. */
export function findMistake(schema: TSchema, value: unknown): Mistake | null {
  if (Check(schema, value)) return null;
  const errors = Errors(schema, value)[1].map((error) => ({ ...error, path: pointer(error.instancePath) }));
  for (const { keyword, params, path } of errors) {
    if (keyword !== 'additionalProperties') continue;
    const [key] = (params as { additionalProperties: string[] }).additionalProperties;
    const known = Object.keys((walk(schema, path) as Keywords).properties ?? {});
    if (key !== undefined) return { path: [...path, key], problem: suggestion(key, known), unknown: true };
  }
  for (const { keyword, params, path } of errors) {
    if (keyword !== 'required') continue;
    const [key] = (params as { requiredProperties: string[] }).requiredProperties;
    const wanted = (walk(schema, [...path, key!]) as Keywords).expects;
    return { path: [...path, key!], problem: `is missing${wanted === undefined ? '' : `; it must be ${wanted}`}` };
  }
  const first = errors[0]!;
  const { found, words } = described(schema, first.path);
  const culprit = found.reduce((at: unknown, key) => (at as Record<string, unknown>)[key], value);
  return { path: found, problem: `${words ?? first.message}, not ${shown(culprit)}` };
}

/** Follows `path` down to the deepest schema that has words for what it accepts. */
function described(schema: TSchema, path: string[]): { found: string[]; words: string | undefined } {
  for (let depth = path.length; depth >= 0; depth--) {
    const words = (walk(schema, path.slice(0, depth)) as Keywords | undefined)?.expects;
    if (words !== undefined) return { found: path.slice(0, depth), words: `must be ${words}` };
  }
  return { found: path, words: undefined };
}

function walk(schema: TSchema, path: string[]): TSchema | undefined {
  return path.reduce((at: TSchema | undefined, key) => {
    const { properties, patternProperties, items } = (at ?? {}) as Keywords;
    if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key];
    return items ?? Object.values(patternProperties ?? {})[0];
  }, schema);
}

function pointer(instancePath: string): string[] {
  return instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** `vlans.100`, `vteps[0]`. */
export function dotted(path: string[]): string {
  return path.reduce((all, key) => (/^\d+$/.test(key) ? `${all}[${key}]` : all === '' ? key : `${all}.${key}`), '');
}

export function optionError(message: string, cause?: unknown): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message, cause === undefined ? undefined : { cause });
}

/**
 * Options that are known to match `schema`. `where` is the function they were given to.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`
 */
export function checkOptions<T>(schema: TSchema, value: T, where: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw optionError(`${where} takes an object of options, not ${shown(value)}`);
  }
  const mistake = findMistake(schema, value);
  if (mistake === null) return value;
  const option = dotted(mistake.path);
  if (mistake.unknown) throw optionError(`unknown option '${option}' of ${where}${mistake.problem}`);
  throw optionError(`option '${option}' of ${where} ${mistake.problem}`);
}

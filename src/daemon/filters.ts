/** The parameter `filters` of lists, prunes and events: `{"label": ["a=b"]}`, or as old clients write it, `{"label": {"a=b": true}}`. */
import vm from 'node:vm';
import { HttpError } from './errors.js';

/** Milliseconds for one pattern over all names: some would take years. */
const PATTERN_LIMIT = 100;

/** Values by key. Of several values of one key any may match, of labels all must. */
export class Filters {
  readonly #values: Map<string, string[]>;

  /** @throws {HttpError} 400 for what is no such text, and for a key that is not among `known`. */
  constructor(text: string | null, known: readonly string[]) {
    this.#values = parse(text);
    for (const key of this.#values.keys()) {
      if (!known.includes(key)) throw new HttpError(400, `invalid filter '${key}'; known: ${known.join(', ')}`);
    }
  }

  /** All values of a key; empty: everything passes. */
  values(key: string): string[] {
    return this.#values.get(key) ?? [];
  }

  /** The only value of a key. Throws 400 when there are several. */
  one(key: string): string | undefined {
    const values = this.values(key);
    if (values.length > 1) throw new HttpError(400, `got more than one value for filter key '${key}'`);
    return values[0];
  }

  is(key: string, ...found: string[]): boolean {
    const values = this.values(key);
    return values.length === 0 || found.some((one) => values.includes(one));
  }

  /** Whether one of `found` begins with a value. */
  begins(key: string, ...found: string[]): boolean {
    const values = this.values(key);
    return values.length === 0 || values.some((value) => found.some((one) => one.startsWith(value)));
  }

  /** Whether every `k` and `k=v` of the key is among the labels. */
  labels(key: string, labels: Record<string, string>): boolean {
    return this.values(key).every((value) => {
      const [, name = '', wanted] = /^([^=]*)(?:=(.*))?$/s.exec(value)!;
      if (!Object.hasOwn(labels, name)) return false;
      return wanted === undefined || labels[name] === wanted;
    });
  }

  /** Those of `all` whose text contains a value, or a match of it as a regular expression. */
  matching<T>(key: string, all: T[], text: (one: T) => string): T[] {
    const values = this.values(key);
    if (values.length === 0) return all;
    const found = new Set<T>();
    for (const value of values) {
      const plain = /^[\w-]*$/.test(value);
      const hits = plain ? all.map((one) => text(one).includes(value)) : matches(value, all.map(text));
      hits.forEach((hit, i) => {
        if (hit) found.add(all[i]!);
      });
    }
    return all.filter((one) => found.has(one));
  }
}

/** Within bounds of time, as the pattern is the client's. One that is none matches only itself, as in Docker. */
function matches(pattern: string, texts: string[]): boolean[] {
  let expression: RegExp;
  try {
    expression = new RegExp(pattern);
  } catch {
    return texts.map((text) => text === pattern);
  }
  const script = 'texts.map((text) => text === pattern || expression.test(text))';
  try {
    return vm.runInNewContext(script, { texts, pattern, expression }, { timeout: PATTERN_LIMIT }) as boolean[];
  } catch {
    throw new HttpError(400, `the pattern '${pattern.slice(0, 60)}' of a filter takes too long; write a simpler one`);
  }
}

function parse(text: string | null): Map<string, string[]> {
  const values = new Map<string, string[]>();
  if (text === null || text === '') return values;
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw invalid();
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid();
  for (const [key, value] of Object.entries(given)) {
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) values.set(key, value);
    else if (typeof value === 'object' && value !== null && !Array.isArray(value)) values.set(key, Object.keys(value));
    else throw invalid();
  }
  return values;
}

function invalid(): HttpError {
  return new HttpError(400, 'invalid filters; write JSON such as {"label": ["a=b"]}');
}

/** What every store promises: the one in memory and the one in a file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/cnm/memory-store.js';
import { SqliteStore } from '../../src/cnm/sqlite-store.js';
import type { Changes, Store, StoredRecord } from '../../src/cnm/store.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-store-'));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;

const STORES: readonly [string, () => Store][] = [
  ['MemoryStore', () => new MemoryStore()],
  ['SqliteStore', () => new SqliteStore(join(folder, `${count++}.db`))],
];

describe.each(STORES)('%s', (_, open) => {
  let store: Store;
  beforeEach(() => {
    store = open();
  });
  afterEach(() => store.close());
  const all = (kind: string) => [...store.load(kind)];

  it('gives back what was put, by kind, in the order of ids, as copies', () => {
    const record = { id: 'b', name: 'blue', nested: { list: [1, null, true, 'x'], __proto__: null } };
    store.commit({ put: [{ kind: 'network', record }] });
    record.name = 'changed';
    store.commit({ put: ['c', '\u{1f600}', '\uffee', 'a'].map((id) => ({ kind: 'network', record: { id } })) });
    store.commit({ put: [{ kind: 'endpoint', record: { id: 'b' } }] });
    expect(all('network').map(({ id }) => id)).toEqual(['a', 'b', 'c', '\uffee', '\u{1f600}']);
    expect(all('network')[1]).toEqual({ id: 'b', name: 'blue', nested: { list: [1, null, true, 'x'] } });
    (all('network')[1] as { name?: string }).name = 'changed';
    expect(all('network')[1]).toMatchObject({ name: 'blue' });
    expect(all('endpoint')).toEqual([{ id: 'b' }]);
    expect(all('sandbox')).toEqual([]);
  });

  it('replaces and removes; what is not there need not be removed', () => {
    const put = [{ kind: 'n', record: { id: 'a', value: 1 } }];
    store.commit({ put });
    const before = store.load('n');
    const other = { id: 'a', other: 2 };
    store.commit({ put: [{ kind: 'n', record: other }], remove: [{ kind: 'n', id: 'x' }] });
    expect(all('n')).toEqual([other]);
    store.commit({ remove: [{ kind: 'n', id: 'a' }] });
    store.commit({});
    expect(all('n')).toEqual([]);
    expect([...before]).toEqual([{ id: 'a', value: 1 }]);
  });

  it('takes changes while records are read', () => {
    store.commit({ put: ['a', 'b'].map((id) => ({ kind: 'n', record: { id } })) });
    for (const { id } of store.load('n')) store.commit({ remove: [{ kind: 'n', id }] });
    expect(all('n')).toEqual([]);
  });

  const loop: Record<string, unknown> = { id: 'a' };
  loop['self'] = loop;
  it.each([
    ['NaN', { id: 'a', mtu: Number.NaN }, 'n "a".mtu is NaN'],
    ['Infinity', { id: 'a', list: [1, Number.POSITIVE_INFINITY] }, 'list[1] is Infinity'],
    ['undefined', { id: 'a', x: undefined }, '.x is undefined'],
    ['a hole', { id: 'a', x: new Array(1) }, '.x[0] is undefined'],
    ['a bigint', { id: 'a', x: { y: 7n } }, '.x.y is 7n'],
    ['a function', { id: 'a', x: () => 1 }, 'a function'],
    ['a symbol', { id: 'a', x: Symbol('s') }, 'Symbol(s)'],
    ['a date', { id: 'a', x: new Date(0) }, 'a Date'],
    ['a map', { id: 'a', x: new Map() }, 'a Map'],
    ['bytes', { id: 'a', x: new Uint8Array(2) }, 'a Uint8Array'],
    ['a loop', loop, 'contain itself'],
    ['no record', null, 'the id of a record'],
    ['no id', {}, 'the id of a record'],
    ['a number as id', { id: 1 }, 'the id of a record'],
    ['an empty id', { id: '' }, 'the id of a record'],
    ['half a character as id', { id: '\ud800' }, 'the id of a record'],
    ['a zero in the id', { id: 'a\0' }, 'the id of a record'],
    ['a long id', { id: 'a'.repeat(257) }, 'the id of a record'],
  ])('refuses %s, and the whole commit with it', (_name, record, words) => {
    store.commit({ put: [{ kind: 'n', record: { id: 'old' } }] });
    const put = [
      { kind: 'n', record: { id: 'good' } },
      { kind: 'n', record: record as unknown as StoredRecord },
    ];
    expect(() => store.commit({ put, remove: [{ kind: 'n', id: 'old' }] })).toThrow(
      expect.objectContaining({ code: 'ERR_OVERLANE_OPTION', message: expect.stringContaining(words) }),
    );
    expect(all('n')).toEqual([{ id: 'old' }]);
  });

  it('refuses two changes of one record, and a kind that is none', () => {
    const record = { kind: 'n', record: { id: 'a' } };
    const code = expect.objectContaining({ code: 'ERR_OVERLANE_OPTION' });
    expect(() => store.commit({ put: [record, record] })).toThrow(code);
    expect(() => store.commit({ put: [record], remove: [{ kind: 'n', id: 'a' }] })).toThrow(code);
    expect(() => store.commit({ put: [{ ...record, kind: '' }] })).toThrow(code);
    expect(() => store.load('')).toThrow(code);
    expect(all('n')).toEqual([]);
  });

  it('closed, it says so, but can be closed again', () => {
    store.close();
    store.close();
    const code = expect.objectContaining({ code: 'ERR_OVERLANE_CLOSED' });
    expect(() => store.load('n')).toThrow(code);
    expect(() => store.commit({})).toThrow(code);
  });

  it('holds what a map would hold, whatever the records are', () => {
    const name = fc.constantFrom('a', 'b', '__proto__', '"', "'; DROP TABLE record; --", '\u{1f600}');
    const record = fc.tuple(name, fc.jsonValue()).map(([id, value]) => ({ id, value }));
    const change = fc.record({ kind: name, record, remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const kinds = new Set(changes.map(({ kind }) => kind));
        const model = new Map<string, StoredRecord>();
        const clear: Changes['remove'] = [...kinds].flatMap((kind) => all(kind).map(({ id }) => ({ kind, id })));
        store.commit({ remove: clear });
        for (const { kind, record, remove } of changes) {
          const key = JSON.stringify([kind, record.id]);
          if (remove) model.delete(key);
          // As JSON has it: -0 is 0.
          else model.set(key, JSON.parse(JSON.stringify(record)));
          store.commit(remove ? { remove: [{ kind, id: record.id }] } : { put: [{ kind, record }] });
        }
        const held = [...kinds].flatMap((kind) =>
          all(kind).map((record) => [JSON.stringify([kind, record.id]), record]),
        );
        expect(new Map(held as [string, StoredRecord][])).toEqual(model);
      }),
      { numRuns: 60 },
    );
  });
});

/** Filters and points in time, as clients of Docker write them. */
import { describe, expect, it } from 'vitest';
import { HttpError } from '../../src/daemon/errors.js';
import { Filters } from '../../src/daemon/filters.js';
import { RateLimit } from '../../src/daemon/log.js';
import { parseTime } from '../../src/daemon/times.js';

describe('filters', () => {
  const known = ['name', 'label'];
  const filters = (given: unknown) => new Filters(JSON.stringify(given), known);

  it('are read in both spellings', () => {
    for (const given of [{ name: ['a', 'b'] }, { name: { a: true, b: true } }]) {
      expect(filters(given).values('name')).toEqual(['a', 'b']);
    }
    expect(new Filters(null, known).values('name')).toEqual([]);
  });

  it.each(['{', '[]', '1', 'null', '{"name":"a"}', '{"name":[1]}', '{"nome":["a"]}', '{"__proto__":["a"]}'])(
    '%s is refused',
    (text) => {
      expect(() => new Filters(text, known)).toThrow(HttpError);
    },
  );

  it('labels: all of them must be there', () => {
    const labels = { a: '1', b: '', 'c=d': '2' };
    const has = (...label: string[]) => filters({ label }).labels('label', labels);
    expect([has('a'), has('a=1'), has('b='), has('a', 'b')]).toEqual([true, true, true, true]);
    expect([has('a=2'), has('x'), has('a', 'x'), has('toString'), has('a=')]).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  it('names: parts, or regular expressions; one that takes for ever is ended', () => {
    const match = (...name: string[]) => filters({ name }).matching('name', ['alpha', 'beta', 'a.b'], (one) => one);
    expect(match('et')).toEqual(['beta']);
    expect(match('^a')).toEqual(['alpha', 'a.b']);
    expect(match('(', 'beta')).toEqual(['beta']);
    expect(match()).toEqual(['alpha', 'beta', 'a.b']);
    const start = performance.now();
    const evil = () => filters({ name: ['(a+)+$'] }).matching('name', [`${'a'.repeat(60)}!`], (one) => one);
    expect(evil).toThrow(/takes too long/);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('times', () => {
  const now = Date.UTC(2026, 0, 31, 12);

  it.each([
    ['1700000000', 1_700_000_000_000],
    ['1700000000.5', 1_700_000_000_500],
    ['1700000000.000000000', 1_700_000_000_000],
    ['2026-01-31T11:00:00Z', now - 3_600_000],
    ['2026-01-31T12:00:00.25+01:00', now - 3_600_000 + 250],
    ['2026-01-31T11Z', now - 3_600_000],
    ['1h30m', now - 5_400_000],
    ['1.5h', now - 5_400_000],
    ['90s', now - 90_000],
    ['250ms', now - 250],
  ])('%s', (text, time) => {
    expect(parseTime(text, 'since', now)).toBe(time);
  });

  it.each([
    '',
    'soon',
    '-1',
    '1d',
    '2026-13-01',
    '2026-01-31T25:00:00Z',
    '1h 30m',
    '9'.repeat(50),
    `${'1h'.repeat(50)}`,
  ])('%j is none', (text) => {
    expect(() => parseTime(text, 'since', now)).toThrow(/invalid value for 'since'/);
  });
});

it('a storm of events becomes so many lines a second, and a number', () => {
  let now = 0;
  const told: number[] = [];
  const limit = new RateLimit(
    3,
    (count) => told.push(count),
    () => now,
  );
  const lines = (count: number) => Array.from({ length: count }, () => limit.allows()).filter(Boolean).length;
  expect(lines(10)).toBe(3);
  now = 1000;
  expect(lines(2)).toBe(2);
  expect(told).toEqual([7]);
});

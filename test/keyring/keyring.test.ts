/** A keyring: the roles of keys, their turns, and that nobody gets to see a secret. */
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Keyring, type KeyringOptions, type KeyTurn } from '../../src/index.js';
import { access } from '../../src/keyring/keyring.js';
import { ratchet } from '../../src/wire/esp-keys.js';
import { failure } from '../dataplane/lab.js';
import { any } from '../dataplane/refusal.js';
import { HEX, key, secret, thrown } from './keys.js';

const START = Date.parse('2025-11-01');
const HOUR = 3_600_000;
const rings: Keyring[] = [];

function ring(options: Partial<KeyringOptions> = {}): Keyring {
  const made = new Keyring({ keys: [key(1)], rotation: false, ...options });
  rings.push(made);
  return made;
}

/** Ids and secrets as the native side gets them, the one to send with first. */
function handed(of: Keyring) {
  const { keys, send } = access.material(of);
  expect(send).toBe(keys.length === 0 ? -1 : 0);
  return keys.map(({ id, secret: bytes }) => [id, Buffer.from(bytes).toString('hex')]);
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const roles = (of: Keyring) => of.keys.map(({ id, role }) => `${id} ${role}`);

beforeEach(() => {
  vi.useFakeTimers({ now: START });
});

afterEach(() => {
  for (const one of rings.splice(0)) one.close();
  vi.useRealTimers();
});

describe('roles', () => {
  it('one key is current; of two and of three it is the second by id', () => {
    expect(roles(ring())).toEqual(['1 current']);
    expect(roles(ring({ keys: [key(2), key(1)] }))).toEqual(['1 previous', '2 current']);
    expect(roles(ring({ keys: [key(3), key(1), key(2)] }))).toEqual(['1 previous', '2 current', '3 next']);
    expect(roles(ring({ keys: [key(1), key(2)], current: 1 }))).toEqual(['1 current', '2 next']);
  });

  it('install, rotate and retire move keys on, and the native side gets what is left', () => {
    const one = ring();
    one.install(key(2));
    expect(roles(one)).toEqual(['1 current', '2 next']);
    expect(handed(one)).toEqual([
      [1, hex(secret(1))],
      [2, hex(secret(2))],
    ]);
    one.rotate();
    expect(roles(one)).toEqual(['1 previous', '2 current']);
    one.install(key(3)).rotate();
    expect(roles(one)).toEqual(['2 previous', '3 current']);
    expect(handed(one).map(([id]) => id)).toEqual([3, 2]);
    one.retire(2);
    expect(roles(one)).toEqual(['3 current']);
  });

  it('a key that leaves is wiped, after its users were told', () => {
    const one = ring();
    const held = access.material(one).keys[0]!.secret;
    const seen: string[] = [];
    access.use(one, { keysChanged: () => seen.push(hex(held)) });
    one.install(key(2)).rotate();
    expect(hex(held)).toBe(hex(secret(1)));
    one.install(key(3)).rotate();
    expect(hex(held)).toBe(hex(new Uint8Array(32)));
    expect(seen).toEqual(Array(4).fill(hex(secret(1))));
  });

  it('close wipes all keys and hands none over; then there is nothing to do with it', () => {
    const one = ring({ keys: [key(1), key(2), key(3)] });
    const held = access.material(one).keys.map((held) => held.secret);
    one.close();
    one.close();
    expect(handed(one)).toEqual([]);
    for (const bytes of held) expect(hex(bytes)).toBe(hex(new Uint8Array(32)));
    expect(failure(() => one.install(key(4)))).toMatchObject({ code: 'ERR_OVERLANE_CLOSED' });
  });

  it('copies the secret: what the caller does to it afterwards changes nothing', () => {
    const bytes = secret(7);
    const one = ring({ keys: [{ id: 7, secret: bytes }] });
    bytes.fill(0);
    expect(handed(one)).toEqual([[7, hex(secret(7))]]);
  });
});

describe('refusals', () => {
  const cases: [string, Partial<KeyringOptions>, string, RegExp][] = [
    ['no key', { keys: [] }, 'OPTION', /list of 1 to 3 keys/],
    ['four keys', { keys: [1, 2, 3, 4].map((n) => key(n)) }, 'OPTION', /list of 1 to 3 keys/],
    [
      'two keys before the current',
      { keys: [1, 2, 3].map((n) => key(n)), current: 3 },
      'OPTION',
      /two keys on one side/,
    ],
    ['a current that is none', { current: 9 }, 'OPTION', /no key has that id/],
    ['an id twice', { keys: [key(1), { id: 1, secret: secret(2) }] }, 'EXISTS', /there is a key 1 already/],
    ['a secret twice', { keys: [key(1), { id: 2, secret: secret(1) }] }, 'EXISTS', /key 2 has the secret of key 1/],
    ['a short secret', { keys: [key(1, 16)] }, 'OPTION', /32 bytes or 64 hex digits .* not 16 bytes/],
    [
      'a long docker key',
      { profile: 'docker', keys: [key(1, 32)], rotation: any(undefined) },
      'OPTION',
      /or give keyBits 256/,
    ],
    ['a negative id', { keys: [{ id: -1, secret: HEX }] }, 'OPTION', /whole number from 0/],
    ['a local time', { keys: [{ id: 1, secret: HEX, since: '2025-11-01T00:00' }], rotation: {} }, 'OPTION', /ISO date/],
    [
      'a time to come',
      { keys: [{ id: 1, secret: HEX, since: '2026-11-01' }], rotation: {} },
      'OPTION',
      /in the future/,
    ],
    ['too many epochs', { rotation: { every: 60 } }, 'OPTION', /100000 are the most; give 'since'/],
    ['three that ratchet', { keys: [1, 2, 3].map((n) => key(n)), rotation: {} }, 'OPTION', /third key/],
    [
      'docker without a source',
      { profile: 'docker', keys: [key(1, 16)], rotation: { every: 60 } },
      'OPTION',
      /needs a 'source'/,
    ],
    [
      'a grace as long as a turn',
      { rotation: { every: 60, grace: 60, source: () => key(2) } },
      'OPTION',
      /not less than 'every'/,
    ],
    ['an unknown option', any({ secret: HEX }), 'OPTION', /unknown option 'secret'/],
  ];
  it.each(cases)('%s', (_, options, code, words) => {
    const error = failure(() => ring(options));
    expect(error.message).toMatch(words);
    expect(error.code).toBe(`ERR_OVERLANE_${code}`);
  });

  it('install: a second next, an id below the current one; rotate without a next; retire of the current', () => {
    const one = ring({ keys: [key(5)] });
    expect(failure(() => one.rotate())).toMatchObject({ code: 'ERR_OVERLANE_MISSING' });
    expect(failure(() => one.retire(5)).message).toMatch(/key 5 is sent with/);
    expect(failure(() => one.retire(4))).toMatchObject({ code: 'ERR_OVERLANE_MISSING' });
    expect(failure(() => one.install(key(4))).message).toMatch(/above that of the current key, 5/);
    one.install(key(6));
    expect(failure(() => one.install(key(7)))).toMatchObject({ code: 'ERR_OVERLANE_BUSY' });
    expect(roles(one)).toEqual(['5 current', '6 next']);
  });
});

describe('secrets stay secret', () => {
  it('in inspect, JSON, text and template', () => {
    const one = ring({ keys: [{ id: 1, secret: HEX }], name: 'r' });
    const words = [inspect(one, { depth: 9, showHidden: true }), JSON.stringify(one), String(one), inspect({ one })];
    for (const text of words) {
      expect(text).toMatch(/\b1\b.*current/);
      expect(text).not.toMatch(/0001|01, ?2|fingerprint/);
    }
    expect(Object.keys(one).some((field) => /key|secret/i.test(field))).toBe(false);
  });

  it.each([
    ['as a number is elsewhere', any({ keys: [{ id: 1, secret: HEX }], current: HEX })],
    ['in place of the list', any({ keys: HEX })],
    ['in place of a key', any({ keys: [HEX] })],
    ['in place of an id', any({ keys: [{ id: HEX, secret: 1 }] })],
    ['with a digit too many', { keys: [{ id: 1, secret: `${HEX}0` }] }],
    ['with a wrong digit', { keys: [{ id: 1, secret: `${HEX.slice(1)}g` }] }],
    ['as an option', any({ keys: [{ id: 1, secret: HEX }], rotation: HEX })],
    ['as a date', { keys: [{ id: 1, secret: HEX, since: HEX }], rotation: {} }],
  ])('in errors about one %s', (_, options) => {
    const error = thrown(() => ring(options));
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/00010203|1d1e1f/);
    expect(error.code).toBe('ERR_OVERLANE_OPTION');
  });
});

/** The secret after n epochs. */
function after(n: number, start: Uint8Array = Buffer.from(HEX, 'hex')): string {
  let bytes = start;
  for (let i = 0; i < n; i++) bytes = ratchet(bytes);
  return hex(bytes);
}

describe('the ratchet', () => {
  const keys = [{ id: 1, secret: HEX, since: '2025-11-01' }];

  it('is the default of strong: receives with the epochs around, and sends with this one', () => {
    vi.setSystemTime(START + 25 * HOUR);
    const one = ring({ keys, rotation: any(undefined) });
    expect(one.keys).toEqual([{ id: 1, role: 'current', epoch: 2 }]);
    expect(handed(one)).toEqual([
      [2, after(2)],
      [1, after(1)],
      [3, after(3)],
    ]);
  });

  it('turns with the clock, tells of it, and forgets what is older than one epoch', () => {
    const one = ring({ keys, rotation: { every: 3600 } });
    const turns: KeyTurn[] = [];
    one.on('rotate', (turn) => turns.push(turn));
    const first = access.material(one).keys[0]!.secret;
    expect(handed(one)).toEqual([
      [0, after(0)],
      [1, after(1)],
    ]);
    vi.advanceTimersByTime(HOUR);
    expect(handed(one).map(([id]) => id)).toEqual([1, 0, 2]);
    expect(hex(first)).toBe(HEX);
    vi.advanceTimersByTime(HOUR);
    expect(handed(one)).toEqual([
      [2, after(2)],
      [1, after(1)],
      [3, after(3)],
    ]);
    expect(hex(first)).toBe(hex(new Uint8Array(32)));
    expect(turns).toEqual([1, 2].map((epoch) => ({ previous: null, current: 1, next: null, epoch })));
  });

  it('nodes that start at different times, with clocks nearly an epoch apart, understand each other', () => {
    const early = ring({ keys, rotation: { every: 3600 } });
    vi.advanceTimersByTime(10.99 * HOUR);
    const [sent] = handed(early);
    for (const skew of [-0.98 * HOUR, 0, 0.98 * HOUR]) {
      vi.setSystemTime(START + 10.99 * HOUR + skew);
      const late = ring({ keys, rotation: { every: 3600 } });
      expect(handed(late)).toContainEqual(sent);
      expect(handed(early)).toContainEqual(handed(late)[0]);
    }
  });

  it('never goes back when the clock is set back, and catches up when it is set forward', () => {
    const one = ring({ keys, rotation: { every: 3600 } });
    vi.advanceTimersByTime(5 * HOUR);
    vi.setSystemTime(START);
    vi.advanceTimersByTime(HOUR / 2);
    expect(one.keys[0]!.epoch).toBe(5);
    vi.setSystemTime(START + 100 * HOUR);
    vi.advanceTimersByTime(60_000);
    expect(one.keys[0]!.epoch).toBe(100);
  });

  it('a new secret joins, with the nearest epoch of the current one, and takes over', () => {
    const one = ring({ keys, rotation: { every: 3600 } });
    vi.advanceTimersByTime(10 * HOUR);
    one.install({ id: 2, secret: secret(2), since: START });
    const half = 2 ** 31;
    expect(handed(one).map(([id]) => id)).toEqual([10, half + 10, 9]);
    vi.advanceTimersByTime(HOUR / 2);
    expect(handed(one).map(([id]) => id)).toEqual([10, half + 10, 11]);
    expect(handed(one)[1]).toEqual([half + 10, after(10, secret(2))]);
    one.rotate();
    expect(handed(one).map(([id]) => id)).toEqual([half + 10, 10, half + 11]);
    expect(failure(() => one.install({ ...key(3), since: START })).message).toMatch(/third key/);
    one.retire(1);
    expect(handed(one).map(([id]) => id)).toEqual([half + 10, half + 11, half + 9]);
    one.install({ ...key(3), since: START });
    expect(roles(one)).toEqual(['2 current', '3 next']);
  });

  it('two secrets never share a native id, whatever was refused or retired before', () => {
    const one = ring({ keys, rotation: { every: 3600 } });
    for (let id = 2; id < 6; id++) {
      expect(failure(() => one.install({ id: 0, secret: secret(9), since: START })).code).toBe('ERR_OVERLANE_OPTION');
      one.install({ id, secret: secret(id), since: START });
      const ids = handed(one).map(([native]) => native);
      expect(new Set(ids).size).toBe(ids.length);
      if (id % 2 === 0) one.rotate();
      one.retire(id % 2 === 0 ? id - 2 || 1 : id);
    }
  });

  it('a clock that is years ahead all at once is not believed, as there is no way back', () => {
    const one = ring({ keys, rotation: { every: 3600 } });
    const failures: string[] = [];
    one.on('failure', ({ message }) => failures.push(message));
    vi.setSystemTime(START + 2000 * HOUR);
    vi.advanceTimersByTime(60_000);
    expect(one.keys[0]!.epoch).toBe(0);
    expect(failures.join()).toMatch(/2000 epochs ahead/);
    vi.setSystemTime(START + 2 * HOUR);
    vi.advanceTimersByTime(60_000);
    expect(one.keys[0]!.epoch).toBe(2);
  });
});

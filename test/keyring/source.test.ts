/** Keys that a source gives: installed before anybody sends with them, early when a key runs out, and again after a failure. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type KeyOptions, Keyring, type OverlaneError } from '../../src/index.js';
import { access } from '../../src/keyring/keyring.js';
import { any } from '../dataplane/refusal.js';
import { key } from './keys.js';

let ring: Keyring;
const seconds = (n: number) => vi.advanceTimersByTimeAsync(n * 1000);
const roles = () => ring.keys.map(({ id, role }) => `${id} ${role}`);
const limit = (reason: 'limit-near' | 'exhausted') =>
  access.limit(ring, { reason, underlay: 'u', peer: '192.168.77.2' });

function start(source: () => KeyOptions | Promise<KeyOptions>): void {
  ring = new Keyring({ profile: 'docker', keys: [key(1, 16)], rotation: { every: 1000, grace: 100, source } });
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  ring.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it('asks `grace` before the turn, receives with the key at once and sends with it at the turn', async () => {
  let id = 1;
  start(async () => key(++id, 16));
  await seconds(899);
  expect(roles()).toEqual(['1 current']);
  await seconds(2);
  expect(roles()).toEqual(['1 current', '2 next']);
  await seconds(98);
  expect(roles()).toEqual(['1 current', '2 next']);
  await seconds(2);
  expect(roles()).toEqual(['1 previous', '2 current']);
  await seconds(1000);
  expect(roles()).toEqual(['2 previous', '3 current']);
});

it.each([
  ['throws', () => any(raise('the manager is away')), /the manager is away/, 0],
  ['rejects', () => Promise.reject(new Error('no quorum')), /no quorum/, 0],
  ['gives the current key', () => key(1, 16), /there is a key 1 already/, 0],
  ['gives no key', () => any(null), /takes an object of options/, 0],
  ['never answers', () => new Promise<KeyOptions>(() => {}), /no answer in 60 s/, 60],
])('goes on with the current key, says so and asks again when the source %s', async (_, broken, words, patience) => {
  let calls = 0;
  start(() => (++calls === 1 ? broken() : key(2, 16)));
  const errors: OverlaneError[] = [];
  ring.on('failure', (error) => errors.push(error));
  await seconds(901 + patience);
  expect(errors.map(({ message }) => message)).toEqual([expect.stringMatching(words)]);
  expect(roles()).toEqual(['1 current']);
  await seconds(58);
  expect(roles()).toEqual(['1 current']);
  await seconds(2);
  expect(roles()).toEqual(['1 current', '2 next']);
  await seconds(100);
  expect(roles()).toEqual(['1 previous', '2 current']);
});

function raise(message: string): never {
  throw new Error(message);
}

it('turns early when a key comes to its limit, once, and tells', async () => {
  let id = 1;
  start(() => key(++id, 16));
  const told: string[] = [];
  ring.on('limit', ({ reason, peer }) => told.push(`${reason} ${peer}`));
  await seconds(20);
  limit('limit-near');
  limit('limit-near');
  await seconds(1);
  expect(roles()).toEqual(['1 current', '2 next']);
  await seconds(10);
  expect(roles()).toEqual(['1 previous', '2 current']);
  // Of the key before, but heard of after the turn.
  limit('exhausted');
  await seconds(100);
  expect(roles()).toEqual(['1 previous', '2 current']);
  expect(told).toEqual(['limit-near 192.168.77.2', 'limit-near 192.168.77.2', 'exhausted 192.168.77.2']);
});

it('what comes after close() is ignored', async () => {
  let answer = (_: KeyOptions) => {};
  start(() => new Promise((resolve) => (answer = resolve)));
  await seconds(901);
  ring.close();
  answer(key(2, 16));
  await seconds(1000);
  expect(roles()).toEqual([]);
});

/** A key that stands where it does not belong, or is wrong itself, is not in the error that says so. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { Keyring, parseTopology, readTopology } from '../../src/index.js';
import { toHex } from '../../src/wire/field.js';
import { host } from '../dataplane/hosts.js';
import { any } from '../dataplane/refusal.js';
import { Needles } from './needles.js';
import { node, secretOf, type Way } from './nodes.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-messages-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STRONG: Way = { profile: 'strong', keyBits: 128, version: 4 };
const SECRET = secretOf(STRONG);
const HEX = toHex(SECRET);
const needles = () => new Needles().addEpochs('secret', SECRET).add('first half', SECRET.slice(0, 16));

describe('the message of an error, and of its causes, has no secret in it:', () => {
  const ring = (keys: unknown, more: object = {}) => new Keyring({ keys: any(keys), rotation: false, ...more });
  const wrong = HEX.replace(/.$/, 'g');
  const keyFile = (text: string, mode = 0o600) => {
    const path = join(folder, 'k');
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const topology = (encryption: string) =>
    parseTopology(
      `ports: { c: { type: memory }, w: { type: memory } }\nunderlays: { u: { type: frame, port: w, mac: '02:00:00:00:00:01', local: 192.0.2.1 } }\n` +
        `bridges:\n  b:\n    vni: 1\n    underlay: u\n    encryption: ${encryption}\n`,
    );

  it.each<[string, () => unknown]>([
    ['a key that is too long', () => ring([{ id: 1, secret: `${HEX}00` }])],
    ['a key that is too short', () => ring([{ id: 1, secret: SECRET.slice(1) }])],
    ['a key that is not hex', () => ring([{ id: 1, secret: wrong }])],
    ['a key as an array', () => ring([{ id: 1, secret: [...SECRET] }])],
    ['a key for an id', () => ring([{ id: HEX, secret: SECRET }])],
    ["a key for a key's name", () => ring([{ id: 1, secret: SECRET, [HEX]: 1 }])],
    ['a key for an option', () => ring([{ id: 1, secret: SECRET }], { [HEX]: 1 })],
    ['a key for a profile', () => ring([{ id: 1, secret: SECRET }], { profile: HEX })],
    ['a key for an engine', () => ring([{ id: 1, secret: SECRET }], { engine: HEX })],
    ['a key for a date', () => ring([{ id: 1, secret: SECRET, since: HEX }], { rotation: { every: 9 } })],
    ['a key for a time', () => ring([{ id: 1, secret: SECRET }], { rotation: { every: HEX } })],
    ['a key in place of keys', () => ring(HEX)],
    ['a key in place of all', () => new Keyring(any(HEX))],
    [
      'the same key twice',
      () =>
        ring([
          { id: 1, secret: SECRET },
          { id: 2, secret: HEX },
        ]),
    ],
    [
      'the same id twice',
      () =>
        ring([
          { id: 1, secret: SECRET },
          { id: 1, secret: new Uint8Array(32) },
        ]),
    ],
    ['a key of another profile', () => ring([{ id: 1, secret: SECRET }], { profile: 'docker' })],
    ['install() of what is there', () => ring([{ id: 1, secret: SECRET }]).install({ id: 2, secret: HEX })],
    [
      'install() of what is none',
      () => ring([{ id: 1, secret: new Uint8Array(32) }]).install({ id: 2, secret: wrong }),
    ],
    ['a file with a line that is wrong', () => Keyring.fromFile(keyFile(`strong 1 ${wrong}\n`))],
    ['a file with a line of a key alone', () => Keyring.fromFile(keyFile(`${HEX}\n`))],
    ['a file with a key of odd length', () => Keyring.fromFile(keyFile(`strong 1 ${HEX.slice(1)}\n`))],
    ['a file with a date that is none', () => Keyring.fromFile(keyFile(`strong 1 ${HEX} since ${HEX}\n`))],
    ['a file with two profiles', () => Keyring.fromFile(keyFile(`strong 1 ${HEX}\ndocker 2 ${HEX}\n`))],
    ['a file with a key twice', () => Keyring.fromFile(keyFile(`strong 1 ${HEX}\nstrong 2 ${HEX}\n`))],
    ['a file for all to read', () => Keyring.fromFile(keyFile(`strong 1 ${HEX}\n`, 0o644))],
    ['a file of another profile', () => Keyring.fromFile(keyFile(`strong 1 ${HEX}\n`), { profile: 'docker' })],
    ['a bridge with a key for a ring', () => host(0, 4, { vni: 1, encryption: any(HEX) })],
    ['a bridge with a key for a file', () => host(0, 4, { vni: 1, encryption: { keys: HEX } })],
    [
      'a bridge with the key of another',
      () => {
        const a = node(0, STRONG, { encryption: ring([{ id: 1, secret: SECRET }]) });
        a.dataplane.addBridge({ vni: 8, underlay: a.underlay, encryption: ring([{ id: 2, secret: SECRET }]) });
      },
    ],
    ['a topology with a key for a ring', () => topology(HEX)],
    ['a topology with a key for a list', () => topology(`{ keys: { id: 1, secret: '${HEX}' } }`)],
    ['a topology with a key for a name', () => topology(`{ keys: k, '${HEX}': 1 }`)],
    ['a topology that does not parse, at a key', () => topology(`{ keys: [{ id: 1, secret: "${HEX} }] }`)],
    ['a topology with a key as an alias', () => topology(`{ keys: [{ id: 1, secret: *${HEX} }] }`)],
    ['a topology with a key as a tag', () => topology(`{ keys: [{ id: 1, secret: !${HEX} x }], 5: !!int ${HEX} }`)],
    [
      'a topology for all to read',
      () => {
        const path = join(folder, 't.json');
        const bridges = { b: { encryption: { keys: [{ id: 1, secret: HEX }] } } };
        writeFileSync(path, JSON.stringify({ bridges }), { mode: 0o644 });
        readTopology(path);
      },
    ],
  ])('%s', (_, call) => {
    let error: unknown;
    try {
      call();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ name: 'OverlaneError' });
    // With its causes.
    expect(needles().in(`${inspect(error, { showHidden: true, depth: 9 })} ${(error as Error).stack}`)).toEqual([]);
  });
});

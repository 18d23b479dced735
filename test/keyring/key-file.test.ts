/** Key files: what is read, what is refused with its line, and that nobody else may read them. */
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { Keyring, writeKeyFile } from '../../src/index.js';
import { readKeyFile } from '../../src/keyring/key-file.js';
import { failure } from '../dataplane/lab.js';
import { any } from '../dataplane/refusal.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { HEX, thrown } from './keys.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string, mode = 0o600): string {
  const path = join(folder, `k${files++}`);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

const other = HEX.replaceAll('0', 'f');

describe('reading', () => {
  it('takes comments, blank lines, tabs, CRLF, and dates', () => {
    const path = file(
      `# keys\r\n\n\tstrong 1 ${HEX} since 2025-11-01 # old\r\nstrong\t2  ${other.toUpperCase()} since 2025-11-01T12:00+01:00`,
    );
    expect(readKeyFile(path)).toEqual({
      profile: 'strong',
      keys: [
        { id: 1, secret: Buffer.from(HEX, 'hex'), since: Date.parse('2025-11-01') },
        { id: 2, secret: Buffer.from(other, 'hex'), since: Date.parse('2025-11-01T11:00Z') },
      ],
    });
  });

  it('docker: 16 or 32 bytes, and the ring has the key size of the file', () => {
    const short = Keyring.fromFile(file(`docker 1234 ${HEX.slice(32)}\n`));
    const long = Keyring.fromFile(file(`docker 4294967295 ${HEX}\n`));
    expect([short.profile, short.keyBits, long.keyBits]).toEqual(['docker', 128, 256]);
    expect(long.keys).toEqual([{ id: 4294967295, role: 'current', epoch: null }]);
  });

  it('follows a symbolic link to a private file', () => {
    const link = join(folder, 'link');
    symlinkSync(file(`strong 1 ${HEX}`), link);
    expect(readKeyFile(link).keys).toHaveLength(1);
  });
});

describe('refusals name the line and never what is on it', () => {
  it.each([
    ['an unknown profile', `# x\nweak 1 ${HEX}`, /:2: a line begins with 'strong' or 'docker'/],
    ['a key first', `${HEX} 1`, /:1: a line begins/],
    ['an id that is none', `strong one ${HEX}`, /:1: after 'strong' comes an id/],
    ['an id above 32 bits', `strong 4294967296 ${HEX}`, /:1: after 'strong' comes an id/],
    ['id and key exchanged', `strong ${HEX} 1`, /:1: after 'strong' comes an id/],
    ['no key', 'strong 1', /:1: after the id come 64 hex digits/],
    ['a digit too few', `strong 1 ${HEX.slice(1)}`, /:1: after the id come 64 hex digits/],
    ['a letter that is no digit', `docker 1 ${'0g'.repeat(16)}`, /:1: after the id come 32 or 64 hex digits/],
    ['a key of the other size', `strong 1 ${HEX.slice(32)}`, /:1: after the id come 64 hex digits/],
    ['a word after it', `strong 1 ${HEX} ${HEX}`, /:1: after the key may come 'since'/],
    ['a date that is none', `strong 1 ${HEX} since tomorrow`, /:1: after 'since' must be an ISO date/],
    ['a date after docker', `docker 1 ${HEX} since 2025-11-01`, /:1: nothing may follow/],
    ['two profiles', `strong 1 ${HEX}\ndocker 2 ${HEX}`, /:2: a key of profile 'docker' after one of 'strong'/],
    ['four keys', [1, 2, 3, 4].map((n) => `docker ${n} ${HEX.slice(0, 30)}0${n}`).join('\n'), /:4: a 4th key/],
    ['nothing', '# only this\n', /holds no key/],
    ['64 KiB', `#${'x'.repeat(65_536)}\n`, /larger than 65536 bytes/],
  ])('%s', (_, text, words) => {
    const error = thrown(() => readKeyFile(file(text)));
    expect(error.message).toMatch(words);
    expect(error.code).toBe('ERR_OVERLANE_OPTION');
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/00010203|1d1e1f|0g0g/);
  });

  it.each([0o640, 0o604, 0o620, 0o660, 0o644])('mode %o, and how to set it right', (mode) => {
    const path = file(`strong 1 ${HEX}`, mode);
    const error = failure(() => Keyring.fromFile(path));
    expect(error.message).toContain(`mode ${mode.toString(8)}): chmod 600 ${path}`);
    expect(error.code).toBe('ERR_OVERLANE_PERMISSION');
  });

  it.skipIf(!hasRoot)(`a file of another user's ${NEEDS_ROOT}`, () => {
    const path = file(`strong 1 ${HEX}`);
    chownSync(path, 12345, 12345);
    expect(failure(() => readKeyFile(path))).toMatchObject({ code: 'ERR_OVERLANE_PERMISSION' });
  });

  it('a folder, a device, and what is not there', () => {
    expect(failure(() => readKeyFile(folder)).message).toMatch(/no regular file/);
    expect(failure(() => readKeyFile('/dev/null')).message).toMatch(/no regular file/);
    expect(failure(() => readKeyFile(join(folder, 'absent')))).toMatchObject({ code: 'ERR_OVERLANE_MISSING' });
  });

  it('a profile that is not that of the file', () => {
    expect(failure(() => Keyring.fromFile(file(`strong 1 ${HEX}`), { profile: 'docker' })).message).toMatch(
      /holds keys of profile 'strong'/,
    );
  });
});

describe('writeKeyFile', () => {
  it('makes a private file with a random key, which is read again', () => {
    const [a, b] = ['a', 'b'].map((name) => join(folder, name)) as [string, string];
    writeKeyFile(a);
    writeKeyFile(b, { profile: 'docker', id: 99, keyBits: 256 });
    expect(statSync(a).mode & 0o777).toBe(0o600);
    const today = new Date().toISOString().slice(0, 10);
    expect(readFileSync(a, 'utf8')).toMatch(new RegExp(`\nstrong 1 [0-9a-f]{64} since ${today}\n$`));
    const [strong, docker] = [readKeyFile(a), readKeyFile(b)];
    expect(docker.keys).toEqual([{ id: 99, secret: expect.any(Buffer) }]);
    expect(docker.keys[0]!.secret).toHaveLength(32);
    expect(strong.keys[0]!.secret.equals(docker.keys[0]!.secret)).toBe(false);
    expect(new Set(strong.keys[0]!.secret).size).toBeGreaterThan(10);
  });

  it('replaces nothing', () => {
    const path = file('something');
    expect(failure(() => writeKeyFile(path))).toMatchObject({ code: 'ERR_OVERLANE_EXISTS' });
    expect(readFileSync(path, 'utf8')).toBe('something');
    expect(failure(() => writeKeyFile(join(folder, 'n'), any({ profil: 'docker' }))).message).toMatch(/did you mean/);
  });
});

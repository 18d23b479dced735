/** What `overlane run` says of encrypted bridges, and `overlane keys`. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { keysCommand } from '../../src/cli/keys.js';
import { toJson, toText } from '../../src/cli/run-report.js';
import { describeEncryption } from '../../src/dataplane/encryption-options.js';
import { Dataplane, Keyring } from '../../src/index.js';
import { HEX, key } from './keys.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-report-'));
afterAll(() => rmSync(folder, { recursive: true }));

const outcome = { live: false, signal: null, errors: [] };

it('a table of the encrypted bridges with the ids of their keys, and the same as JSON', async () => {
  await using dataplane = new Dataplane({ mode: 'manual' });
  using ring = new Keyring({ name: 'r', keys: [{ id: 7, secret: HEX }, key(8)], rotation: false, keyBits: 256 });
  const encryption = { br0: describeEncryption(ring) };
  const text = toText(dataplane.counters(), outcome, encryption);
  expect(text).toMatch(/^br0 +strong +AES-256-GCM +(?:openssl|ipsec-mb) +7 \(previous\), 8 \(current\)$/m);
  const json = toJson(dataplane.counters(), outcome, encryption);
  expect(JSON.parse(json)).toMatchObject({ encryption: { br0: { keyring: 'r', keys: [{ id: 7 }, { id: 8 }] } } });
  expect(text + json).not.toContain(HEX.slice(0, 8));
});

it('without encryption neither of them speaks of it', async () => {
  await using dataplane = new Dataplane({ mode: 'manual' });
  expect(toText(dataplane.counters(), outcome) + toJson(dataplane.counters(), outcome)).not.toMatch(/encrypt/);
});

it('overlane keys new: a private file of the profile asked for, and no key on the terminal', async () => {
  const file = join(folder, 'k');
  const args = ['new', file, '--profile', 'docker', '--id', '9', '--key-bits', '256'];
  await keysCommand().exitOverride().parseAsync(args, { from: 'user' });
  expect(readFileSync(file, 'utf8')).toMatch(/\ndocker 9 [0-9a-f]{64}\n$/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await expect(keysCommand().parseAsync(args, { from: 'user' })).rejects.toMatchObject({ code: 'ERR_OVERLANE_EXISTS' });
});

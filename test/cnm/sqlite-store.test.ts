/** The store in a file: what outlives a killed process, who else may open it, and damage that is found. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type Database from 'better-sqlite3';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { SqliteStore } from '../../src/cnm/sqlite-store.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const base = mkdtempSync(join(tmpdir(), 'overlane-sqlite-'));
afterAll(() => rmSync(base, { recursive: true }));

let file = '';
let count = 0;
beforeEach(() => {
  file = join(base, String(count++), 'sub', 'store.db');
});

interface Numbered {
  id: string;
  value: number;
}
const numbers = (store: SqliteStore, kind = 'n') => [...store.load(kind)].map((record) => (record as Numbered).value);
const put = (store: SqliteStore, value: number, id = `r${value}`) =>
  store.commit({ put: [{ kind: 'n', record: { id, value } as Numbered }] });

/** Opens, hands over, closes. */
function using<T>(use: (store: SqliteStore) => T): T {
  const store = new SqliteStore(file);
  try {
    return use(store);
  } finally {
    store.close();
  }
}

const refused = (code: string, ...words: (string | RegExp)[]) =>
  expect.objectContaining({
    code: `ERR_OVERLANE_${code}`,
    message: expect.stringMatching(
      new RegExp(words.map((word) => `(?=.*${word instanceof RegExp ? word.source : word})`).join('')),
    ),
  });

const IMPORT = `const { SqliteStore } = await import('${DIST}/cnm/sqlite-store.js');`;
const node = (code: string, ...args: string[]) =>
  [process.execPath, ['--input-type=module', '-e', code, ...args]] as const;

function edit(change: (db: Database.Database) => void): void {
  const driver = createRequire(import.meta.url)('better-sqlite3') as typeof Database;
  const db = new driver(file);
  change(db);
  db.close();
}

describe('the file', () => {
  it.each(['system', 'commit'] as const)(
    'is made with its folders, for the owner only, and keeps records (flush: %s)',
    (flush) => {
      const store = new SqliteStore(file, { flush });
      put(store, 1);
      for (const name of readdirSync(join(file, '..'))) {
        expect(statSync(join(file, '..', name)).mode & 0o777, name).toBe(0o600);
      }
      expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700);
      store.close();
      expect(using(numbers)).toEqual([1]);
    },
  );

  it('is closed to others when it was open to them', () => {
    using((store) => put(store, 1));
    chmodSync(file, 0o644);
    expect(using(numbers)).toEqual([1]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('refuses what is no path', () => {
    for (const path of ['', 'a\0b', undefined as unknown as string]) {
      expect(() => new SqliteStore(path)).toThrow(refused('OPTION', 'path'));
    }
    expect(() => new SqliteStore(file, { flush: 'never' as 'system' })).toThrow(
      refused('OPTION', '"system" or "commit"'),
    );
    expect(existsSync(file)).toBe(false);
  });

  it('is nowhere where it cannot be', () => {
    mkdirSync(file, { recursive: true });
    expect(() => new SqliteStore(file)).toThrow(refused('STORE', 'not a file'));
    writeFileSync(join(file, 'plain'), '');
    for (const path of ['plain/store.db', 'plain/sub/store.db']) {
      expect(() => new SqliteStore(join(file, path))).toThrow(refused('STORE', 'cannot be opened', file));
    }
    symlinkSync('loop', join(file, 'loop'));
    expect(() => new SqliteStore(join(file, 'loop'))).toThrow(refused('STORE', 'cannot be opened'));
  });

  it('is of one process, until that ends', async () => {
    const code = `${IMPORT} try { new SqliteStore(process.argv[1]); console.log('opened'); } catch (e) { console.log(e.code, e.message); }`;
    const other = () => spawnSync(...node(code, file), { encoding: 'utf8', timeout: 20_000 });
    using((store) => {
      put(store, 1);
      const { stdout, stderr } = other();
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^ERR_OVERLANE_BUSY the store .*store\.db is in use.*fuser/);
      expect(() => new SqliteStore(file)).toThrow(refused('BUSY', file));
      // And neither has taken it from us.
      expect(other().stdout).toMatch(/^ERR_OVERLANE_BUSY/);
      put(store, 2);
    });
    expect(other().stdout).toBe('opened\n');
    expect(using(numbers)).toEqual([1, 2]);
  });
});

describe('a killed process', () => {
  /** Says each number once its commit has returned; each replaces a record, adds one and removes an old one. */
  const WRITER = `${IMPORT} import { writeSync } from 'node:fs';
const [file, first] = process.argv.slice(1);
const store = new SqliteStore(file);
for (let i = Number(first); ; i++) {
  store.commit({
    put: [{ kind: 'n', record: { id: 'last', value: i } }, { kind: 'log', record: { id: 'r' + i, value: i, pad: 'x'.repeat(i % 700) } }],
    remove: [{ kind: 'log', id: 'r' + (i - 50) }],
  });
  writeSync(1, i + '\\n');
}`;

  async function untilKilled(first: number, after: number): Promise<number> {
    const child: ChildProcess = spawn(...node(WRITER, file, String(first)), { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    let commits = 0;
    child.stdout!.on('data', (text) => {
      said += text;
      commits = said.split('\n').length - 1;
      // At another place of the loop each time.
      if (commits >= after) setTimeout(() => child.kill('SIGKILL'), (after % 7) / 3);
    });
    await new Promise((resolve) => child.on('close', resolve));
    return Number(said.split('\n').at(-2));
  }

  it('leaves all that it committed, each as a whole, 20 times', async () => {
    let last = -1;
    for (let kill = 0; kill < 20; kill++) {
      const said = await untilKilled(last + 1, 1 + ((kill * 37) % 200));
      expect(said).toBeGreaterThan(last);
      using((store) => {
        last = numbers(store)[0]!;
        // The last commit may have been done without being said.
        expect([said, said + 1]).toContain(last);
        const log = numbers(store, 'log').sort((a, b) => a - b);
        const expected = Array.from({ length: Math.min(50, last + 1) }, (_, i) => last - Math.min(49, last) + i);
        expect(log).toEqual(expected);
      });
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
  }, 60_000);
});

describe('damage', () => {
  const CORRUPT = [/corrupt/, /store\.db/, /backup/] as const;

  it('no database, a truncated one, zeros: refused, and left as it is', () => {
    using((store) => {
      for (let i = 0; i < 200; i++) put(store, i);
    });
    const whole = readFileSync(file);
    expect(whole.length).toBeGreaterThan(12_000);
    const zeros = Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(4096), whole.subarray(8192)]);
    for (const content of [
      Buffer.from('not a database, but long enough to be looked at'.repeat(9)),
      whole.subarray(0, 5000),
      zeros,
    ]) {
      writeFileSync(file, content);
      expect(() => new SqliteStore(file)).toThrow(refused('STORE', ...CORRUPT));
      expect(readFileSync(file).equals(content)).toBe(true);
    }
  });

  it('a bit that fell over anywhere: found, or without effect', () => {
    const values = Array.from({ length: 40 }, (_, i) => i);
    using((store) =>
      store.commit({
        put: values.map((value) => ({ kind: 'n', record: { id: `r${100 + value}`, value, pad: 'y'.repeat(90) } })),
      }),
    );
    const whole = readFileSync(file);
    let found = 0;
    for (let i = 0; i < 150; i++) {
      const copy = Buffer.from(whole);
      const at = (i * 7919) % copy.length;
      copy[at]! ^= 1 << (i % 8);
      writeFileSync(file, copy);
      try {
        expect(using(numbers), `byte ${at}`).toEqual(values);
      } catch (error) {
        expect(error, `byte ${at}: ${error}`).toEqual(refused('STORE', 'store.db'));
        found++;
      }
    }
    expect(found).toBeGreaterThan(20);
  });

  it('a file that is empty beside its log', () => {
    const store = new SqliteStore(file);
    put(store, 1);
    // As if the process had been killed, and then somebody emptied or removed the file.
    for (const suffix of ['', '-wal']) copyFileSync(file + suffix, `${file}.copy${suffix}`);
    store.close();
    file = `${file}.copy`;
    const log = readFileSync(`${file}-wal`);
    for (const damage of [() => truncateSync(file), () => rmSync(file)]) {
      damage();
      expect(() => new SqliteStore(file)).toThrow(refused('STORE', 'log', 'backup'));
      expect(readFileSync(`${file}-wal`).equals(log)).toBe(true);
    }
  });

  it('of another program, of a newer version', () => {
    using(() => {});
    edit((db) => db.pragma('user_version = 2'));
    expect(() => new SqliteStore(file)).toThrow(refused('STORE', 'newer overlane', 'schema 2', 'choose another path'));
    edit((db) => db.pragma('application_id = 7'));
    expect(() => new SqliteStore(file)).toThrow(refused('STORE', 'another program'));
    rmSync(file);
    edit((db) => db.exec('CREATE TABLE mine (x)'));
    expect(() => new SqliteStore(file)).toThrow(refused('STORE', 'another program'));
    edit((db) => expect(db.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['mine']));
  });
});

describe('without the package', () => {
  it('importing overlane and the store does not load it', () => {
    const code = `import { createRequire } from 'node:module'; await import('${DIST}/index.js'); ${IMPORT}
      const loaded = () => Object.keys(createRequire('${DIST}/index.js').cache).some((name) => name.includes('better-sqlite3'));
      console.log(loaded()); new SqliteStore(process.argv[1]).close(); console.log(loaded());`;
    expect(spawnSync(...node(code, file), { encoding: 'utf8' })).toMatchObject({
      stdout: 'false\ntrue\n',
      stderr: '',
      status: 0,
    });
  });

  it.each(['absent', 'not built'])('%s: says how to get it', (how) => {
    const folder = join(base, `without ${how}`);
    cpSync(join(DIST, 'cnm'), join(folder, 'cnm'), { recursive: true });
    cpSync(join(DIST, 'errors.js'), join(folder, 'errors.js'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    if (how === 'not built') {
      for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path']) {
        const from = fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
        const filter = (path: string) => !path.startsWith(join(from, 'build')) && !path.startsWith(join(from, 'deps'));
        cpSync(from, join(folder, 'node_modules', name), { recursive: true, filter });
      }
    }
    const code = `const { SqliteStore } = await import(${JSON.stringify(join(folder, 'cnm/sqlite-store.js'))});
      try { new SqliteStore(process.argv[1]); } catch (e) { console.log(e.code, e.message); }`;
    const { stdout, stderr } = spawnSync(...node(code, file), { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^ERR_OVERLANE_MISSING .*better-sqlite3.*npm install better-sqlite3/);
  });
});

describe('a disk', () => {
  /** Runs code on a small file system of its own, in a mount namespace that ends with it. */
  function onDisk(code: string): { stdout: string; stderr: string } {
    mkdirSync(join(file, '..'), { recursive: true });
    const mount = 'mount -t tmpfs -o size=256k none "$1" && shift && exec "$@"';
    const [program, args] = node(`${IMPORT} import { spawnSync } from 'node:child_process'; import fs from 'node:fs';
const folder = ${JSON.stringify(join(file, '..'))}, file = folder + '/store.db';
const attempt = (call) => { try { return call(); } catch (e) { return e.code + ' ' + e.message; } };
const put = (store, id, size) => attempt(() => store.commit({ put: [{ kind: 'n', record: { id, pad: 'x'.repeat(size) } }] }));
${code}`);
    return spawnSync('unshare', ['-m', 'sh', '-c', mount, 'sh', join(file, '..'), program, ...args], {
      encoding: 'utf8',
      timeout: 20_000,
    });
  }

  it.skipIf(!hasRoot)(`that is full: said, nothing changed, and it goes on once there is room ${NEEDS_ROOT}`, () => {
    const { stdout, stderr } = onDisk(`
      const store = new SqliteStore(file);
      fs.writeFileSync(folder + '/ballast', 'x'.repeat(100000));
      put(store, 'a', 10);
      console.log(put(store, 'b', 200000));
      console.log(put(store, 'c', 200000));
      console.log([...store.load('n')].map(({ id }) => id).join());
      fs.rmSync(folder + '/ballast');
      console.log(put(store, 'd', 20000));
      store.close();
      console.log([...new SqliteStore(file).load('n')].map(({ id }) => id).join());`);
    expect(stderr).toBe('');
    const full = 'ERR_OVERLANE_STORE the store .*/store.db: the disk or quota is full; make room, then try again .*\n';
    expect(stdout).toMatch(new RegExp(`^${full}${full}a\nundefined\na,d\n$`));
  });

  it.skipIf(!hasRoot)(`that is read-only, or full from the start ${NEEDS_ROOT}`, () => {
    const { stdout, stderr } = onDisk(`
      new SqliteStore(file).close();
      spawnSync('mount', ['-o', 'remount,ro', folder]);
      console.log(attempt(() => new SqliteStore(file)));
      console.log(attempt(() => new SqliteStore(folder + '/new.db')));
      spawnSync('mount', ['-o', 'remount,rw', folder]);
      attempt(() => fs.writeFileSync(folder + '/ballast', Buffer.alloc(1 << 20)));
      console.log(attempt(() => new SqliteStore(folder + '/new.db')));
      fs.rmSync(folder + '/ballast');
      new SqliteStore(folder + '/new.db').close();`);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^(ERR_OVERLANE_STORE .*read-only.*\n){2}ERR_OVERLANE_STORE .*full.*\n$/);
  });
});

/**
 * scripts/setup.mjs in a checkout of its own, with stand-ins for npm, node-gyp and tsc that write down their calls:
 * which steps run when, and what is said when one fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

const SCRIPTS = fileURLToPath(new URL('../scripts', import.meta.url));
const base = mkdtempSync(join(tmpdir(), 'overlane-setup-'));
afterAll(() => rmSync(base, { recursive: true }));

const PACKAGES = ['node-gyp', 'typescript', 'better-sqlite3', 'cap', 'raw-socket'];

let root = '';
let count = 0;

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

const LOG = `require('fs').appendFileSync(process.env.CALLS, NAME + ' ' + process.argv.slice(2).join(' ') + '\\n');`;

/** Writes the packages that the lock file names, and the stand-ins, as these are packages too. */
const NPM = `const NAME = 'npm'; ${LOG}
const fs = require('fs'), cp = require('child_process');
fs.rmSync('node_modules', { recursive: true, force: true });
fs.cpSync('stand-ins', 'node_modules', { recursive: true });
const { packages } = JSON.parse(fs.readFileSync('package-lock.json'));
for (const name in packages) if (name === '' || packages[name].optional) delete packages[name];
fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));`;

/** A file called fail-gyp makes it fail with that text, once; slow-gyp makes it stay. */
const GYP = `const NAME = 'gyp'; ${LOG}
const fs = require('fs'), path = require('path');
console.log('CFLAGS: ' + process.env.CFLAGS);
const folder = process.argv.find((arg) => arg.startsWith('--directory=')).slice(12);
if (fs.existsSync(path.join(folder, 'fail-gyp'))) {
  console.log(fs.readFileSync(path.join(folder, 'fail-gyp'), 'utf8'));
  fs.rmSync(path.join(folder, 'fail-gyp'));
  process.exit(1);
}
if (fs.existsSync(path.join(folder, 'slow-gyp'))) return setTimeout(() => {}, 20_000);
fs.mkdirSync(path.join(folder, 'build/Release'), { recursive: true });
fs.writeFileSync(path.join(folder, 'build/Release/x.node'), '');`;

const TSC = `const NAME = 'tsc'; ${LOG}
const fs = require('fs');
if (fs.readFileSync('src/index.ts', 'utf8').includes('wrong')) { console.log('index.ts(1,1): error'); process.exit(2); }
for (const folder of ['cli', 'daemon']) fs.mkdirSync('dist/' + folder, { recursive: true });
for (const name of ['cli/main', 'daemon/main', 'index']) fs.writeFileSync('dist/' + name + '.js', '');`;

beforeEach(() => {
  root = join(base, String(count++));
  cpSync(SCRIPTS, join(root, 'scripts'), { recursive: true });
  write('package.json', '{ "engines": { "node": ">=20.19" } }');
  write('npm/npm-cli.js', NPM);
  write('stand-ins/node-gyp/bin/node-gyp.js', GYP);
  write('stand-ins/typescript/bin/tsc', TSC);
  for (const name of PACKAGES) write(`stand-ins/${name}/package.json`, '{ "version": "1.0.0" }');
  lock('1.0.0');
  write('binding.gyp', '{}');
  write('native/core/pool.cc', 'int a;');
  write('tsconfig.json', '{}');
  write('src/index.ts', '');
  write('src/cli/main.ts', '');
  write('src/daemon/main.ts', '');
  write('bench/tsconfig.json', '{}');
});

function lock(version: string): void {
  const packages = Object.fromEntries(PACKAGES.map((name) => [`node_modules/${name}`, { version }]));
  // A package of another platform, which npm leaves out.
  const other = { 'node_modules/other': { version: '1.0.0', optional: true } };
  write('package-lock.json', JSON.stringify({ packages: { '': {}, ...packages, ...other } }));
}

interface Ended {
  status: number | null;
  stderr: string;
  /** The programs that ran, in order: npm, gyp (the addon), better-sqlite3, cap, raw-socket, tsc. */
  calls: string[];
}

function start(args: string[] = [], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const all = {
    PATH: process.env['PATH'],
    npm_execpath: join(root, 'npm/npm-cli.js'),
    CALLS: join(root, 'calls'),
    ...env,
  };
  return spawn(process.execPath, [join(root, 'scripts/setup.mjs'), ...args], {
    env: all,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

async function end(child: ChildProcess): Promise<Omit<Ended, 'calls'>> {
  let stderr = '';
  child.stderr?.on('data', (text) => {
    stderr += String(text);
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, stderr };
}

function takeCalls(): string[] {
  const file = join(root, 'calls');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  rmSync(file);
  return lines.map((line) => /--directory=\S*node_modules\/(\S+)/.exec(line)?.[1] ?? line.split(' ')[0]!);
}

async function setup(args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const ended = await end(start(args, env));
  return { ...ended, calls: takeCalls() };
}

const NOTHING = { status: 0, stderr: '', calls: [] };
/** cap and raw-socket depend on the machine, and better-sqlite3 is built beside the others, at any place among them. */
const withoutOptional = (calls: string[]) => calls.filter((call) => !PACKAGES.slice(2).includes(call));

describe('what runs', () => {
  it('everything in a fresh checkout, nothing after that, everything again with --force', async () => {
    const first = await setup();
    expect(first.status, first.stderr).toBe(0);
    expect(withoutOptional(first.calls)).toEqual(['npm', 'gyp', 'tsc', 'tsc']);
    expect(first.stderr).toMatch(
      /^setup: dependencies +\d+\.\d s\n(?:.*\n)*setup: native addon +\d+\.\d s\n(?:.*\n)*setup: TypeScript +\d+\.\d s\n/,
    );
    expect(first.stderr).toMatch(/^setup: better-sqlite3 +\d+\.\d s$/m);
    expect(await setup()).toEqual(NOTHING);
    expect((await setup(['--force'])).calls.sort()).toEqual(first.calls.sort());
    expect(await setup()).toEqual(NOTHING);
  });

  it.each([
    ['native/core/pool.cc', ['gyp']],
    ['native/core/new.h', ['gyp']],
    ['binding.gyp', ['gyp']],
    ['src/index.ts', ['tsc', 'tsc']],
    ['bench/main.ts', ['tsc', 'tsc']],
    ['native/test/test_a.cc', []],
    ['native/build/a.d', []],
    ['test/a.test.ts', []],
  ])('after a change to %s: %j', async (file, calls) => {
    await setup();
    write(file, '// changed');
    expect((await setup()).calls).toEqual(calls);
    expect(await setup()).toEqual(NOTHING);
  });

  it.each([
    ['another version in the lock file', () => lock('1.0.1')],
    ['a package that is gone', () => rmSync(join(root, 'node_modules/node-gyp'), { recursive: true })],
    ['an installation that was cut short', () => rmSync(join(root, 'node_modules/.package-lock.json'))],
  ])('npm again after %s', async (_, damage) => {
    await setup();
    damage();
    expect((await setup()).calls).toContain('npm');
  });

  it.each(['build/Release/x.node', 'dist/cli/main.js'])('what makes %s again when it is gone', async (file) => {
    await setup();
    rmSync(join(root, file));
    expect((await setup()).status).toBe(0);
    expect(existsSync(join(root, file))).toBe(true);
  });

  it('each step once when two run at the same time', async () => {
    const [a, b] = await Promise.all([end(start()), end(start())]);
    expect([a.status, b.status]).toEqual([0, 0]);
    expect(withoutOptional(takeCalls())).toEqual(['npm', 'gyp', 'tsc', 'tsc']);
  });
});

describe('what it leaves', () => {
  it('a program that can be started, and nothing without a source', async () => {
    await setup();
    write('dist/old.js', '');
    write('src/index.ts', '// changed');
    await setup();
    expect(existsSync(join(root, 'dist/old.js'))).toBe(false);
    expect(existsSync(join(root, 'dist/index.js'))).toBe(true);
    for (const program of ['cli', 'daemon']) {
      expect(() => accessSync(join(root, `dist/${program}/main.js`), constants.X_OK)).not.toThrow();
    }
  });
});

describe('failures', () => {
  it('shows the end of the log, and tries again the next time', async () => {
    await setup();
    write('src/index.ts', 'wrong');
    const { status, stderr } = await setup();
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^setup: TypeScript: failed\. From build\/setup\.log:\n(?: {2}.*\n)+? {2}index\.ts\(1,1\): error\nsetup: the TypeScript sources do not compile\n$/,
    );
    // Back to what compiled before: what the failed run wrote must not count.
    write('src/index.ts', '');
    expect((await setup()).calls).toEqual(['tsc', 'tsc']);
  });

  it('starts the addon from a clean slate when make misses a header that was removed', async () => {
    await setup();
    write('native/core/pool.cc', 'int b;');
    write('build/old.o', '');
    write('fail-gyp', "make: *** No rule to make target 'gone.h'");
    const { status, calls } = await setup();
    expect({ status, calls }).toEqual({ status: 0, calls: ['gyp', 'gyp'] });
    expect(existsSync(join(root, 'build/old.o'))).toBe(false);
  });

  it('names the packages to install when the tools are missing', async () => {
    mkdirSync(join(root, 'bin'));
    const without = await setup([], { PATH: join(root, 'bin') });
    expect(without.status).toBe(1);
    expect(without.stderr).toContain(
      'setup: native addon: native code needs python3, make, g++: apt-get install python3 make g++\n',
    );
    for (const name of ['python3', 'make']) symlinkSync('/bin/true', join(root, 'bin', name));
    writeFileSync(join(root, 'bin/g++'), '#!/bin/sh\n[ "$1" = --version ]\n');
    chmodSync(join(root, 'bin/g++'), 0o755);
    const old = await setup([], { PATH: join(root, 'bin') });
    expect(old.status).toBe(1);
    expect(old.stderr).toContain('g++ does not compile C++20');
  });

  it('goes on without a package that is optional, and does not try it again', async () => {
    await setup();
    // As if it had never been built, on a machine where it can be; where it cannot, there is nothing to try.
    write(
      'build/setup.json',
      readFileSync(join(root, 'build/setup.json'), 'utf8').replace(/"raw-socket": ".*?"/, '"raw-socket": ""'),
    );
    write('node_modules/raw-socket/fail-gyp', 'no');
    const { status, stderr } = await setup();
    expect(status).toBe(0);
    expect(stderr).toMatch(/^setup: raw-socket +not built, only some tests use it \(.*\)\n$/);
    expect(await setup()).toEqual(NOTHING);
  });

  it('goes on without better-sqlite3 when its build fails, and does not try it again', async () => {
    write('stand-ins/better-sqlite3/fail-gyp', 'no');
    const { status, stderr } = await setup();
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^setup: better-sqlite3 +not built, only networks .* \(its build failed; see build\/setup\.better-sqlite3\.log\)$/m,
    );
    expect(readFileSync(join(root, 'build/setup.better-sqlite3.log'), 'utf8')).toMatch(/^no$/m);
    expect(await setup()).toEqual(NOTHING);
  });

  it('tries better-sqlite3 again once the tools are there', async () => {
    await setup();
    rmSync(join(root, 'node_modules/better-sqlite3/build'), { recursive: true });
    mkdirSync(join(root, 'bin'));
    const { status, stderr, calls } = await setup([], { PATH: join(root, 'bin') });
    expect({ status, calls }).toEqual({ status: 0, calls: [] });
    expect(stderr).toMatch(/^setup: better-sqlite3 +not built, .*apt-get install python3 make g\+\+\)\n$/);
    expect((await setup()).calls).toEqual(['better-sqlite3']);
    expect(await setup()).toEqual(NOTHING);
  });

  it('compiles better-sqlite3 faster than it asks for, and nothing else', async () => {
    await setup([], { CFLAGS: '-march=native' });
    expect(readFileSync(join(root, 'build/setup.better-sqlite3.log'), 'utf8')).toMatch(/^CFLAGS: -march=native -O1$/m);
    expect(readFileSync(join(root, 'build/setup.log'), 'utf8')).toMatch(/^CFLAGS: -march=native$/m);
    expect(readFileSync(join(root, 'build/setup.log'), 'utf8')).not.toContain('-O1');
  });

  it('builds better-sqlite3 again for another version, and keeps running it when another step fails', async () => {
    await setup();
    lock('1.0.1');
    for (const name of PACKAGES) write(`stand-ins/${name}/package.json`, '{ "version": "1.0.1" }');
    write('src/index.ts', 'wrong');
    const { status, stderr, calls } = await setup();
    expect(status).toBe(1);
    expect(stderr).toMatch(/^setup: better-sqlite3 +\d+\.\d s$/m);
    expect(calls).toContain('better-sqlite3');
  });

  it('ended by a signal, it ends what runs, and builds that the next time', async () => {
    await setup();
    lock('1.0.1');
    for (const name of PACKAGES) write(`stand-ins/${name}/package.json`, '{ "version": "1.0.1" }');
    write('stand-ins/better-sqlite3/slow-gyp', '');
    write('native/core/pool.cc', 'int b;');
    write('slow-gyp', '');
    const child = start();
    const ended = end(child);
    const calls = () => (existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').split('\n') : []);
    for (let i = 0; i < 100 && calls().length < 4; i++) await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill('SIGTERM');
    expect((await ended).status).toBe(143);
    expect(takeCalls().sort()).toEqual(['better-sqlite3', 'gyp', 'npm']);
    for (const file of ['slow-gyp', 'node_modules/better-sqlite3/slow-gyp']) rmSync(join(root, file));
    const { calls: again, stderr } = await setup();
    expect(withoutOptional(again)).toEqual(['gyp', 'tsc', 'tsc']);
    expect(stderr).toMatch(/^setup: better-sqlite3 +\d+\.\d s$/m);
  });

  it('unknown options: the usage, status 2', async () => {
    const { status, stderr, calls } = await setup(['--forse']);
    expect({ status, calls }).toEqual({ status: 2, calls: [] });
    expect(stderr).toMatch(/^usage: /);
  });
});

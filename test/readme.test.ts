/** The README's examples run as they stand, and its table of errors is whole. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { writeKeyFile } from '../src/index.js';
import { hasRoot, NEEDS_ROOT, Netns } from './live/netns.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** Runs an example inside the package, where 'overlane' is the package itself; `prefix` is a command to run it by. */
function runExample(code: string, prefix: string[] = []) {
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const folder = mkdtempSync(join(root, 'build', 'readme-'));
  try {
    const file = join(folder, 'example.mjs');
    writeFileSync(file, ts.transpileModule(code, { compilerOptions: options }).outputText);
    const [program = '', ...args] = [...prefix, process.execPath, file];
    if (code.includes("'overlay.key'")) writeKeyFile(join(folder, 'overlay.key'));
    const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000, cwd: folder });
    return { stdout, stderr, status };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const [live = '', encrypted = '', offline = ''] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(
  ([, code = '']) => code,
);

it('the offline example prints what its comments say', () => {
  expect(runExample(offline)).toEqual({ stdout: '4096\n4096\ntrue\n', stderr: '', status: 0 });
});

it.skipIf(!hasRoot)(`the live example runs, in the clear and encrypted ${NEEDS_ROOT}`, () => {
  const [container, host] = [new Netns('c1'), new Netns('host')];
  host.ip('address', 'add', '192.168.77.1/24', 'dev', 'lo');
  const clear = live.replace("netns: 'c1'", `netns: '${container.name}'`);
  expect(clear).not.toBe(live);
  const sealed = clear.replace(/^const bridge = .*\n/m, encrypted);
  expect(sealed).toContain('encryption:');
  for (const code of [clear, sealed]) {
    expect(runExample(code, ['ip', 'netns', 'exec', host.name])).toEqual({ stdout: '', stderr: '', status: 0 });
  }
});

it('every error code is explained', () => {
  const codes = readFileSync(join(root, 'src', 'errors.ts'), 'utf8').match(/ERR_OVERLANE_\w+/g) ?? [];
  expect(codes.length).toBeGreaterThan(10);
  for (const code of codes) expect(readme).toContain(`| \`${code}\` |`);
});

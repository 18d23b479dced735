/** The README's example runs as it stands, and its table of errors is whole. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

it('the example prints what its comments say', () => {
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  // Inside the package, where 'overlane' is the package itself.
  const folder = mkdtempSync(join(root, 'build', 'readme-'));
  try {
    const file = join(folder, 'example.mjs');
    writeFileSync(file, ts.transpileModule(code, { compilerOptions: options }).outputText);
    const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toBe('4096\n4096\ntrue\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('every error code is explained', () => {
  const codes = readFileSync(join(root, 'src', 'errors.ts'), 'utf8').match(/ERR_OVERLANE_\w+/g) ?? [];
  expect(codes.length).toBeGreaterThan(10);
  for (const code of codes) expect(readme).toContain(`| \`${code}\` |`);
});

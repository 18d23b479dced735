// Formats native/**/*.{h,cc} in place with clang-format 15 (from npm, so that everybody has the same one).
// `--check` changes nothing, names the files that differ and exits 1. The .def files are tables, aligned by hand.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const usage = 'usage: node scripts/format-native.mjs [--check]';

function fail(message, status) {
  console.error(`format-native: ${message}`);
  process.exit(status);
}

function clangFormat() {
  try {
    return createRequire(import.meta.url)('clang-format').getNativeBinary();
  } catch (error) {
    return fail(
      error.code === 'MODULE_NOT_FOUND'
        ? 'clang-format is not installed; run "npm run setup" first'
        : `the npm package clang-format brings no program for ${process.platform}-${process.arch}; format on linux-x64`,
      1,
    );
  }
}

function run(program, args) {
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.error) fail(`${program} could not be started: ${result.error.message}`, 1);
  if (result.status !== 0) fail(result.stderr.trim() || `${program} ended with status ${result.status}`, 1);
  return result.stdout;
}

const args = process.argv.slice(2);
if (args.some((arg) => arg !== '--check')) fail(usage, 2);
const check = args.length > 0;

const files = readdirSync(path.join(root, 'native'), { recursive: true })
  .map((file) => path.join('native', file))
  .filter((file) => /\.(h|cc)$/.test(file) && !file.startsWith(path.join('native', 'build')))
  .sort();
if (files.length === 0) fail('found no .h or .cc file in native/', 1);

const program = clangFormat();
if (!check) {
  run(program, ['-i', ...files]);
} else {
  const differing = files.filter((file) => run(program, [file]) !== readFileSync(path.join(root, file), 'utf8'));
  if (differing.length > 0) fail(`run "npm run format" for:\n  ${differing.join('\n  ')}`, 1);
  console.log(`${files.length} native files are formatted`);
}

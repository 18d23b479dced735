// Makes a checkout ready to run: dependencies, native addon, dist/. Each step runs only when its inputs changed, so this
// stands before every command of package.json. Plain Node: it runs before node_modules exists.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Advice, hasPcapHeader, nodedir, requireNode, requireTools, works } from './tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => path.join(root, ...parts);
const usage = `usage: node scripts/setup.mjs [--force]
Installs the dependencies and builds the native addon and dist/, each when its inputs changed; --force does all of it.`;

// ---- steps: stale() decides, run() does it, stamp (if any) is remembered once run() has succeeded ----

// Not a matter of the Node that runs: the addon is built on Node-API, and one build serves them all.
const nativeHash = () => hashOf(['binding.gyp', ...tree('native', /^native\/(test|fuzz|bench|build)\//)]);
const sourceHash = () =>
  hashOf(['tsconfig.json', 'package-lock.json', ...tree('src'), ...tree('bench', /^bench\/results\//)]);

const steps = [
  { name: 'dependencies', stale: dependenciesStale, run: installDependencies },
  // The longest compilation of all, of one huge file, so it goes on beside the others. What makes it fast (-O3) takes twice
  // the time, and gains nothing: networks write a few small records.
  optional('better-sqlite3', 'only networks that are kept on disk use it', () => null, {
    CFLAGS: '-O1',
    CXXFLAGS: '-O1',
  }),
  {
    name: 'native addon',
    stamp: nativeHash,
    stale: (stamp) => state.native !== stamp || !hasAddon('build/Release'),
    run: buildAddon,
    done: (stamp) => (state.native = stamp),
  },
  {
    name: 'TypeScript',
    stamp: sourceHash,
    stale: (stamp) => state.dist !== stamp || !fs.existsSync(at('dist/cli/main.js')),
    run: compile,
    done: (stamp) => (state.dist = stamp),
  },
  optional('cap', 'only the bench compares with it', () =>
    hasPcapHeader() ? null : 'libpcap headers are missing: apt-get install libpcap-dev',
  ),
  optional('raw-socket', 'only some tests use it', () =>
    Number(process.versions.modules) < 137 ? null : 'it does not build on Node 24 and newer',
  ),
];

/**
 * A package that is built when it can be; otherwise one line says why, once. With `flags`, which come behind those of the
 * package, it is built beside the steps that follow.
 */
function optional(name, use, obstacle, flags) {
  const directory = `node_modules/${name}`;
  const built = () => hasAddon(`${directory}/build/Release`);
  // Two programs at the same time do not share a log.
  const logName = flags ? `setup.${name}.log` : 'setup.log';
  return {
    name,
    beside: flags !== undefined,
    stamp: () => [process.versions.modules, readJson(`${directory}/package.json`)?.version, obstacle()].join(' '),
    stale: (stamp) => state[name] !== stamp || (obstacle() === null && !built() && state[`${name} failed`] !== stamp),
    async run(stamp) {
      const reason = obstacle();
      if (reason !== null) return `not built, ${use} (${reason})`;
      try {
        needTools();
      } catch (error) {
        // Not remembered as failed: the next setup may find them.
        return `not built, ${use} (${error.message})`;
      }
      const status = await nodeGyp(['rebuild'], directory, flags && { logName, env: withFlags(flags) }).catch(() => 1);
      if (status === 0) return undefined;
      state[`${name} failed`] = stamp;
      return `not built, ${use} (its build failed; see build/${logName})`;
    },
    done: (stamp) => (state[name] = stamp),
  };
}

/** Whether what is installed differs from package-lock.json: a version, or a package whose folder is gone. */
function dependenciesStale() {
  const installed = readJson('node_modules/.package-lock.json')?.packages;
  if (!installed) return true;
  const wanted = readJson('package-lock.json').packages;
  return Object.entries(wanted).some(([folder, { version, optional }]) => {
    if (folder === '' || (optional && !installed[folder])) return false;
    return installed[folder]?.version !== version || !fs.existsSync(at(folder, 'package.json'));
  });
}

async function installDependencies() {
  // The npm that runs this script, else the one in PATH.
  const own = process.env.npm_execpath;
  const npm = own && path.basename(own) === 'npm-cli.js' ? [process.execPath, own] : ['npm'];
  if (npm[0] === 'npm' && !works('npm', ['--version'])) throw new Advice('npm is not in PATH; it comes with Node.js');
  const flags = ['--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--prefer-offline'];
  await must(
    [...npm, 'ci', ...flags],
    'npm ci failed; it needs the package registry, and a package-lock.json that matches package.json',
  );
}

let hasTools = false;

function needTools() {
  if (!hasTools) requireTools();
  hasTools = true;
}

async function buildAddon() {
  needTools();
  const advice = 'the native addon was not built; "npm run build" starts from a clean slate';
  if (force) clean();
  if ((await nodeGyp(['configure', 'build'])) === 0) return;
  if (logTail(400).includes('network connectivity')) {
    throw new Error('this Node has no headers (include/node beside bin), and they could not be downloaded');
  }
  // A header that was renamed or removed is still named in make's dependency files.
  if (!logTail(400).includes('No rule to make target')) throw new Error(advice);
  clean();
  if ((await nodeGyp(['configure', 'build'])) !== 0) throw new Error(advice);
}

function clean() {
  for (const name of fs.readdirSync(at('build'))) {
    if (!name.startsWith('setup.')) fs.rmSync(at('build', name), { recursive: true });
  }
}

async function compile() {
  const tsc = [process.execPath, at('node_modules/typescript/bin/tsc'), '--pretty', 'false', '-p'];
  await must([...tsc, 'tsconfig.json'], 'the TypeScript sources do not compile');
  await must([...tsc, 'bench/tsconfig.json'], 'the TypeScript sources of the bench do not compile');
  // What has no source any more must not be imported any more.
  for (const file of tree('dist')) {
    const source = file
      .replace(/^dist\/(bench\/)?/, (_, bench) => bench ?? 'src/')
      .replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (!fs.existsSync(at(source))) fs.rmSync(at(file));
  }
  for (const program of ['dist/cli/main.js', 'dist/daemon/main.js']) fs.chmodSync(at(program), 0o755);
}

// ---- running, and telling about it ----

let log;
const children = new Set();
let label = '';
/** Steps that run beside the others, and whether only they are left. */
const beside = [];
let waiting = false;
let ending = false;

/** The environment with compiler flags behind the user's, and this Node as `node`, which scripts of a build call. */
function withFlags(flags) {
  const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env.PATH ?? ''}` };
  for (const [name, value] of Object.entries(flags)) env[name] = `${process.env[name] ?? ''} ${value}`.trim();
  return env;
}

function nodeGyp(commands, directory = '.', options = {}) {
  const program = at('node_modules/node-gyp/bin/node-gyp.js');
  const args = ['--release', '-j', 'max', `--directory=${at(directory)}`, ...nodedir()];
  return run([process.execPath, program, ...commands, ...args], options);
}

/** Runs a program with its output in build/setup.log, or in a log of its own; gives its exit status. */
async function run([program, ...args], { logName, env } = {}) {
  const output = logName ? fs.openSync(at('build', logName), 'w') : log;
  try {
    fs.writeSync(output, `\n$ ${[program, ...args].join(' ')}\n`);
    return await new Promise((resolve, reject) => {
      const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', output, output] });
      children.add(child);
      child.on('error', (error) => {
        children.delete(child);
        reject(error);
      });
      child.on('close', (status) => {
        children.delete(child);
        // A build that a signal ended has not failed.
        if (!ending) resolve(status ?? 1);
      });
    });
  } finally {
    if (logName) fs.closeSync(output);
  }
}

async function must(command, advice) {
  if ((await run(command)) !== 0) throw new Error(advice);
}

function logTail(lines) {
  return fs.readFileSync(at('build/setup.log'), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** What explains a failure: npm says it first and then goes on about itself, compilers and tsc say it last. */
function excerpt() {
  const lines = logTail(1000).split('\n');
  const errors = lines.filter((line) => line.startsWith('npm error'));
  if (errors.length > 0) return errors.slice(0, 12).join('\n');
  // node-gyp goes on about itself at the end.
  return lines
    .filter((line) => !/^gyp (info|http|ERR! (System|command|cwd|node|not ok|stack +at))/.test(line))
    .slice(-25)
    .join('\n');
}

/** The running step, rewritten in place on a terminal; the finished one as a line of its own everywhere. */
function show(text, finished) {
  const terminal = process.stderr.isTTY;
  if (finished) process.stderr.write(`${terminal ? '\r\x1b[2K' : ''}setup: ${text}\n`);
  else if (terminal) process.stderr.write(`\r\x1b[2Ksetup: ${text}`);
}

async function perform(step, stamp) {
  // Until it has succeeded, the step counts as never done.
  if (step.done) remember(step, undefined);
  const start = performance.now();
  const seconds = (digits) => `${((performance.now() - start) / 1000).toFixed(digits)} s`;
  const own = step.name.padEnd(15);
  if (!step.beside) label = own;
  // The terminal shows the step that others wait for.
  const tell = () => (step.beside && !waiting) || show(`${own}… ${seconds(0)}`, false);
  const ticker = setInterval(tell, 1000);
  tell();
  try {
    const note = await step.run(stamp);
    show(`${own}${note ?? seconds(1)}`, true);
  } finally {
    clearInterval(ticker);
  }
  if (step.done) remember(step, stamp);
}

function remember(step, stamp) {
  step.done(stamp);
  fs.writeFileSync(at('build/setup.json'), `${JSON.stringify(state, null, 2)}\n`);
}

/**
 * Only one setup at a time works on a checkout. The lock is an abstract Unix socket: the kernel frees it however the
 * holder ends, so it is never stale, and a waiter's connection closes at that moment.
 */
async function lock() {
  const name = `\0overlane-setup-${createHash('sha256').update(fs.realpathSync(root)).digest('hex').slice(0, 32)}`;
  for (let waited = false; ; waited = true) {
    const server = net.createServer((waiter) => waiter.unref());
    const taken = await new Promise((resolve, reject) => {
      server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(true) : reject(error)));
      server.listen(name, () => resolve(false));
    });
    if (!taken) return server.unref();
    if (!waited) show('another setup of this checkout is running; waiting for it', true);
    await new Promise((resolve) => net.connect(name).on('error', resolve).on('close', resolve).resume());
  }
}

// ---- small things ----

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(at(file), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Files below a folder, relative to the root, in a stable order. */
function tree(folder, except) {
  if (!fs.existsSync(at(folder))) return [];
  return fs
    .readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
    .filter((file) => !except?.test(file))
    .sort();
}

function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`\0${file}\0`).update(fs.readFileSync(at(file)));
  return hash.digest('hex');
}

function hasAddon(folder) {
  return fs.existsSync(at(folder)) && fs.readdirSync(at(folder)).some((file) => file.endsWith('.node'));
}

function fail(error) {
  const where = label && `${label.trim()}: `;
  if (log === undefined || error instanceof Advice) {
    show(`${where}${error.message}`, true);
  } else {
    show(`${where}failed. From build/setup.log:`, true);
    process.stderr.write(`${excerpt().replace(/^/gm, '  ')}\n`);
    show(error.message, true);
  }
  // The lock is kept until what runs beside has ended, or the next setup would meet it.
  Promise.allSettled(beside).then(() => process.exit(1));
}

const isStale = (step) => force || step.stale(step.stamp?.());
const loadState = () => readJson('build/setup.json') ?? {};

let force = false;
let state = loadState();

async function main(args) {
  if (args.some((arg) => arg !== '--force')) {
    process.stderr.write(`${usage}\n`);
    process.exit(args.includes('--help') ? 0 : 2);
  }
  force = args.length > 0;
  requireNode(readJson('package.json').engines.node);
  if (!steps.some(isStale)) return;
  await lock();
  state = loadState();
  fs.mkdirSync(at('build'), { recursive: true });
  log = fs.openSync(at('build/setup.log'), 'w');
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ]) {
    process.once(signal, () => {
      // The lock is kept until the running programs have gone, or the next setup would meet them.
      ending = true;
      const end = () => children.size === 0 && process.exit(128 + number);
      end();
      for (const child of children) child.once('close', end).kill(signal);
    });
  }
  for (const step of steps) {
    if (!isStale(step)) continue;
    const done = perform(step, step.stamp?.());
    if (step.beside) beside.push(done);
    else await done;
  }
  waiting = true;
  await Promise.all(beside);
}

main(process.argv.slice(2)).catch(fail);

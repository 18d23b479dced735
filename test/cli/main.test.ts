/** The program: exit status, errors in text and JSON, help, pipes and signals; each command alone. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { vectorsFolder } from '../peers.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'dist/cli/main.js');
const CAPTURE = join(vectorsFolder, 'underlay.pcap');
const COMMANDS = ['demo', 'run', 'decode', 'bench', 'doctor'];

const folder = mkdtempSync(join(tmpdir(), 'overlane-main-'));
afterAll(() => rmSync(folder, { recursive: true }));

function overlane(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  return { status, stdout, stderr };
}

describe('help and version', () => {
  it('--version is that of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(overlane(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('--help names every command', () => {
    const { status, stdout } = overlane(['--help']);
    expect(status).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
  });

  it.each(COMMANDS)('%s has --help with --json in it, by either way of asking', (command) => {
    const asked = overlane([command, '--help']);
    expect(asked.status).toBe(0);
    expect(asked.stdout).toMatch(new RegExp(`^Usage: overlane ${command} `));
    expect(asked.stdout).toContain('--json');
    expect(overlane(['help', command])).toEqual(asked);
  });

  it('without a command: the help on stderr, status 2', () => {
    const { status, stdout, stderr } = overlane([]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: overlane /);
  });
});

describe('wrong usage ends with 2 and one line', () => {
  it.each([
    [['decoed', 'x'], "unknown command 'decoed'; did you mean decode?"],
    [['--jsno'], "unknown option '--jsno'"],
    [['decode', '--jsno', 'x'], "unknown option '--jsno'; did you mean --json?"],
    [['decode'], "missing required argument 'capture'"],
    [['doctor', 'x'], "too many arguments for 'doctor'. Expected 0 arguments but got 1."],
  ])('%j', (args, message) => {
    expect(overlane(args)).toEqual({ status: 2, stdout: '', stderr: `overlane: ${message} (ERR_OVERLANE_OPTION)\n` });
  });

  it('a topology that is wrong is wrong usage too', () => {
    const file = join(folder, 'wrong.yaml');
    writeFileSync(file, 'ports: { a: { type: memori } }\n');
    const { status, stderr } = overlane(['run', file]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^overlane: .*memory.* \(ERR_OVERLANE_TOPOLOGY\)\n$/);
  });
});

describe('errors', () => {
  const missing = join(folder, 'missing.pcap');

  it('a file that is not there: status 1, no stack', () => {
    const { status, stdout, stderr } = overlane(['decode', missing]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^overlane: .*missing\.pcap.* \(ERR_OVERLANE_[A-Z]+\)\n$/);
  });

  it('with --json: the same as an object', () => {
    const text = overlane(['decode', missing]).stderr;
    const { error } = JSON.parse(overlane(['decode', '--json', missing]).stderr) as {
      error: { code: string; message: string };
    };
    expect(`overlane: ${error.message} (${error.code})\n`).toBe(text);
  });

  it('with OVERLANE_DEBUG=1: the stack after it', () => {
    expect(overlane(['decode', missing], { OVERLANE_DEBUG: '1' }).stderr).toMatch(/\n {4}at /);
  });
});

describe('pipes and signals', () => {
  it('a reader that goes away early is no error', () => {
    const script = `"$0" "$1" decode --json "$2" 2>"$3" | head -n 1; echo "\${PIPESTATUS[0]}"; cat "$3"`;
    const args = ['-c', script, process.execPath, MAIN, CAPTURE, join(folder, 'stderr')];
    // The JSON of this capture is more than a pipe holds.
    const lines = execFileSync('bash', args, { encoding: 'utf8' }).trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toBe('0');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('%s ends a command that waits', async (signal) => {
    const pipe = join(folder, signal);
    execFileSync('mkfifo', [pipe]);
    const child = spawn(process.execPath, [MAIN, 'decode', pipe], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', (status, by) => resolve({ status, by })));
    // Once it reads, it is past starting up: opening the other end waits for that.
    const writer = spawn('sh', ['-c', `exec 3>"$0"; echo ready; exec sleep 30`, pipe], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    child.kill(signal);
    expect(await ended).toEqual({ status: null, by: signal });
    writer.kill();
  });
});

describe('a command that cannot load', () => {
  const broken = join(folder, 'broken');
  cpSync(join(ROOT, 'dist'), join(broken, 'dist'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(broken, 'package.json'));
  for (const name of ['node_modules', 'build']) symlinkSync(join(ROOT, name), join(broken, name));
  rmSync(join(broken, 'dist/cli/demo.js'));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(broken, 'dist/cli/main.js'), ...args], { encoding: 'utf8' });

  it('says so', () => {
    const { status, stderr } = run('demo');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^overlane: .*demo\.js.*\n$/);
  });

  it('leaves the help and the others working', () => {
    expect(run('--help').stdout).toContain('demo');
    expect(run('decode', CAPTURE).status).toBe(0);
  });
});

/** `overlane exec`: network, files and name of the sandbox; exit status; signals; nothing of it outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT, Netns } from '../live/netns.js';
import { MAIN, StandIn, sandboxView, temporary } from './overlaned.js';

const daemon = await StandIn.open();
const exec = (...args: string[]) => daemon.program('exec', ...args);

describe('words', () => {
  it.each([
    [['web'], "missing required argument 'command'", 2],
    [['web', '--'], 'missing required argument: the command to run', 2],
    [['web', '--', '-l'], 'a command cannot be called "-l"', 2],
    [['nobody', 'true'], 'nobody not found', 1],
  ])('%j', async (args, message, status) => {
    const ran = await exec(...args);
    expect(ran.stderr).toContain(message);
    expect(ran).toMatchObject({ status, stdout: '' });
  });
});

describe.skipIf(!hasRoot)(`in a namespace ${NEEDS_ROOT}`, () => {
  const folder = temporary();
  let netns: Netns;
  const files = Object.fromEntries(
    ['resolvConf', 'hosts', 'hostname'].map((name) => {
      const file = join(folder, `${name} $(touch overlane-pwned)`);
      writeFileSync(file, `this is ${name}\n`);
      return [name, file];
    }),
  );
  beforeAll(() => {
    netns = new Netns('exec');
    netns.ip('link', 'add', 'wire7', 'type', 'veth', 'peer', 'name', 'wire8');
    const view = sandboxView('web', { kind: 'given', netns: netns.path, hostname: 'web-1', files });
    daemon.answers = {
      'GET /overlane/sandboxes/web': { body: view },
      'GET /overlane/sandboxes/host': { body: { ...view, kind: 'host', netns: '/proc/self/ns/net' } },
      'GET /overlane/sandboxes/gone': { body: { ...view, netns: join(folder, 'gone') } },
      'GET /overlane/sandboxes/plain': { body: { ...view, netns: files['hosts'] } },
      'GET /overlane/sandboxes/bare': { body: { ...view, files: { ...files, hosts: join(folder, 'no') } } },
    };
  });

  const children = new Set<ChildProcess>();
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  it('has the interfaces, the files of /etc and the hostname of the sandbox; outside all is as before', async () => {
    const etc = ['/etc/resolv.conf', '/etc/hosts'].map((file) => readFileSync(file, 'utf8'));
    const look = 'readlink /proc/self/ns/net; ls /sys/class/net; cat /etc/resolv.conf /etc/hosts; uname -n';
    const { status, stdout, stderr } = await exec('web', '--', 'sh', '-c', look);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [net, ...rest] = stdout.trim().split('\n');
    expect(net).not.toBe(readlinkSync('/proc/self/ns/net'));
    expect(rest).toEqual(['lo', 'wire7', 'wire8', 'this is resolvConf', 'this is hosts', 'web-1']);
    expect(['/etc/resolv.conf', '/etc/hosts'].map((file) => readFileSync(file, 'utf8'))).toEqual(etc);
    expect(hostname()).not.toBe('web-1');
    expect((await netns.exec('true')).status).toBe(0);
  });

  it('in the namespace of the host there is its network, with the files of the sandbox', async () => {
    const { stdout } = await exec('host', 'sh', '-c', 'readlink /proc/self/ns/net; cat /etc/hosts; uname -n');
    expect(stdout.trim().split('\n')).toEqual([readlinkSync('/proc/self/ns/net'), 'this is hosts', 'web-1']);
  });

  it('words come through as they are, no shell in between', async () => {
    const words = ['$(id)', '; id', '`id`', '', 'a  b', '--json', '--', '-x', "'", '"', '\n', 'ü'];
    const { stdout } = await exec('web', 'printf', '<%s>', ...words);
    expect(stdout).toBe(words.map((word) => `<${word}>`).join(''));
    expect(existsSync('overlane-pwned')).toBe(false);
  });

  it.each([
    ['its own', ['sh', '-c', 'exit 42'], 42],
    ['not found', ['overlane-no-such-program'], 127],
    ['not to be run', ['/etc/passwd'], 126],
    ['ended by a signal', ['sh', '-c', 'kill -KILL $$'], 137],
  ])('exit status: %s', async (_, words, status) => {
    expect((await exec('web', '--', ...words)).status).toBe(status);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const)(
    '%s gets to the command, which may go on',
    async (signal) => {
      const script = `trap 'echo caught; exit 7' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
      const child = spawn(process.execPath, [MAIN, 'exec', 'web', '--', 'sh', '-c', script], {
        env: { ...process.env, OVERLANE_SOCKET: daemon.socket },
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 20_000,
      });
      children.add(child);
      let said = '';
      child.stdout!.on('data', (data) => {
        said += String(data);
        if (said === 'ready\n') child.kill(signal);
      });
      expect(await once(child, 'close')).toEqual([7, null]);
      expect(said).toBe('ready\ncaught\n');
    },
  );

  it('reads standard input', async () => {
    const child = spawn(process.execPath, [MAIN, 'exec', 'web', 'cat'], {
      env: { ...process.env, OVERLANE_SOCKET: daemon.socket },
      timeout: 20_000,
    });
    children.add(child);
    let said = '';
    child.stdout.on('data', (data) => (said += String(data)));
    child.stdin.end('through\n');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said).toBe('through\n');
  });

  it.each([
    ['gone', 'is no network namespace here'],
    ['plain', 'is no network namespace here'],
    ['bare', 'cannot be read'],
  ])('%s: an error, and nothing is run', async (name, message) => {
    const { status, stdout, stderr } = await exec(name, 'echo', 'ran');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

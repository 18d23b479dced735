/** dropPrivileges: what is left of a process, in all its threads, and what it can still do. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns, ping } from '../live/netns.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CAP_NET_RAW = 1n << 13n;

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

const program = (body: string) => `
  import { Dataplane, dropPrivileges } from 'overlane';
  import { Worker } from 'node:worker_threads';
  const attempt = (act) => { try { return act(), 'done'; } catch ({ code, message }) { return { code, message }; } };
  const say = (what) => console.log(JSON.stringify(what));
  ${body}`;
const node = (body: string) => ['--input-type=module', '-e', program(body)];

/** Runs a program to its end; what it says on its last line. */
function run(body: string, wrapper: string[] = []): unknown {
  const [file, ...args] = [...wrapper, process.execPath, ...node(body)];
  const { stdout, stderr, status } = spawnSync(file!, args, { cwd: ROOT, encoding: 'utf8', timeout: 20_000 });
  expect(stderr.replace(/^npm warn.*\n/gm, '')).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

/** Starts one that goes on until its standard input says something; it has said its first line. */
async function start(body: string) {
  const child = spawn(process.execPath, node(body), { cwd: ROOT });
  children.add(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (data) => (out += String(data)));
  child.stderr.on('data', (data) => (err += String(data)));
  const line = async (): Promise<unknown> => {
    while (!out.includes('\n')) {
      if (child.exitCode !== null) throw new Error(`it ended: ${err}`);
      await once(child.stdout, 'data', { signal: AbortSignal.timeout(10_000) });
    }
    const first = out.slice(0, out.indexOf('\n'));
    out = out.slice(first.length + 1);
    return JSON.parse(first);
  };
  const end = async () => {
    const closed = once(child, 'close', { signal: AbortSignal.timeout(10_000) });
    child.stdin.end();
    expect(await closed, err).toEqual([0, null]);
  };
  return { pid: child.pid!, line, end };
}

interface ThreadSets {
  name: string;
  sets: bigint[];
  noNewPrivs: string;
}

/** The inheritable, permitted, effective, bounding and ambient set of each thread. */
function threads(pid: number): ThreadSets[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const text = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
    const value = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(text)![1]!;
    const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((key) => BigInt(`0x${value(key)}`));
    return { name: value('Name'), sets, noNewPrivs: value('NoNewPrivs') };
  });
}

const HOST = (host: Netns, container: Netns, keep: string) => `
  const dataplane = new Dataplane({ workers: [{}, {}] });
  const underlay = dataplane.addUnderlay({ type: 'udp', netns: '${host.name}', local: '192.168.77.1' });
  const tap = dataplane.addPort({ type: 'tap', netns: '${container.name}', name: 'eth0', addresses: ['10.99.0.2/24'] });
  const wire = dataplane.addPort({ type: 'packet', netns: '${host.name}', name: 'wire2' });
  dataplane.addBridge().attach(tap).attach(wire);
  await dataplane.start();
  new Worker('setInterval(() => {}, 1000)', { eval: true });
  await new Promise((done) => setTimeout(done, 200));
  dropPrivileges({ keep: ${keep} });
  process.stdin.resume().on('end', async () => { await dataplane.close(); process.exit(); });
  say('dropped');
`;

describe.skipIf(!hasRoot)(`dropPrivileges ${NEEDS_ROOT}`, () => {
  it.each([
    ['[]', 0n],
    ["['CAP_NET_RAW']", CAP_NET_RAW],
  ])('keep %s: in every thread, while traffic goes on, and it closes', async (keep, set) => {
    const [h1, h2, c1] = [new Netns('h1'), new Netns('h2'), new Netns('c1')];
    joinByVeth([h1, '192.168.77.1/24'], [h2, '192.168.77.2/24']);
    joinByVeth([h1, '10.99.9.1/24'], [h2, '10.99.0.4/24'], { name: 'wire2' });
    const host = await start(HOST(h1, c1, keep));
    expect(await host.line()).toBe('dropped');
    const all = threads(host.pid);
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['overlane/0', 'overlane/1']));
    expect(all.length).toBeGreaterThan(8);
    for (const thread of all) expect(thread).toMatchObject({ sets: [0n, set, set, 0n, 0n], noNewPrivs: '1' });
    // Through the TAP, the bridge and the packet port, to the kernel of h2.
    expect(await ping(c1, '10.99.0.4')).toBe(3);
    expect(await ping(h2, '10.99.0.2', { size: 8000 })).toBe(3);
    await host.end();
    expect(c1.links()).toEqual([]);
  });

  it('afterwards nothing that needs privileges can be added, and the error names what is missing', () => {
    const said = run(`
      const dataplane = new Dataplane();
      await dataplane.start();
      dropPrivileges();
      dropPrivileges();
      say([
        attempt(() => dataplane.addPort({ type: 'tap', name: 'ovl-tap' })),
        attempt(() => dataplane.addPort({ type: 'packet', name: 'lo' })),
        attempt(() => dataplane.addUnderlay({ type: 'udp', local: '127.0.0.1', port: 24789 })),
        attempt(() => dropPrivileges({ keep: ['CAP_NET_ADMIN', 'CAP_BPF'] })),
      ]);
      await dataplane.close();`);
    expect(said).toEqual([
      { code: 'ERR_OVERLANE_PERMISSION', message: expect.stringMatching(/CAP_NET_ADMIN/) },
      { code: 'ERR_OVERLANE_PERMISSION', message: expect.stringMatching(/CAP_NET_RAW/) },
      'done',
      { code: 'ERR_OVERLANE_PERMISSION', message: expect.stringMatching(/cannot keep CAP_NET_ADMIN, CAP_BPF/) },
    ]);
  });

  it('programs that are started later get none back, though root starts them', () => {
    const said = run(`
      dropPrivileges();
      const { execFileSync } = await import('node:child_process');
      say(execFileSync('grep', ['-E', '^(CapEff|NoNewPrivs)', '/proc/self/status'], { encoding: 'utf8' }));`);
    expect(said).toMatch(/^CapEff:\s0+\nNoNewPrivs:\s1\n$/);
  });

  it('leaves the signal of setuid() as it was', () => {
    expect(run('dropPrivileges({ keep: ["CAP_SETUID"] }); process.setuid(65534); say(process.getuid());')).toBe(65534);
  });

  it('threads that start meanwhile do not escape', async () => {
    const host = await start(`
      const churn = () => new Worker('', { eval: true }).on('exit', churn);
      for (let i = 0; i < 4; ++i) churn();
      await new Promise((done) => setTimeout(done, 300));
      dropPrivileges();
      say('dropped');
      process.stdin.resume().on('end', () => process.exit());`);
    expect(await host.line()).toBe('dropped');
    for (const thread of threads(host.pid)) expect(thread).toMatchObject({ sets: [0n, 0n, 0n, 0n, 0n] });
    await host.end();
  });

  it('without CAP_SETPCAP the bounding set stays, and no_new_privs does', () => {
    const wrapper = ['setpriv', '--bounding-set', '-setpcap', '--inh-caps', '-setpcap'];
    const said = run(
      `dropPrivileges();
      const { readFileSync } = await import('node:fs');
      say(/^CapEff.*$|^NoNewPrivs.*$/gm[Symbol.match](readFileSync('/proc/self/status', 'utf8')));`,
      wrapper,
    );
    expect(said).toEqual([expect.stringMatching(/^CapEff:\s0+$/), expect.stringMatching(/^NoNewPrivs:\s1$/)]);
  });
});

describe('dropPrivileges, options', () => {
  it('are checked before anything changes', () => {
    const before = execFileSync('grep', ['^Cap', '/proc/self/status'], { encoding: 'utf8' });
    const said = run(`
      const { readFileSync } = await import('node:fs');
      say([
        attempt(() => dropPrivileges({ keep: ['CAP_NET_RAWW'] })),
        attempt(() => dropPrivileges({ keep: 'CAP_NET_RAW' })),
        attempt(() => dropPrivileges({ kep: [] })),
        readFileSync('/proc/self/status', 'utf8').match(/^Cap.*\\n/gm).join(''),
      ]);`);
    expect(said).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/'keep\[0\]' of dropPrivileges must be a capability/) }),
      expect.objectContaining({ message: expect.stringMatching(/'keep' of dropPrivileges must be a list of/) }),
      expect.objectContaining({ code: 'ERR_OVERLANE_OPTION', message: expect.stringMatching(/did you mean 'keep'/) }),
      before,
    ]);
  });
});

/** `overlane run`: tables, JSON, exit status; what is left of a run that does not end well. */
import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CHUNK, carryAll, runCommand } from '../../src/cli/run.js';
import { CaptureWriter, Dataplane, readCapture } from '../../src/index.js';
import { BROADCAST, from } from '../dataplane/frames.js';
import { vectorsFolder } from '../peers.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'overlane-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The topology of docs/ with its input, where it may write. */
const SWARM = join(folder, 'docs/topologies/docker-swarm.yaml');
beforeAll(() => {
  cpSync(fileURLToPath(new URL('../../docs/topologies', import.meta.url)), join(folder, 'docs/topologies'), {
    recursive: true,
  });
  cpSync(vectorsFolder, join(folder, 'test/vectors/docker-swarm'), { recursive: true });
});

function topology(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** What the command prints on stdout, without colours, and how it ends. */
async function run(...args: string[]): Promise<{ out: string; error: { code: string; message: string } | null }> {
  let out = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  try {
    const error = await runCommand()
      .exitOverride()
      .parseAsync(args, { from: 'user' })
      .then(() => null)
      .catch((thrown: { code: string; message: string }) => thrown);
    return { out: stripVTControlCharacters(out), error };
  } finally {
    spy.mockRestore();
  }
}

function program(args: string[], shell = ''): { status: number | null; stdout: string; stderr: string } {
  const quoted = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  return spawnSync('bash', ['-c', `${shell} exec ${quoted}`], { encoding: 'utf8' });
}

describe('overlane run', () => {
  it('runs the Docker Swarm topology and accounts for every packet', async () => {
    const { out, error } = await run(SWARM);
    expect(error).toBeNull();
    const lines = out.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(lines).toContainEqual(['wire', '360', '363,548', '0', '0']);
    expect(lines).toContainEqual(['c1', '0', '0', '236', '323,922']);
    expect(lines).toContainEqual(['c2', '0', '0', '39', '10,680']);
    expect(lines).toContainEqual(['decapsulated', '275', 'packets taken out of VXLAN']);
    expect(lines).toContainEqual([
      'drop_underlay_other',
      '85',
      'on the underlay, but not a VXLAN packet for a local VTEP',
    ]);
    expect(out.trimEnd().split('\n').at(-1)).toBe(
      'received 360 + cloned 0 = transmitted 275 + consumed 0 + dropped 85: every packet is accounted for',
    );
    const written = ['c1.pcapng', 'c2.pcapng'].map((name) => [...readCapture(join(folder, 'docs/topologies', name))]);
    expect(written.flat().reduce((sum, { count }) => sum + count, 0)).toBe(275);
  });

  it('--json prints one object with the same figures', async () => {
    const { out, error } = await run(SWARM, '--json');
    expect(error).toBeNull();
    const result = JSON.parse(out);
    expect(result).toMatchObject({
      complete: true,
      received: 360,
      cloned: 0,
      segmented: 0,
      coalesced: 0,
      transmitted: 275,
      consumed: 0,
      dropped: 85,
      balanced: true,
      drops: { drop_underlay_other: 85 },
      errors: [],
    });
    expect(Object.keys(result.ports)).toEqual(['wire', 'c1', 'c2']);
    expect(result.ports.c2).toMatchObject({ tx_packets: 39, tx_bytes: 10680, rx_packets: 0 });
    expect(result.total.decapsulated).toBe(275);
  });

  it('a broken capture: the rest is carried and told, then the error', async () => {
    const whole = join(vectorsFolder, 'c2-eth0.pcap');
    cpSync(whole, join(folder, 'cut.pcap'));
    spawnSync('truncate', ['-s', '5000', join(folder, 'cut.pcap')]);
    const file = topology(
      'cut.yaml',
      `ports: { a: { type: pcap, read: cut.pcap }, b: { type: pcap, read: ${whole} } }`,
    );
    const { out, error } = await run(file, '--json');
    expect(error).toMatchObject({ code: 'ERR_OVERLANE_CAPTURE', message: expect.stringContaining("port 'a': ") });
    const result = JSON.parse(out);
    expect(result.complete).toBe(false);
    expect(result.errors).toMatchObject([{ code: 'ERR_OVERLANE_CAPTURE' }]);
    expect(result.ports.b.rx_packets).toBe(275);
    expect(result.ports.a.rx_packets).toBeGreaterThan(0);
    expect(result.received).toBe(result.dropped);
  });

  it('stops between chunks at a signal, and says how far it came', async () => {
    const read = join(folder, 'many.pcapng');
    const writer = new CaptureWriter(read);
    const frame = from(1, BROADCAST);
    const count = 50_000;
    const data = Buffer.concat(Array.from({ length: count }, () => frame));
    const lengths = new Uint32Array(count).fill(frame.length);
    const offsets = lengths.map((length, i) => length * i);
    for (let round = 0; round < 5; round++) writer.write({ data, offsets, lengths, count });
    writer.close();
    await using dataplane = new Dataplane({ mode: 'manual' });
    dataplane.addPort({ type: 'pcap', read });
    const source = new EventEmitter();
    setImmediate(() => source.emit('SIGINT', 'SIGINT'));
    const outcome = await carryAll(dataplane, source);
    expect(outcome).toEqual({ live: false, signal: 'SIGINT', errors: [] });
    const { received, balanced } = dataplane.counters();
    expect(received).toBeGreaterThanOrEqual(BigInt(CHUNK));
    expect(received).toBeLessThan(250_000n);
    expect(balanced).toBe(true);
    expect(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM')).toBe(0);
    expect(await carryAll(dataplane, source)).toEqual({ live: false, signal: null, errors: [] });
    expect(dataplane.counters().received).toBe(250_000n);
  });
});

describe('the program', () => {
  it('exits with 0 when all is well', () => {
    const { status, stdout, stderr } = program(['run', SWARM]);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('every packet is accounted for');
  });

  it.each<[string, string[], number, RegExp]>([
    ['no file', ['run'], 2, /missing required argument 'file'.*\(ERR_OVERLANE_OPTION\)/],
    ['an unknown option', ['run', SWARM, '--jsn'], 2, /unknown option '--jsn'; did you mean --json\?/],
    [
      'a missing topology',
      ['run', '/nowhere/x.yaml'],
      1,
      /cannot read the topology \/nowhere\/x.yaml: no such file.*\(ERR_OVERLANE_MISSING\)/,
    ],
    [
      'a wrong topology',
      ['run', join(folder, 'wrong.yaml')],
      2,
      /wrong\.yaml:1:29: ports\.a\.typ: unknown key; did you mean 'type'\? \(ERR_OVERLANE_TOPOLOGY\)/,
    ],
    [
      'a live port of a namespace that is not there',
      ['run', join(folder, 'live.yaml')],
      1,
      /ports\.a: port 'a': .*\/nowhere\/ns.*\(ERR_OVERLANE_(MISSING|PERMISSION)\)/,
    ],
    [
      'a live port with the virtual clock',
      ['run', join(folder, 'virtual.yaml')],
      2,
      /virtual\.yaml:1:1: clock: is 'virtual', but port 'a' is live; leave it out \(ERR_OVERLANE_TOPOLOGY\)/,
    ],
    [
      'rates of what is offline',
      ['run', SWARM, '--stats', '1'],
      2,
      /--stats is for live topologies, and every port of this one is offline \(ERR_OVERLANE_OPTION\)/,
    ],
    [
      'rates never',
      ['run', SWARM, '--stats', '0'],
      2,
      /'--stats <seconds>' argument '0' is invalid.*from 0\.1 to 86400/,
    ],
    [
      'a missing capture',
      ['run', join(folder, 'absent.yaml')],
      1,
      /ports\.a: cannot read .*absent\.pcap: no such file.*\(ERR_OVERLANE_MISSING\)/,
    ],
    ['no capture', ['run', join(folder, 'text.yaml')], 1, /ports\.a: .*text\.yaml.*\(ERR_OVERLANE_CAPTURE\)/],
  ])('exits with its status and one line on stderr: %s', (_, args, wanted, words) => {
    topology('wrong.yaml', 'ports: { a: { type: memory, typ: 1 } }');
    topology('live.yaml', 'ports: { a: { type: tap, netns: /nowhere/ns, name: eth0 } }');
    topology('virtual.yaml', 'clock: virtual\nports: { a: { type: tap } }');
    topology('absent.yaml', 'ports: { a: { type: pcap, read: absent.pcap } }');
    topology('text.yaml', 'ports: { a: { type: pcap, read: text.yaml } }');
    const { status, stdout, stderr } = program(args);
    expect(stderr).toMatch(words);
    expect([status, stdout]).toEqual([wanted, '']);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('a full disk: the table is printed, the rest is carried, the status is 1', () => {
    const file = topology(
      'full.yaml',
      `ports: { a: { type: pcap, read: ${join(vectorsFolder, 'c2-eth0.pcap')} }, b: { type: pcap, write: full.pcapng } }
bridges: { br: { ports: [a, b], learning: false } }`,
    );
    const { status, stdout, stderr } = program(['run', file, '--json'], "trap '' XFSZ; ulimit -f 16;");
    expect(status).toBe(1);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ complete: false, balanced: true, received: 275 });
    expect(result.drops.drop_port_error).toBeGreaterThan(0);
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'ERR_OVERLANE_SYSTEM',
      message: expect.stringMatching(/port 'b': .*full\.pcapng/),
    });
  });

  it('has help', () => {
    const { status, stdout } = program(['run', '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('docs/topology.md');
    expect(existsSync(fileURLToPath(new URL('../../docs/topology.md', import.meta.url)))).toBe(true);
  });
});

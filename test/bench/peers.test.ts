import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { acquireMemory } from '../../bench/peers/hugepages.js';
import { perfSample } from '../../bench/peers/ovs.js';
import { missingPrograms } from '../../bench/peers/peer.js';
import { PeerProcess, runTool } from '../../bench/peers/process.js';
import { receivedPackets } from '../../bench/peers/testpmd.js';

const never = new AbortController().signal;

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("a peer's process", () => {
  it('is talked with line by line', async () => {
    const peer = new PeerProcess('/bin/sh', ['-c', 'echo ready; read x; echo "got $x"; sleep 60']);
    await peer.until(/ready\n/, never);
    peer.send('this');
    expect((await peer.until(/got (\w+)/, never))[1]).toBe('this');
    expect(alive(peer.pid)).toBe(true);
    await peer.stop();
    expect(alive(peer.pid)).toBe(false);
  });

  it('tells the CPU time it took', async () => {
    const peer = new PeerProcess('/bin/sh', ['-c', 'while :; do :; done']);
    const end = performance.now() + 5000;
    while (!(peer.cpuNs() >= 50e6) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(peer.cpuNs()).toBeGreaterThanOrEqual(50e6);
    expect(peer.cpuNs()).toBeLessThan(5e9);
    await peer.stop();
    expect(peer.cpuNs()).toBeNaN();
  });

  it('is ended though it ignores SIGTERM', async () => {
    const peer = new PeerProcess('/bin/sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done']);
    await peer.until(/ready/, never);
    await peer.stop();
    expect(alive(peer.pid)).toBe(false);
  });

  it('tells why it ended early, and that a program does not exist', async () => {
    const peer = new PeerProcess('/bin/sh', ['-c', 'echo starting; echo "EAL: Cannot get hugepages" >&2; exit 4']);
    await expect(peer.until(/never/, never)).rejects.toThrow(/exit status 4.*Cannot get hugepages/s);
    await expect(runTool('/no/such/program', [], never)).rejects.toThrow(/no\/such\/program|ENOENT|program/);
  });

  it('gives up waiting when aborted or out of time', async () => {
    const peer = new PeerProcess('/bin/sleep', ['60']);
    await expect(peer.until(/never/, AbortSignal.timeout(50))).rejects.toThrow('no answer in time');
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(peer.until(/never/, stop.signal)).rejects.toThrow('interrupted');
    await expect(runTool('/bin/sleep', ['60'], AbortSignal.timeout(50))).rejects.toThrow('SIGKILL');
    await peer.stop();
    expect(alive(peer.pid)).toBe(false);
  });
});

describe('huge pages', () => {
  const directory = mkdtempSync(join(tmpdir(), 'overlane-test-'));
  const number = join(directory, 'nr_hugepages');
  const meminfo = join(directory, 'meminfo');
  afterEach(() => rmSync(number, { force: true }));

  function machine(total: number, free: number): void {
    writeFileSync(number, `${total}\n`);
    writeFileSync(meminfo, `HugePages_Total: ${total}\nHugePages_Free:  ${free}\nHugepagesize:   2048 kB\n`);
  }

  it('are asked for on top of those in use, and given back', () => {
    machine(10, 4);
    const memory = acquireMemory({ number, meminfo });
    expect(memory.args).toEqual(['--in-memory']);
    expect(readFileSync(number, 'utf8')).toBe('518');
    memory.release();
    expect(readFileSync(number, 'utf8')).toBe('10');
  });

  it('are left alone where there are enough', () => {
    machine(600, 600);
    acquireMemory({ number, meminfo }).release();
    expect(readFileSync(number, 'utf8')).toBe('600\n');
  });

  it('are done without where there are none to be had', () => {
    machine(0, 0);
    expect(acquireMemory({ number: join(directory, 'no', 'file'), meminfo }).args).toContain('--no-huge');
    writeFileSync(meminfo, 'MemTotal: 1 kB\n');
    expect(acquireMemory({ number, meminfo })).toMatchObject({
      huge: false,
      about: expect.stringContaining('the kernel has none'),
    });
    rmSync(directory, { recursive: true });
  });
});

describe('what peers print', () => {
  it('of testpmd, the accumulated count', () => {
    const port = '  ------ Forward statistics for port 0  ------\n  RX-packets: 111  RX-dropped: 0\n';
    const all = '  +++++++ Accumulated forward statistics for all ports+++++++++\n  RX-packets: 98765  RX-dropped: 0\n';
    expect(receivedPackets(port + all)).toBe(98765);
    expect(() => receivedPackets(port)).toThrow('no statistics');
  });

  it('of OVS, packets and measured time', () => {
    const text = 'Measurement duration: 3.007 s\n\n  Rx packets:   53469760  (17782 Kpps, 146 cycles/pkt)\n';
    expect(perfSample(text)).toEqual({ packets: 53469760, ns: 3.007e9 });
    expect(() => perfSample('pmd thread numa_id 0')).toThrow('no packet counts');
  });

  it('names what is missing, and how to get it', () => {
    expect(missingPrograms(['sh'], 'dash')).toBeNull();
    expect(missingPrograms(['sh', 'no-such-program'], 'such')).toBe(
      'no-such-program not installed (apt-get install such)',
    );
  });
});

/** The demo, judged by captures and tshark rather than by itself. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasTool, NEEDS_TSHARK, vectorsFolder } from '../peers.js';
import { readFrames } from '../wire/pcap.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-demo-'));
const overlane = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
const bytes = (file: string) => readFrames(file).map((frame) => Buffer.from(frame.bytes).toString('hex'));

describe('overlane demo', () => {
  let summary: Record<string, unknown>;

  beforeAll(() => {
    const { status, stdout, stderr } = overlane('demo', '--json', '--out', folder);
    expect(status, stderr).toBe(0);
    summary = JSON.parse(stdout) as Record<string, unknown>;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('delivers the frames that the kernel delivered, byte for byte, in order', () => {
    const kernel = bytes(join(vectorsFolder, 'c2-eth0.pcap'));
    expect(kernel.length).toBe(275);
    expect(bytes(join(folder, 'inner.pcapng'))).toEqual(kernel);
    expect(summary).toMatchObject({ framesIn: 360, vxlan: 275, delivered: 275, deliveredAgain: 275, failures: [] });
  });

  it('encapsulates as the kernel did: the same VXLAN and inner bytes', () => {
    const outer = readFrames(join(vectorsFolder, 'underlay.pcap'))
      .map((frame) => Buffer.from(frame.bytes))
      .filter((frame) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 17 && frame.readUInt16BE(36) === 4789);
    const ours = readFrames(join(folder, 'underlay.pcapng')).map((frame) => Buffer.from(frame.bytes));
    expect(ours.map((frame) => frame.subarray(42).toString('hex'))).toEqual(
      outer.map((frame) => frame.subarray(42).toString('hex')),
    );
    // MACs, addresses and the UDP destination port and length too; source port, ID, DF and checksum are each sender's own.
    const shape = (frame: Buffer) => [
      frame.subarray(0, 18),
      frame.subarray(22, 24),
      frame.subarray(26, 34),
      frame.subarray(36, 40),
    ];
    expect(ours.map((frame) => Buffer.concat(shape(frame)).toString('hex'))).toEqual(
      outer.map((frame) => Buffer.concat(shape(frame)).toString('hex')),
    );
  });

  it('answers ARP as the kernel did, and misses once', () => {
    const arp = bytes(join(vectorsFolder, 'c1-eth0.pcap')).filter((frame) => frame.slice(24, 28) === '0806');
    expect(bytes(join(folder, 'arp.pcapng')).sort()).toEqual(arp.sort());
    expect(arp.filter((frame) => frame.includes('02420a630004'))).not.toEqual([]);
    expect(summary['arp']).toMatchObject({ requests: 3, replies: 1, crossed: 0, misses: [{ ip: '10.99.0.77' }] });
  });

  it.skipIf(!hasTool('tshark'))(`writes outer headers that tshark finds right ${NEEDS_TSHARK}`, () => {
    const fields = ['ip.checksum.status', 'udp.checksum.status', 'vxlan.vni', 'ip.flags.df', '_ws.malformed'];
    const options = [
      '-o',
      'ip.check_checksum:TRUE',
      '-o',
      'udp.check_checksum:TRUE',
      '-T',
      'fields',
      '-E',
      'occurrence=f',
    ];
    const args = ['-n', '-r', join(folder, 'underlay.pcapng'), ...options, ...fields.flatMap((field) => ['-e', field])];
    const lines = execFileSync('tshark', args, { encoding: 'utf8' }).replace(/\n$/, '').split('\n');
    // 1: good; 3: not present, as RFC 7348 asks of an IPv4 underlay.
    expect(new Set(lines)).toEqual(new Set(['1\t3\t4097\t1\t']));
    expect(lines.length).toBe(275);
  });

  it('draws the path and the table for people', () => {
    const { status, stdout } = overlane('demo', '--out', folder);
    expect(status).toBe(0);
    expect(stdout).toMatch(/delivered +275 +✓ 275 of 275 byte for byte/);
    expect(stdout).toMatch(/vxlan_encap .*VNI 4097/);
    expect(stdout).toMatch(/decapsulate +\d+ ns/);
  });

  it('says what to do when it cannot write', () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const { status, stderr } = overlane('demo', '--out', file);
    expect(status).toBe(1);
    expect(stderr).toMatch(/cannot make the folder .*--out/);
  });
});

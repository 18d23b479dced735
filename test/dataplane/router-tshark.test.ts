/** What a router sends, in the eyes of tshark: whole, and every checksum right. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { hasTool, NEEDS_TSHARK, tshark } from '../peers.js';
import { writeFrames } from '../wire/pcap.js';
import { bytes, ethernet, ip4, ip6, ipv4, ipv6, onesComplement, solicitation, station } from './frames.js';
import { lab } from './lab.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-router-'));
afterAll(() => rmSync(folder, { recursive: true }));

const GATEWAY = '02:6f:76:6c:00:01';

function summed(head: Uint8Array, body: Uint8Array, at: number): Uint8Array {
  const sum = onesComplement(bytes(head, body));
  return bytes(body.subarray(0, at), sum >> 8, sum & 255, body.subarray(at + 2));
}

function to(dst: string, protocol: number, body: Uint8Array, at: number, ttl = 64): Uint8Array {
  const six = dst.includes(':');
  const src = six ? 'fd00:9::2' : '10.0.9.2';
  const addresses = six ? bytes(ip6(src), ip6(dst)) : bytes(ip4(src), ip4(dst));
  // ICMP over IPv4 has no pseudo-header.
  const head = protocol === 1 ? bytes() : bytes(addresses, 0, protocol, 0, body.length);
  const payload = (six ? ipv6 : ipv4)({ src, dst, protocol, payload: summed(head, body, at) });
  payload[six ? 7 : 8] = ttl;
  if (!six) payload.set(summed(bytes(), payload.subarray(0, 20).fill(0, 10, 12), 10));
  return ethernet({ dst: GATEWAY, src: station(1), type: six ? 0x86dd : 0x0800, payload });
}

const UDP = bytes('04d2 07d0 0019 0000', new Uint8Array(17).fill(0x5a));

it.skipIf(!hasTool('tshark'))(`routed packets, errors and answers ${NEEDS_TSHARK}`, async () => {
  const sent = [
    '10.0.10.2',
    '10.0.10.77',
    '10.77.0.1',
    '10.0.9.1',
    'fd00:10::2',
    'fd00:10::77',
    'fd77::1',
    'fd00:9::1',
  ];
  const frames = sent.flatMap((dst) => {
    const protocol = dst.includes(':') ? 58 : 1;
    const ping = bytes(protocol === 1 ? 8 : 128, '00 0000 1234 0001', new Uint8Array(33).fill(0xa7));
    return [to(dst, 17, UDP, 6), to(dst, 17, UDP, 6, 1), to(dst, protocol, ping, 2)];
  });
  frames.push(solicitation({ src: 'fd00:9::2', sha: station(1), target: 'fd00:9::1' }));
  const [input, back, out] = ['in', 'back', 'out'].map((name) => join(folder, `${name}.pcap`));
  writeFrames(
    input!,
    frames.map((frame) => ({ bytes: frame })),
  );
  const dataplane = lab();
  const a = dataplane.addPort({ type: 'pcap', name: 'a', read: input!, write: back! });
  const b = dataplane.addPort({ type: 'pcap', name: 'b', write: out! });
  const red = dataplane.addBridge().attach(a);
  const blue = dataplane.addBridge().attach(b);
  for (const ip of ['10.0.10.2', 'fd00:10::2']) blue.addNeighbor({ ip, mac: station(2) });
  dataplane
    .addRouter()
    .addInterface(red, { addresses: ['10.0.9.1/24', 'fd00:9::1/64'] })
    .addInterface(blue, { addresses: ['10.0.10.1/24', 'fd00:10::1/64'] });
  dataplane.run();
  dataplane.flush();
  const checks = ['ip', 'udp', 'icmp', 'icmpv6'].flatMap((name) => ['-e', `${name}.checksum.status`]);
  const list = async (path: string) => {
    const options = ['-o', 'udp.check_checksum:TRUE', '-T', 'fields', '-e', '_ws.malformed', ...checks];
    return (await tshark(path, ...options)).trimEnd().split('\n');
  };
  const [errors, routed] = await Promise.all([list(back!), list(out!)]);
  expect([errors.length, routed.length]).toEqual([21, 4]);
  // 1 is good, 2 was not looked at: in what an error quotes. Fields that are not there are empty.
  for (const line of [...errors, ...routed]) {
    const [malformed, ...statuses] = line.split('\t');
    const there = statuses.filter((status) => status !== '');
    expect(malformed).toBe('');
    expect(there.length).toBeGreaterThan(0);
    for (const status of there) expect(status).toMatch(/^1(,[12])*$/);
  }
});

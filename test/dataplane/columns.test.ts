/** parseBurst: the columns of the native side, and bursts that lie. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Burst, burstOf, Columns, parseBurst, parseStatuses } from '../../src/index.js';
import { addon } from '../../src/native.js';
import { arp, bytes, ethernet, from, ip6, ipv4, ipv6, station, udp, vxlan } from './frames.js';
import { failure, lab, memoryPorts } from './lab.js';

const any = (value: unknown) => value as never;

describe('Columns', () => {
  it('has one typed array for each native column, of the same type, 8-aligned and apart', () => {
    const columns = new Columns(13);
    expect(columns.capacity).toBe(16);
    const views = Object.entries(columns).filter(([, value]) => ArrayBuffer.isView(value)) as [string, Uint8Array][];
    const layout = views.map(([name, view]) => ({
      name,
      type: view.constructor.name.replace('Array', ''),
      length: view.length,
    }));
    const wanted = addon.columnLayout.map(({ name, type, perPacket }) => ({ name, type, length: 16 * perPacket }));
    expect(layout.sort((a, b) => a.name.localeCompare(b.name))).toEqual(
      wanted.sort((a, b) => a.name.localeCompare(b.name)),
    );
    const spans = views
      .map(([, view]) => [view.byteOffset, view.byteOffset + view.byteLength] as const)
      .sort((a, b) => a[0] - b[0]);
    spans.forEach(([start], i) => {
      expect(start % 8).toBe(0);
      if (i > 0) expect(start).toBeGreaterThanOrEqual(spans[i - 1]![1]);
    });
    expect(spans.at(-1)?.[1]).toBeLessThanOrEqual(columns.buffer.byteLength);
  });

  it('declares every column that the native side has', () => {
    const source = readFileSync(new URL('../../src/dataplane/columns.ts', import.meta.url), 'utf8');
    const declared = [...source.matchAll(/^ {2}readonly (\w+)!: (\w+)Array;$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    expect(declared.sort()).toEqual(addon.columnLayout.map(({ name, type }) => `${name} ${type}`).sort());
  });

  it.each([0, -1, 1.5, 2 ** 24 + 1, Number.NaN, '8'])('refuses the capacity %s', (capacity) => {
    expect(failure(() => new Columns(any(capacity)))).toMatchObject({
      code: 'ERR_OVERLANE_OPTION',
      message: expect.stringContaining('capacity of Columns'),
    });
  });
});

describe('parseBurst', () => {
  const payload = new Uint8Array(20);
  const list = [
    ethernet({
      dst: station(2),
      src: station(1),
      vlan: 100,
      type: 0x800,
      payload: ipv4({ src: '10.0.0.1', dst: '10.255.0.2', payload: udp({ src: 1000, dst: 53, payload }) }),
    }),
    ethernet({
      dst: station(4),
      src: station(3),
      type: 0x86dd,
      payload: ipv6({
        src: '2001:db8::1',
        dst: '2001:db8::2',
        payload: udp({ src: 50000, dst: 4789, payload: vxlan(0xabcdef, from(5, 6)) }),
      }),
    }),
    arp({ op: 1, sha: station(1), spa: '10.0.0.1', tpa: '10.0.0.2' }),
    from(1, 2).subarray(0, 13),
  ];

  it('fills a row for each packet', () => {
    const c = parseBurst(burstOf(list));
    expect(c.count).toBe(4);
    expect([...c.status.slice(0, 4)].map((status) => parseStatuses[status])).toEqual([
      'ok',
      'ok',
      'ok',
      'ethernet_truncated',
    ]);
    expect([...c.etherType.slice(0, 3)]).toEqual([0x800, 0x86dd, 0x806]);
    expect([...c.vlan.slice(0, 3)]).toEqual([100, 0xffff, 0xffff]);
    expect([...c.flags.slice(0, 3)]).toEqual([4, 0, 0]);
    expect([...c.srcMac.slice(0, 2)]).toEqual([0x020000000001, 0x020000000003]);
    expect([...c.dstMac.slice(0, 3)]).toEqual([0x020000000002, 0x020000000004, 0xffffffffffff]);
    expect([...c.ipVersion.slice(0, 3)]).toEqual([4, 6, 0]);
    expect([...c.srcIp.slice(0, 2)]).toEqual([0x0a000001, 0]);
    expect([...c.dstIp.slice(0, 2)]).toEqual([0x0aff0002, 0]);
    expect(c.srcIp6.slice(16, 32)).toEqual(ip6('2001:db8::1'));
    expect(c.dstIp6.slice(16, 32)).toEqual(ip6('2001:db8::2'));
    expect([...c.protocol.slice(0, 3)]).toEqual([17, 17, 0]);
    expect([...c.srcPort.slice(0, 3)]).toEqual([1000, 50000, 0]);
    expect([...c.dstPort.slice(0, 3)]).toEqual([53, 4789, 0]);
    expect([...c.l3Offset.slice(0, 3)]).toEqual([18, 14, 14]);
    expect([...c.l4Offset.slice(0, 3)]).toEqual([38, 54, 0]);
    expect([...c.payloadOffset.slice(0, 3)]).toEqual([46, 62, 0]);
    expect([...c.vni.slice(0, 3)]).toEqual([-1, 0xabcdef, -1]);
    expect(c.flowHash[0]).not.toBe(c.flowHash[1]);
  });

  it('fills the same columns again, and says how many', () => {
    const columns = new Columns(8);
    expect(parseBurst(burstOf(list), columns)).toBe(columns);
    parseBurst(burstOf(list.slice(1, 2)), columns);
    expect([columns.count, columns.vni[0], columns.ipVersion[0]]).toEqual([1, 0xabcdef, 6]);
    expect(parseBurst(burstOf([]), columns).count).toBe(0);
    expect(failure(() => parseBurst(burstOf(Array.from({ length: 9 }, () => from(1, 2))), columns)).message).toContain(
      'the burst has 9 packets, but the columns have room for 8: new Columns(9)',
    );
  });

  const good = burstOf([from(1, 2), from(3, 4)]);
  const lies: [string, unknown, RegExp][] = [
    ['nothing', undefined, /takes a burst or a list of Uint8Array, not undefined/],
    ['data of another type', { ...good, data: [1] }, /'data' of the burst must be a Uint8Array/],
    ['offsets of another type', { ...good, offsets: [0, 60] }, /'offsets' of the burst must be a Uint32Array/],
    [
      'lengths of another type',
      { ...good, lengths: new Uint16Array(2) },
      /'lengths' of the burst must be a Uint32Array/,
    ],
    ['too large a count', { ...good, count: 3 }, /'count' of the burst must be a whole number from 0 to 2/],
    ['half a count', { ...good, count: 0.5 }, /'count'/],
    ['a negative count', { ...good, count: -1 }, /'count'/],
    [
      'fewer lengths',
      { ...good, lengths: new Uint32Array(1) },
      /'count' of the burst must be a whole number from 0 to 1/,
    ],
    ['an offset outside', { ...good, offsets: Uint32Array.of(0, 61) }, /frame 1 lies outside the burst's data/],
    ['a length that wraps', { ...good, lengths: Uint32Array.of(60, 0xffffffff) }, /frame 1 lies outside/],
    ['frames that are none', [from(1, 2), 'x'], /frame 1 must be a Uint8Array, not "x"/],
  ];

  it.each(lies)('parseBurst and inject refuse %s', (_, burst, words) => {
    const [port] = memoryPorts(lab(), 'a');
    for (const call of [() => parseBurst(any(burst)), () => port!.inject(any(burst))]) {
      const { code, message } = failure(call);
      expect(message).toMatch(words);
      expect(code).toBe('ERR_OVERLANE_OPTION');
    }
  });

  it('inject refuses fewer timestamps than frames', () => {
    const [port] = memoryPorts(lab(), 'a');
    const burst: Burst = { ...good, timestamps: new BigInt64Array(1) };
    expect(failure(() => port!.inject(burst)).message).toMatch(
      /'timestamps' of the burst must be a BigInt64Array with one for each of the 2 frames/,
    );
  });

  it('keeps to the view that it was given', () => {
    const whole = bytes(new Uint8Array(100).fill(0xff), from(1, 2), new Uint8Array(100).fill(0xff));
    const view = whole.subarray(100, 160);
    const columns = parseBurst({ data: view, offsets: Uint32Array.of(0), lengths: Uint32Array.of(60), count: 1 });
    expect(columns.srcMac[0]).toBe(0x020000000001);
  });
});

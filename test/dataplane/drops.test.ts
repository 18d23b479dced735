/** Every reason to drop a packet, provoked: where it is not the subject of another test. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeCounters } from '../../src/index.js';
import { bytes, ethernet, from, station } from './frames.js';
import { drops, hex, lab, memoryPorts, send, total } from './lab.js';

function pair() {
  const dataplane = lab();
  const [a, b] = memoryPorts(dataplane, 'a', 'b');
  dataplane.addBridge().attach(a!).attach(b!);
  return { dataplane, a: a!, b: b! };
}

describe('dropped', () => {
  it.each<[string, Uint8Array, string]>([
    ['a source MAC that is a group', ethernet({ dst: station(2), src: '01:00:5e:00:00:01' }), 'drop_source_invalid'],
    ['a source MAC of zero', ethernet({ dst: station(2), src: '00:00:00:00:00:00' }), 'drop_source_invalid'],
    ['a runt', from(1, 2).subarray(0, 13), 'drop_malformed'],
    ['an empty frame', new Uint8Array(0), 'drop_malformed'],
    ['a tag that is cut', bytes(from(1, 2).subarray(0, 12), '8100 00'), 'drop_malformed'],
    ['a spanning tree packet', ethernet({ dst: '01:80:c2:00:00:00', src: station(1) }), 'drop_link_local'],
    ['LLDP', ethernet({ dst: '01:80:c2:00:00:0e', src: station(1) }), 'drop_link_local'],
  ])('%s', (_, frame, reason) => {
    const { dataplane, a } = pair();
    expect(send(dataplane, a, [frame, from(1, 2)])).toEqual({ b: [hex(from(1, 2))] });
    expect(drops(dataplane)).toEqual({ [reason]: 1 });
  });

  it('alone on a bridge, or on none', () => {
    const dataplane = lab();
    const [a, b] = memoryPorts(dataplane, 'a', 'b');
    dataplane.addBridge().attach(a!);
    send(dataplane, a!, [from(1, 2)]);
    send(dataplane, b!, [from(1, 2)]);
    expect(drops(dataplane)).toEqual({ drop_no_receiver: 1, drop_no_destination: 1 });
  });

  it('not for what is wrong above Ethernet: that is forwarded, and counted', () => {
    const { dataplane, a } = pair();
    const broken = ethernet({ dst: station(2), src: station(1), type: 0x800, payload: new Uint8Array(5).fill(0x45) });
    expect(send(dataplane, a, [broken])).toEqual({ b: [hex(broken)] });
    expect(total(dataplane, 'l3_malformed')).toBe(1);
  });
});

it('every reason is in some test', () => {
  // Those of live ports are in native tests.
  const all = ['./', '../cli/', '../live/', '../../native/test/'].flatMap((path) => {
    const folder = new URL(path, import.meta.url);
    const tests = readdirSync(folder).filter((file) => /\.test\.ts$|^test_.*\.cc$/.test(file));
    return tests.map((file) => readFileSync(new URL(file, folder), 'utf8'));
  });
  const reasons = describeCounters().filter(({ kind }) => kind === 'drop');
  expect(reasons.map(({ name }) => name).filter((name) => !all.join('\n').includes(name))).toEqual([]);
});

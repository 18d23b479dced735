/** Topology files: what is wrong, where; and the dataplane that comes of a right one. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { buildTopology, parseTopology, readTopology } from '../../src/index.js';
import { vectorsFolder } from '../peers.js';
import { failure, watch } from './lab.js';
import { GOOD, MISTAKES } from './topologies.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-topology-'));
afterAll(() => rmSync(folder, { recursive: true }));

const build = (source: string) => buildTopology(parseTopology(source, { file: 't.yaml', folder }));

describe('a right topology', () => {
  it('becomes calls of the API', () => {
    const dataplane = watch(build(GOOD));
    expect([...dataplane.ports.values()].map(({ name, type, mtu }) => [name, type, mtu])).toEqual([
      ['c1', 'memory', 1450],
      ['c2', 'memory', 65535],
      ['wire', 'memory', 65535],
    ]);
    expect(dataplane.underlays.get('u0')).toMatchObject({
      local: '192.168.77.2',
      mac: '02:00:00:00:00:02',
      udpPort: 4789,
    });
    const bridge = dataplane.bridges.get('br0');
    expect(bridge?.vnis).toEqual([
      { vlan: null, vni: 4097 },
      { vlan: 100, vni: 5000 },
    ]);
    expect(bridge?.ports.map(({ name }) => name)).toEqual(['c1', 'c2']);
    expect(bridge?.fdb().map(({ mac, vlan, port, vtep }) => [mac, vlan, port ?? vtep])).toEqual([
      ['02:00:00:00:00:11', 100, 'c1'],
      ['02:42:0a:63:00:04', 100, '192.168.77.1'],
      ['02:00:00:00:00:22', null, 'c2'],
      ['02:42:0a:63:00:04', null, '192.168.77.1'],
    ]);
    expect(bridge?.neighbors().map(({ ip }) => ip)).toEqual(['10.0.0.9', '10.99.0.4']);
  });

  it('may be JSON, and may be nearly empty', () => {
    const dataplane = watch(
      build('{\n\t"ports": { "a": { "type": "memory" } },\n\t"bridges": { "b": { "ports": ["a"] } }\n}\n'),
    );
    expect(dataplane.bridges.get('b')?.ports).toHaveLength(1);
    expect(watch(build('{}')).run()).toBe(0);
  });

  it('the files in docs/ are right, and their blocks of YAML in topology.md too', () => {
    const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
    const examples = readdirSync(join(docs, 'topologies'));
    expect(examples).toContain('docker-swarm.yaml');
    for (const name of examples) readTopology(join(docs, 'topologies', name));
    const blocks = [...readFileSync(join(docs, 'topology.md'), 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)];
    expect(blocks.length).toBeGreaterThan(0);
    for (const [, block] of blocks) parseTopology(block ?? '', { file: 'topology.md' });
  });

  it('paths start at the folder of the file', () => {
    writeFileSync(join(folder, 'in.pcap'), readFileSync(join(vectorsFolder, 'c2-eth0.pcap')));
    const file = join(folder, 'relative.yaml');
    writeFileSync(file, 'ports: { a: { type: pcap, read: in.pcap, write: out.pcapng } }');
    const dataplane = watch(buildTopology(readTopology(file)));
    expect(dataplane.ports.get('a')).toMatchObject({
      read: join(folder, 'in.pcap'),
      write: join(folder, 'out.pcapng'),
    });
    expect(existsSync(join(folder, 'out.pcapng'))).toBe(true);
  });
});

describe('a wrong topology', () => {
  it.each(MISTAKES)('says where: %s', (_, [find, replace], code, words) => {
    const source = GOOD.replace(find, replace);
    expect(source).not.toBe(GOOD);
    const error = failure(() => build(source));
    expect(error.message).toMatch(words);
    expect(error.code).toBe(code);
  });

  it.each([
    ['nothing', '', /^t\.yaml: a topology is an object with ports, underlays, bridges and peers, not null/],
    ['a list', '- a', /not \[ 'a' \]/],
    ['a word', 'hello', /not "hello"/],
    ['two documents', '{}\n---\n{}\n', /t\.yaml/],
    ['an alias without anchor', 'ports: *x', /t\.yaml/],
    [
      'ports of null',
      'ports: { a: null }',
      /'type' of the port must be one of 'memory', 'pcap', 'tap', 'packet', 'xdp', not undefined/,
    ],
    ['a bridge of null', 'bridges: { a: null }', /bridges\.a: must be an object, not null/],
    ['__proto__', '{"ports": {"__proto__": {"type": "memory"}}}', /the name must be/],
  ])('refuses %s', (_, source, words) => {
    const { code, message } = failure(() => build(source));
    expect(message).toMatch(words);
    expect(code).toBe('ERR_OVERLANE_TOPOLOGY');
  });

  it('does not blow up on a bomb of aliases', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `a${i}: &a${i} [${
          i === 0
            ? 'x'
            : Array(10)
                .fill(`*a${i - 1}`)
                .join(', ')
        }]`,
    );
    expect(failure(() => build(levels.join('\n'))).code).toBe('ERR_OVERLANE_TOPOLOGY');
  });

  it('a VNI on two bridges needs the name of one', () => {
    const two = `
ports: { w: { type: memory } }
underlays:
  a: { type: frame, port: w, mac: "02:00:00:00:00:01", local: 192.168.77.1 }
  b: { type: frame, port: w, mac: "02:00:00:00:00:02", local: 192.168.77.2 }
bridges: { x: { vni: 7, underlay: a }, y: { vni: 7, underlay: b } }
peers: [{ vni: 7, mac: "02:00:00:00:00:09", vtep: 192.168.77.9 }]`;
    expect(failure(() => build(two)).message).toBe(
      "t.yaml:7:11: peers[0].vni: VNI 7 is on the bridges x, y; say which with 'bridge'",
    );
    const dataplane = watch(build(two.replace('[{ vni', '[{ bridge: y, vni')));
    expect([...dataplane.bridges.values()].map((bridge) => bridge.fdb().length)).toEqual([0, 1]);
  });

  it('replaces no file when anything in it is wrong', () => {
    const write = join(folder, 'precious.pcapng');
    writeFileSync(write, 'precious');
    const ports = (rest: string) => `ports: { a: { type: pcap, write: precious.pcapng }, ${rest} }`;
    const wrong = [
      ports('b: { type: pcap, read: nowhere.pcap }'),
      ports('b: { type: memory, mtu: 1 }'),
      `${ports('b: { type: memory }')}\nbridges: { br: { ports: [a, a] } }`,
      `${ports('b: { type: memory }')}\npeers: [{ vni: 5, mac: "02:00:00:00:00:01", vtep: 10.0.0.1 }]`,
    ];
    const codes = wrong.map((source) => failure(() => build(source)).code);
    expect(codes).toEqual([
      'ERR_OVERLANE_MISSING',
      'ERR_OVERLANE_TOPOLOGY',
      'ERR_OVERLANE_TOPOLOGY',
      'ERR_OVERLANE_TOPOLOGY',
    ]);
    expect(readFileSync(write, 'utf8')).toBe('precious');
  });

  it('a file that is not there, or a folder', () => {
    expect(failure(() => readTopology('/nowhere/t.yaml'))).toEqual({
      code: 'ERR_OVERLANE_MISSING',
      message: 'cannot read the topology /nowhere/t.yaml: no such file; check the path',
    });
    expect(failure(() => readTopology(folder)).code).toBe('ERR_OVERLANE_SYSTEM');
  });
});

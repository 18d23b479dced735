/** Wrong options of live ports and of `udp` underlays: nothing here needs privileges, nor opens an interface. */
import { describe, expect, it } from 'vitest';
import { Dataplane, type DataplaneOptions, type ErrorCode } from '../../src/index.js';
import { vectorsFolder } from '../peers.js';
import { station } from './frames.js';
import { failure, lab, memoryPorts, watch } from './lab.js';
import { any, expectRefusal, type Options } from './refusal.js';

const live = (options: DataplaneOptions = {}) => watch(new Dataplane({ packets: { small: 512 }, ...options }));

describe('addPort', () => {
  it.each<[string, unknown, ErrorCode, RegExp]>([
    [
      'no interface',
      { type: 'tap' },
      'ERR_OVERLANE_OPTION',
      /port type 'tap' needs 'interface', the name of the interface/,
    ],
    ['no interface for AF_PACKET', { type: 'packet' }, 'ERR_OVERLANE_OPTION', /port type 'packet' needs 'interface'/],
    [
      'a long interface',
      { type: 'tap', name: 'sixteen-letters-' },
      'ERR_OVERLANE_OPTION',
      /"sixteen-letters-" is no name of an interface \(without 'interface', 'name' is the interface's\); give 1 to 15 bytes/,
    ],
    [
      'a template',
      { type: 'tap', interface: 'tap%d' },
      'ERR_OVERLANE_OPTION',
      /'interface' of addPort must be the name/,
    ],
    [
      'a slash',
      { type: 'packet', interface: 'c1/eth0' },
      'ERR_OVERLANE_OPTION',
      /'interface' of addPort must be the name/,
    ],
    ['dots', { type: 'xdp', interface: '..' }, 'ERR_OVERLANE_OPTION', /'interface' of addPort must be the name/],
    [
      '16 bytes in 8 letters',
      { type: 'tap', interface: 'éééééééé' },
      'ERR_OVERLANE_OPTION',
      /is no name of an interface; give/,
    ],
    [
      'an odd port name',
      { type: 'tap', interface: 'eth0', name: 'a b' },
      'ERR_OVERLANE_OPTION',
      /'name' of addPort must be a name of 1 to 64 letters/,
    ],
    [
      'a name taken',
      { type: 'tap', interface: 'eth0', name: 'm' },
      'ERR_OVERLANE_EXISTS',
      /there is a port 'm' already/,
    ],
    [
      'a relative namespace',
      { type: 'tap', name: 'eth0', netns: 'netns/c1' },
      'ERR_OVERLANE_OPTION',
      /'netns' of addPort must be an absolute path, such as \/run\/netns\/c1, or the name/,
    ],
    ['no namespace', { type: 'tap', name: 'eth0', netns: '' }, 'ERR_OVERLANE_OPTION', /'netns' of addPort must be/],
    [
      'a group MAC',
      { type: 'tap', name: 'eth0', mac: '01:00:5e:00:00:01' },
      'ERR_OVERLANE_OPTION',
      /is a group address/,
    ],
    [
      'an address without length',
      { type: 'tap', name: 'eth0', addresses: ['10.0.0.2'] },
      'ERR_OVERLANE_OPTION',
      /'addresses\[0\]' of addPort: "10.0.0.2" has no prefix length; write address and length/,
    ],
    [
      'a group address',
      { type: 'tap', name: 'eth0', addresses: ['10.0.0.2/24', 'ff02::1/64'] },
      'ERR_OVERLANE_OPTION',
      /'addresses\[1\]' of addPort: ff02::1 is a multicast address/,
    ],
    [
      'one address',
      { type: 'tap', name: 'eth0', addresses: '10.0.0.2/24' },
      'ERR_OVERLANE_OPTION',
      /must be a list of addresses/,
    ],
    [
      'a route in words',
      { type: 'tap', name: 'eth0', routes: ['default via 10.0.0.1'] },
      'ERR_OVERLANE_OPTION',
      /'routes' of addPort must be a list of \{ to, via \}/,
    ],
    [
      'a route with host bits',
      { type: 'tap', name: 'eth0', routes: [{ to: '10.1.2.3/15' }] },
      'ERR_OVERLANE_OPTION',
      /'routes\[0\]' of addPort: 'to' is 10.1.2.3\/15, which has host bits; write 10.0.0.0\/15/,
    ],
    [
      'a route over another IP version',
      { type: 'tap', name: 'eth0', routes: [{ to: '10.1.0.0/16', via: 'fe80::1' }] },
      'ERR_OVERLANE_OPTION',
      /'via' fe80::1 is IPv6, but the destination 10.1.0.0\/16 is IPv4/,
    ],
    [
      'a small MTU',
      { type: 'tap', name: 'eth0', mtu: 67 },
      'ERR_OVERLANE_OPTION',
      /'mtu' of addPort must be a whole number from 68 to 65521/,
    ],
    ['a large MTU', { type: 'tap', name: 'eth0', mtu: 65522 }, 'ERR_OVERLANE_OPTION', /'mtu'/],
    [
      'two queues of one worker',
      { type: 'tap', name: 'eth0', queues: 2 },
      'ERR_OVERLANE_OPTION',
      /'queues' of addPort is 2; it must be 1/,
    ],
    [
      'offload in words',
      { type: 'tap', name: 'eth0', offload: 'on' },
      'ERR_OVERLANE_OPTION',
      /'offload' of addPort must be true or false/,
    ],
    ['a large super-frame', { type: 'tap', name: 'eth0', gsoMaxSize: 65537 }, 'ERR_OVERLANE_OPTION', /'gsoMaxSize'/],
    [
      'a small ring',
      { type: 'packet', interface: 'eth0', ringBytes: 1 },
      'ERR_OVERLANE_OPTION',
      /'ringBytes' of addPort must be a whole number from 65536/,
    ],
    [
      'an MTU of what is there',
      { type: 'packet', interface: 'eth0', mtu: 1500 },
      'ERR_OVERLANE_OPTION',
      /unknown option 'mtu'/,
    ],
    [
      'an unknown XDP mode',
      { type: 'xdp', interface: 'eth0', mode: 'drv' },
      'ERR_OVERLANE_OPTION',
      /'mode' of addPort must be 'auto' or 'copy' or 'zero-copy'/,
    ],
    [
      'odd frames',
      { type: 'xdp', interface: 'eth0', frames: 4095 },
      'ERR_OVERLANE_OPTION',
      /'frames' of addPort must be a power of two from 128 to 131072/,
    ],
    [
      'a misspelt option',
      { type: 'tap', name: 'eth0', adresses: [] },
      'ERR_OVERLANE_OPTION',
      /did you mean 'addresses'/,
    ],
    [
      'a capture to read',
      { type: 'pcap', read: `${vectorsFolder}/c2-eth0.pcap` },
      'ERR_OVERLANE_OPTION',
      /a live dataplane cannot 'read' a capture.*or use mode 'manual'/,
    ],
  ])('refuses %s', (_, options, code, words) => {
    const dataplane = live();
    memoryPorts(dataplane, 'm');
    expectRefusal(dataplane, () => dataplane.addPort(any(options)), code, words);
  });

  it.each(['memory', 'xdp'])('a %s port is for one worker', (type) => {
    const dataplane = live({ workers: [{}, {}] });
    const add = () => dataplane.addPort(any({ type, interface: 'lo' }));
    expectRefusal(
      dataplane,
      add,
      'ERR_OVERLANE_UNSUPPORTED',
      /works with one worker only, and this dataplane has 2; use one worker/,
    );
  });

  it('a namespace that is not there is named', () => {
    const dataplane = live();
    const add = () => dataplane.addPort({ type: 'packet', interface: 'lo', netns: 'ovl-nowhere' });
    expectRefusal(dataplane, add, 'ERR_OVERLANE_MISSING', /port 'lo': .*\/run\/netns\/ovl-nowhere/);
  });
});

describe('addUnderlay', () => {
  it.each<[string, Options, ErrorCode, RegExp]>([
    ['no local address', { local: undefined }, 'ERR_OVERLANE_OPTION', /'local' of addUnderlay/],
    [
      'a prefix',
      { local: '127.0.0.1/8' },
      'ERR_OVERLANE_OPTION',
      /'local' of addUnderlay: "127.0.0.1\/8" is not an IP address/,
    ],
    [
      'a low port',
      { port: 1023 },
      'ERR_OVERLANE_OPTION',
      /'port' of addUnderlay must be a whole number from 1024 to 49151, not 1023/,
    ],
    ['a high port', { udpPort: 49152 }, 'ERR_OVERLANE_OPTION', /'udpPort' of addUnderlay/],
    [
      'two ports',
      { port: 4789, udpPort: 8472 },
      'ERR_OVERLANE_OPTION',
      /'port' and 'udpPort' of addUnderlay differ: 4789 and 8472/,
    ],
    ['a port of the dataplane', { port: {} }, 'ERR_OVERLANE_OPTION', /'port' of addUnderlay must be a whole number/],
    ['TTL 0', { ttl: 0 }, 'ERR_OVERLANE_OPTION', /'ttl'/],
    ['a small MTU', { mtu: 117 }, 'ERR_OVERLANE_OPTION', /'mtu' of addUnderlay/],
    [
      'a small MTU for IPv6',
      { mtu: 1279, local: '::1' },
      'ERR_OVERLANE_OPTION',
      /must be at least 1280 bytes over IPv6, not 1279/,
    ],
    [
      'three source ports',
      { sourcePorts: 3 },
      'ERR_OVERLANE_OPTION',
      /'sourcePorts' of addUnderlay must be a power of two from 1 to 64, not 3/,
    ],
    ['a tiny buffer', { receiveBuffer: 1 }, 'ERR_OVERLANE_OPTION', /'receiveBuffer'/],
    ['a MAC', { mac: station(1) }, 'ERR_OVERLANE_OPTION', /unknown option 'mac' of addUnderlay/],
    [
      'the name of a port',
      { name: 'm' },
      'ERR_OVERLANE_EXISTS',
      /there is a port 'm' already, and a udp underlay has counters/,
    ],
    [
      'a namespace that is not there',
      { netns: 'ovl-nowhere' },
      'ERR_OVERLANE_MISSING',
      /underlay 'udp0': .*\/run\/netns\/ovl-nowhere/,
    ],
  ])('refuses %s', (_, options, code, words) => {
    const dataplane = live();
    memoryPorts(dataplane, 'm');
    const all = { type: 'udp', local: '127.0.0.1', ...options };
    expectRefusal(dataplane, () => dataplane.addUnderlay(any(all)), code, words);
  });

  it('udp is for live dataplanes', () => {
    const dataplane = lab();
    const add = () => dataplane.addUnderlay({ type: 'udp', local: '127.0.0.1' });
    expectRefusal(dataplane, add, 'ERR_OVERLANE_OPTION', /underlay type 'udp' needs a live dataplane/);
  });

  it('udp sockets have a row of counters under their name, and give it back', () => {
    const dataplane = live();
    const underlay = dataplane.addUnderlay({
      type: 'udp',
      name: 'u',
      local: '127.0.0.1',
      port: 20_000 + (process.pid % 20_000),
    });
    expect(underlay).toMatchObject({ type: 'udp', family: 4, local: '127.0.0.1', netns: null });
    expect(underlay.mtu).toBeGreaterThan(1499);
    expect(Object.keys(dataplane.counters().ports)).toEqual(['u']);
    expect(dataplane.ports.size).toBe(0);
    expect(failure(() => dataplane.addPort({ type: 'memory', name: 'u' }))).toEqual({
      code: 'ERR_OVERLANE_EXISTS',
      message: "there is a udp underlay 'u' already; choose another name",
    });
    const bridge = dataplane.addBridge({ vni: 5, underlay });
    expect(failure(() => underlay.close()).code).toBe('ERR_OVERLANE_BUSY');
    bridge.close();
    underlay.close();
    underlay.close();
    expect(failure(() => underlay.error).code).toBe('ERR_OVERLANE_CLOSED');
    expect(Object.keys(dataplane.counters().ports)).toEqual([]);
    dataplane.addPort({ type: 'memory', name: 'u' });
  });
});

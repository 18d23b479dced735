/** Wrong options of addUnderlay. */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/index.js';
import { station } from './frames.js';
import { lab, memoryPorts } from './lab.js';
import { any, expectRefusal, type Options, site } from './refusal.js';

describe('addUnderlay', () => {
  it.each<[string, Options, ErrorCode, RegExp]>([
    [
      'the other type, with the options of this',
      { type: 'udp' },
      'ERR_OVERLANE_OPTION',
      /unknown option 'mac' of addUnderlay/,
    ],
    [
      'a prefix length too large',
      { local: '10.0.0.1/33' },
      'ERR_OVERLANE_OPTION',
      /'local' of addUnderlay: .*from 0 to 32/,
    ],
    [
      'a gateway without a prefix length',
      { gateway: '192.168.77.9' },
      'ERR_OVERLANE_OPTION',
      /needs 'local' with a prefix length, as in '192.168.77.9\/24'/,
    ],
    [
      'a gateway of the other IP version',
      { local: '10.0.0.1/24', gateway: '2001:db8::1' },
      'ERR_OVERLANE_OPTION',
      /2001:db8::1 is IPv6, but 'local' is IPv4/,
    ],
    [
      'a gateway elsewhere',
      { local: '10.0.0.1/24', gateway: '10.0.1.1' },
      'ERR_OVERLANE_OPTION',
      /10.0.1.1 is not in 10.0.0.0\/24, the network of 'local'/,
    ],
    ['itself for a gateway', { local: '10.0.0.1/24', gateway: '10.0.0.1' }, 'ERR_OVERLANE_OPTION', /is 'local' itself/],
    [
      'a group for a gateway',
      { local: '10.0.0.1/24', gateway: '239.0.0.1' },
      'ERR_OVERLANE_OPTION',
      /'gateway' of addUnderlay: 239.0.0.1 is a multicast/,
    ],
    [
      'a misspelt type',
      { type: 'fram' },
      'ERR_OVERLANE_OPTION',
      /unknown underlay type 'fram' of addUnderlay; did you mean 'frame'/,
    ],
    [
      'no port',
      { port: undefined },
      'ERR_OVERLANE_OPTION',
      /'port' of addUnderlay must be an open port of this dataplane, not undefined/,
    ],
    ['a port number', { port: 4789 }, 'ERR_OVERLANE_OPTION', /must be an open port of this dataplane, not 4789/],
    ['no MAC', { mac: undefined }, 'ERR_OVERLANE_OPTION', /'mac' of addUnderlay.*not a MAC address/],
    [
      'a wrong MAC',
      { mac: '02:00:00:00:00' },
      'ERR_OVERLANE_OPTION',
      /'mac' of addUnderlay: "02:00:00:00:00" is not a MAC address/,
    ],
    [
      'a group MAC',
      { mac: '01:00:5e:00:00:01' },
      'ERR_OVERLANE_OPTION',
      /01:00:5e:00:00:01 is a group address; a station's MAC has an even first byte/,
    ],
    ['a zero MAC', { mac: '00:00:00:00:00:00' }, 'ERR_OVERLANE_OPTION', /is nobody's/],
    ['MAC bytes too few', { mac: new Uint8Array(5) }, 'ERR_OVERLANE_OPTION', /has 6 bytes, not 5/],
    ['a MAC number', { mac: 5 }, 'ERR_OVERLANE_OPTION', /5 is not a MAC address/],
    ['no local address', { local: undefined }, 'ERR_OVERLANE_OPTION', /'local' of addUnderlay/],
    ['a wrong local address', { local: '192.168.77' }, 'ERR_OVERLANE_OPTION', /"192.168.77" is not an IP address/],
    [
      'a multicast local address',
      { local: '239.1.1.1' },
      'ERR_OVERLANE_OPTION',
      /239.1.1.1 is a multicast address; give the address of one host/,
    ],
    ['an unspecified local address', { local: '::' }, 'ERR_OVERLANE_OPTION', /the unspecified address/],
    ['0.0.0.0', { local: '0.0.0.0' }, 'ERR_OVERLANE_OPTION', /0.0.0.0 is in 0.0.0.0\/8/],
    ['broadcast', { local: '255.255.255.255' }, 'ERR_OVERLANE_OPTION', /the broadcast address/],
    ['ff02::1', { local: 'ff02::1' }, 'ERR_OVERLANE_OPTION', /a multicast address/],
    ['a mapped address', { local: '::ffff:10.0.0.1' }, 'ERR_OVERLANE_OPTION', /mapped into IPv6/],
    [
      'a low UDP port',
      { udpPort: 1023 },
      'ERR_OVERLANE_OPTION',
      /'udpPort' of addUnderlay must be a whole number from 1024 to 49151, not 1023/,
    ],
    ['a high UDP port', { udpPort: 49152 }, 'ERR_OVERLANE_OPTION', /'udpPort'/],
    ['TTL 0', { ttl: 0 }, 'ERR_OVERLANE_OPTION', /'ttl' of addUnderlay must be a whole number from 1 to 255/],
    ['TTL 256', { ttl: 256 }, 'ERR_OVERLANE_OPTION', /'ttl'/],
    ['a small MTU', { mtu: 117 }, 'ERR_OVERLANE_OPTION', /'mtu' of addUnderlay must be a whole number from 118/],
    [
      'a small MTU for IPv6',
      { mtu: 1279, local: '2001:db8::1' },
      'ERR_OVERLANE_OPTION',
      /must be at least 1280 bytes over IPv6, not 1279/,
    ],
    [
      "more than the port's MTU",
      { mtu: 9001 },
      'ERR_OVERLANE_OPTION',
      /is 9001, but its port 'x' carries at most 9000 bytes/,
    ],
    [
      'another checksum',
      { checksum: 'none' },
      'ERR_OVERLANE_OPTION',
      /'checksum' of addUnderlay must be 'send' or 'zero', not "none"/,
    ],
    [
      'a neighbor that is none',
      { neighbors: [5] },
      'ERR_OVERLANE_OPTION',
      /'neighbors' of addUnderlay must be a list of \{ ip, mac \}/,
    ],
    ['a neighbor without MAC', { neighbors: [{ ip: '192.168.77.2' }] }, 'ERR_OVERLANE_OPTION', /'neighbors\[0\]/],
    [
      'a neighbor of the other family',
      { neighbors: [{ ip: '2001:db8::1', mac: station(1) }] },
      'ERR_OVERLANE_OPTION',
      /neighbors\[0\].*2001:db8::1 is not IPv4, which the underlay's local 192.168.77.9 is/,
    ],
    [
      'a misspelt option',
      { udpport: 1 },
      'ERR_OVERLANE_OPTION',
      /unknown option 'udpport' of addUnderlay; did you mean 'udpPort'/,
    ],
    ['a name taken', { name: 'u' }, 'ERR_OVERLANE_EXISTS', /there is an? underlay 'u' already/],
  ])('refuses %s', (_, options, code, words) => {
    const { dataplane } = site();
    const x = dataplane.addPort({ type: 'memory', name: 'x', mtu: 9000 });
    const all = { type: 'frame', port: x, mac: station(8), local: '192.168.77.9', ...options };
    expectRefusal(dataplane, () => dataplane.addUnderlay(any(all)), code, words);
  });

  it("refuses a bridge's port, a closed one, a stranger's, and an address in use on the port", () => {
    const { dataplane, a, b, w } = site();
    dataplane.addBridge({ name: 'br' }).attach(a);
    b.close();
    const [stranger] = memoryPorts(lab(), 'stranger');
    const add = (options: Options) => () =>
      dataplane.addUnderlay(any({ type: 'frame', mac: station(8), local: '192.168.77.9', ...options }));
    expectRefusal(
      dataplane,
      add({ port: a }),
      'ERR_OVERLANE_BUSY',
      /port 'a' is attached to bridge 'br'; detach it first/,
    );
    expectRefusal(
      dataplane,
      add({ port: b }),
      'ERR_OVERLANE_OPTION',
      /must be an open port of this dataplane, not 'b'/,
    );
    expectRefusal(dataplane, add({ port: stranger }), 'ERR_OVERLANE_OPTION', /not 'stranger'/);
    expectRefusal(
      dataplane,
      add({ port: w, local: '192.168.77.1' }),
      'ERR_OVERLANE_EXISTS',
      /underlay 'u' receives for 192.168.77.1 port 4789 on port 'w' already/,
    );
    expect(
      dataplane.addUnderlay({ type: 'frame', port: w, mac: station(8), local: '192.168.77.1', udpPort: 4790 }).name,
    ).toBe('frame0');
  });

  it('has the documented defaults', () => {
    const { dataplane, w } = site();
    const x = dataplane.addPort({ type: 'memory', mtu: 1500 });
    const six = dataplane.addUnderlay({ type: 'frame', port: x, mac: station(8), local: '2001:DB8:0::1' });
    expect(six).toMatchObject({ family: 6, local: '2001:db8::1', udpPort: 4789, mtu: 1500, port: x });
    const bytes = dataplane.addUnderlay({
      type: 'frame',
      port: w,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 8),
      local: Uint8Array.of(10, 0, 0, 1),
    });
    expect(bytes).toMatchObject({ family: 4, local: '10.0.0.1', mac: station(8), mtu: 65535 });
  });
});

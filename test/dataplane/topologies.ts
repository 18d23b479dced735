/** A right topology, and what can be wrong with it. */
import type { ErrorCode } from '../../src/index.js';

export const GOOD = `
clock: virtual
burst: 32
ports:
  c1: { type: memory, mtu: 1450 }
  c2: { type: memory }
  wire: { type: memory, discard: true }
underlays:
  u0: { type: frame, port: wire, mac: 02:00:00:00:00:02, local: 192.168.77.2, neighbors: [{ ip: 192.168.77.1, mac: "02:00:00:00:00:01" }] }
bridges:
  br0:
    vni: 4097
    vlans: { 100: 5000 }
    underlay: u0
    ports: [c1, { port: c2, isolated: true, mac: "02:00:00:00:00:22" }]
    proxyArp: true
    unknownUnicast: flood
    ageing: 300
    neighbors: [{ ip: 10.0.0.9, mac: "02:00:00:00:00:09" }]
    fdb: [{ mac: "02:00:00:00:00:11", port: c1, vlan: 100 }]
peers:
  - { vni: 4097, mac: "02:42:0a:63:00:04", ip: 10.99.0.4, vtep: 192.168.77.1 }
  - { vni: 5000, mac: "02:42:0a:63:00:04", vtep: 192.168.77.1 }
`;
/** GOOD with one line changed: what it is, the change, and the message. */
export const MISTAKES: [string, [string, string], ErrorCode, RegExp][] = [
  [
    'an unknown key',
    ['proxyArp', 'proxyARP'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:16:5: bridges\.br0\.proxyARP: unknown key; did you mean 'proxyArp'\?$/,
  ],
  [
    'an unknown section',
    ['peers:', 'pears:'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:21:1: pears: unknown key; did you mean 'peers'\?$/,
  ],
  [
    'a key of the API that is not of the file',
    ['discard: true', 'name: x'],
    'ERR_OVERLANE_TOPOLOGY',
    /ports\.wire\.name: unknown key/,
  ],
  ['a repeated key', ['burst: 32', 'clock: virtual'], 'ERR_OVERLANE_TOPOLOGY', /^t\.yaml:3:1: Map keys must be unique/],
  ['broken YAML', ['ports: [c1,', 'ports: [c1,,'], 'ERR_OVERLANE_TOPOLOGY', /^t\.yaml:15:16: Unexpected , in flow/],
  [
    'a wrong type',
    ['vni: 4097\n', 'vni: "4097"\n'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:12:5: bridges\.br0\.vni: must be a whole number from 1 to 16777215, not "4097"$/,
  ],
  [
    'a VNI over 24 bits',
    ['vni: 4097\n', 'vni: 16777216\n'],
    'ERR_OVERLANE_TOPOLOGY',
    /bridges\.br0\.vni: must be a whole number from 1 to 16777215/,
  ],
  [
    'a wrong VLAN',
    ['{ 100: 5000 }', '{ 4095: 5000 }'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:11:3: bridges\.br0: option 'vlans' of addBridge has the key '4095'/,
  ],
  [
    'a wrong VNI of a VLAN',
    ['{ 100: 5000 }', '{ 100: x }'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:13:14: bridges\.br0\.vlans\[100\]: must be a whole number/,
  ],
  [
    'a wrong MAC',
    ['mac: 02:00:00:00:00:02', 'mac: 02:00:00:00:00'],
    'ERR_OVERLANE_TOPOLOGY',
    /underlays\.u0: option 'mac' of addUnderlay: "02:00:00:00:00" is not a MAC/,
  ],
  [
    'an MTU too small',
    ['mtu: 1450', 'mtu: 60'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:5:23: ports\.c1\.mtu: must be a whole number from 68/,
  ],
  [
    'a wrong name',
    ['c1: {', '"c 1": {'],
    'ERR_OVERLANE_TOPOLOGY',
    /ports\.c 1: the name must be a name of 1 to 64 letters/,
  ],
  [
    'a port that is not there',
    ['ports: [c1,', 'ports: [c3,'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:15:13: bridges\.br0\.ports\[0\]: there is no port 'c3'; did you mean 'c1'\?$/,
  ],
  [
    'an underlay that is not there',
    ['underlay: u0', 'underlay: v0'],
    'ERR_OVERLANE_TOPOLOGY',
    /bridges\.br0\.underlay: there is no underlay 'v0'; did you mean 'u0'/,
  ],
  [
    "an underlay's port that is not there",
    ['port: wire', 'port: wier'],
    'ERR_OVERLANE_TOPOLOGY',
    /underlays\.u0\.port: there is no port 'wier'; did you mean 'wire'/,
  ],
  [
    'a port number for a port',
    ['port: wire', 'port: 4789'],
    'ERR_OVERLANE_TOPOLOGY',
    /underlays\.u0\.port: must be a string, not 4789/,
  ],
  [
    'a port used twice',
    ['port: c2, isolated', 'port: c1, isolated'],
    'ERR_OVERLANE_TOPOLOGY',
    /bridges\.br0\.ports\[1\]: port 'c1' is attached to bridge 'br0'/,
  ],
  [
    'an attachment with an unknown key',
    ['isolated: true', 'isolate: true'],
    'ERR_OVERLANE_TOPOLOGY',
    /bridges\.br0\.ports\[1\]\.isolate: unknown key; did you mean 'isolated'/,
  ],
  [
    'a VNI that no bridge has',
    ['- { vni: 4097', '- { vni: 4098'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:22:7: peers\[0\]\.vni: no bridge has VNI 4098/,
  ],
  [
    'a bridge that is not there',
    ['- { vni: 4097', '- { bridge: br1, vni: 4097'],
    'ERR_OVERLANE_TOPOLOGY',
    /peers\[0\]\.bridge: there is no bridge 'br1'; did you mean 'br0'/,
  ],
  [
    'a peer of this end',
    ['ip: 10.99.0.4, vtep: 192.168.77.1', 'ip: 10.99.0.4, vtep: 192.168.77.2'],
    'ERR_OVERLANE_TOPOLOGY',
    /peers\[0\]: option 'vtep' of addPeer: 192.168.77.2 is this end/,
  ],
  [
    'a peer without VTEP',
    ['mac: "02:42:0a:63:00:04", vtep: 192.168.77.1', 'mac: "02:42:0a:63:00:04"'],
    'ERR_OVERLANE_TOPOLOGY',
    /peers\[1\]\.vtep: is missing; it must be a string/,
  ],
  [
    'a live port',
    ['c1: { type: memory', 'c1: { type: tap'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:2:1: clock: is 'virtual', but port 'c1' is live; leave it out$/,
  ],
  ['a live underlay', ['type: frame', 'type: udp'], 'ERR_OVERLANE_TOPOLOGY', /underlays\.u0\.mac: unknown key/],
  [
    'the real clock',
    ['clock: virtual', 'clock: real'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:2:1: clock: 'real' is for live traffic, but every port here is offline/,
  ],
  [
    'a misspelt type',
    ['c1: { type: memory', 'c1: { type: memroy'],
    'ERR_OVERLANE_TOPOLOGY',
    /unknown port type 'memroy' of the port; did you mean 'memory'/,
  ],
  ['a list for a map', ['ports:\n  c1', 'ports:\n  - c1'], 'ERR_OVERLANE_TOPOLOGY', /t\.yaml:\d+/],
  [
    'a burst too large',
    ['burst: 32', 'burst: 512'],
    'ERR_OVERLANE_TOPOLOGY',
    /^t\.yaml:3:1: burst: must be a whole number from 1 to 256 packets, not 512/,
  ],
];

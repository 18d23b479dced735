/** One literal header of each kind, with what it says: the vectors of the codec tests. */
import { type Arp, decodeArp, encodeArp } from '../../src/wire/arp.js';
import { decodeEsp, encodeEsp } from '../../src/wire/esp.js';
import { decodeEthernet, decodeVlanTag, encodeEthernet, encodeVlanTag } from '../../src/wire/ethernet.js';
import { decodeIcmp, encodeIcmp } from '../../src/wire/icmp.js';
import { decodeIcmpv6, decodeNeighbor, encodeIcmpv6, encodeNeighbor } from '../../src/wire/icmpv6.js';
import { decodeIpv4, encodeIpv4 } from '../../src/wire/ipv4.js';
import { decodeIpv6, encodeIpv6 } from '../../src/wire/ipv6.js';
import { decodeIpv6Extension, encodeIpv6Extension } from '../../src/wire/ipv6-extension.js';
import { decodeTcp, encodeTcp } from '../../src/wire/tcp.js';
import { decodeUdp, encodeUdp } from '../../src/wire/udp.js';
import { decodeVxlan, encodeVxlan } from '../../src/wire/vxlan.js';

export interface Vector {
  name: string;
  bytes: Buffer;
  value: object;
  decode: (bytes: Uint8Array, offset: number) => object | undefined;
  encode: (bytes: Uint8Array, offset: number) => number;
  /** The least bytes that decode to something; `bytes.length` unless given. */
  least?: number;
}

/** Ties a header's codec to its vector; spaces in the hex are for the eye. */
function vector<T extends object>(
  name: string,
  hex: string,
  value: T,
  decode: (bytes: Uint8Array, offset: number) => T | undefined,
  encode: (value: T, bytes: Uint8Array, offset: number) => number,
  least?: number,
): Vector {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const write = (out: Uint8Array, offset: number) => encode(value, out, offset);
  return { name, bytes, value, decode, encode: write, ...(least !== undefined && { least }) };
}

const MAC_1 = '02:42:0a:00:00:01';
const MAC_2 = '02:42:0a:00:00:02';

export const VECTORS: Vector[] = [
  vector(
    'ethernet',
    '02420a000002 02420a000001 0800',
    { destination: MAC_2, source: MAC_1, etherType: 0x0800 },
    decodeEthernet,
    encodeEthernet,
  ),
  vector(
    '802.3',
    '0180c2000000 02420a000001 0026',
    { destination: '01:80:c2:00:00:00', source: MAC_1, length: 38 },
    decodeEthernet,
    encodeEthernet,
  ),
  vector(
    'vlan tag',
    'b064 86dd',
    { tpid: 0x88a8, priority: 5, dropEligible: true, id: 100, etherType: 0x86dd },
    (bytes, offset) => decodeVlanTag(bytes, offset, 0x88a8),
    encodeVlanTag,
  ),
  vector<Arp>(
    'arp',
    '0001 0800 06 04 0002 02420a000001 0a000001 02420a000002 0a000002',
    {
      ...{ hardwareType: 1, protocolType: 0x0800, hardwareLength: 6, protocolLength: 4, operation: 2 },
      ...{ senderMac: MAC_1, senderIp: '10.0.0.1', targetMac: MAC_2, targetIp: '10.0.0.2' },
    },
    decodeArp,
    encodeArp,
    8,
  ),
  vector<Arp>(
    'arp of another kind',
    '0006 0800 06 04 0001',
    { hardwareType: 6, protocolType: 0x0800, hardwareLength: 6, protocolLength: 4, operation: 1 },
    decodeArp,
    encodeArp,
  ),
  vector(
    'ipv4 with an option',
    '46 b9 0020 1234 e01f 40 11 abcd 0a000001 c0a84d02 94040000',
    {
      ...{ version: 4, headerLength: 24, dscp: 46, ecn: 1, totalLength: 32, identification: 0x1234 },
      ...{ reservedFlag: true, dontFragment: true, moreFragments: true, fragmentOffset: 31, ttl: 64, protocol: 17 },
      ...{ checksum: 0xabcd, source: '10.0.0.1', destination: '192.168.77.2', options: Buffer.from('94040000', 'hex') },
    },
    decodeIpv4,
    encodeIpv4,
    20,
  ),
  vector(
    'ipv6',
    '6b 9abcde 0018 3a ff 20010db8000000000000000000000001 fe800000000000000000000000000002',
    {
      ...{ version: 6, dscp: 46, ecn: 1, flowLabel: 0xabcde, payloadLength: 24, nextHeader: 58, hopLimit: 255 },
      ...{ source: '2001:db8::1', destination: 'fe80::2' },
    },
    decodeIpv6,
    encodeIpv6,
  ),
  vector(
    'ipv6 fragment header',
    '11 00 0ff9 deadbeef',
    {
      ...{ type: 44, nextHeader: 17, length: 8 },
      fragment: { offset: 511, moreFragments: true, identification: 0xdeadbeef },
    },
    (bytes, offset) => decodeIpv6Extension(bytes, offset, 44),
    encodeIpv6Extension,
  ),
  vector(
    'icmp',
    '08 00 1c46 0014 0001',
    { type: 8, code: 0, checksum: 0x1c46, rest: 0x00140001 },
    decodeIcmp,
    encodeIcmp,
  ),
  vector(
    'icmpv6',
    '80 00 79ab ffee 0001',
    { type: 128, code: 0, checksum: 0x79ab, rest: 0xffee0001 },
    decodeIcmpv6,
    encodeIcmpv6,
  ),
  vector(
    'neighbor advertisement',
    '88 00 79ab a0000000 fe800000000000000000000000000001',
    {
      ...{ type: 136, code: 0, checksum: 0x79ab, router: true, solicited: false, override: true, target: 'fe80::1' },
    },
    decodeNeighbor,
    encodeNeighbor,
  ),
  vector(
    'udp',
    'c055 12b5 0072 0000',
    { sourcePort: 49237, destinationPort: 4789, length: 114, checksum: 0 },
    decodeUdp,
    encodeUdp,
  ),
  vector(
    'tcp with an option',
    '1f90 d3bc f0000001 80000002 6fff ffff 1234 0005 020405b4',
    {
      ...{ sourcePort: 8080, destinationPort: 54204, sequence: 0xf0000001, acknowledgment: 0x80000002 },
      ...{ headerLength: 24, flags: 0xfff, window: 65535, checksum: 0x1234, urgentPointer: 5 },
      options: Buffer.from('020405b4', 'hex'),
    },
    decodeTcp,
    encodeTcp,
    20,
  ),
  vector('vxlan', '08000000 fedcba 00', { flags: 8, vni: 0xfedcba }, decodeVxlan, encodeVxlan),
  vector('esp', 'f4faae1b 00000007', { spi: 0xf4faae1b, sequence: 7 }, decodeEsp, encodeEsp),
];

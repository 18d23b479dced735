/** Frames with ESP for tests: what is inside, and what carries it. */
import { parseIp } from '../../src/address.js';
import { internetChecksum, pseudoHeaderSum } from '../../src/wire/checksum.js';
import { ESP_UDP_PORT } from '../../src/wire/esp.js';
import { deriveSa, dockerSpi, ratchet, spiHint } from '../../src/wire/esp-keys.js';
import { type EspSa, sealEsp } from '../../src/wire/esp-open.js';
import { encodeEthernet } from '../../src/wire/ethernet.js';
import { encodeIpv4 } from '../../src/wire/ipv4.js';
import { encodeIpv6 } from '../../src/wire/ipv6.js';
import { encodeUdp } from '../../src/wire/udp.js';
import { encodeVxlan } from '../../src/wire/vxlan.js';

export interface Ends {
  source: string;
  destination: string;
}

const MACS = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' };

/** A container's UDP datagram of `length` bytes of payload, in Ethernet and IPv4: 42 bytes more. */
export function innerFrame(length: number): Uint8Array {
  const payload = Uint8Array.from({ length }, (_, i) => i & 0xff);
  return ethernetIp({ source: '10.99.0.2', destination: '10.99.0.4' }, 17, udp(5000, 9, payload));
}

/** A UDP datagram without checksum. */
export function udp(sourcePort: number, destinationPort: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  encodeUdp({ sourcePort, destinationPort, length: bytes.length, checksum: 0 }, bytes);
  bytes.set(payload, 8);
  return bytes;
}

/** The VXLAN datagram that is sealed: 16 bytes and the frame. The UDP checksum is there where IPv6 asks for it. */
export function vxlanDatagram({ source, destination }: Ends, vni: number, frame: Uint8Array): Uint8Array {
  const payload = new Uint8Array(8 + frame.length);
  encodeVxlan({ flags: 8, vni }, payload);
  payload.set(frame, 8);
  const datagram = udp(49_236, 4789, payload);
  const [from, to] = [parseIp(source), parseIp(destination)];
  if (from.length === 16) {
    const checksum = internetChecksum(datagram, pseudoHeaderSum(from, to, 17, datagram.length)) || 0xffff;
    encodeUdp({ sourcePort: 49_236, destinationPort: 4789, length: datagram.length, checksum }, datagram);
  }
  return datagram;
}

/** An Ethernet frame with an IP packet; the version is that of the addresses. */
export function ethernetIp({ source, destination }: Ends, protocol: number, payload: Uint8Array): Uint8Array {
  const version = parseIp(source).length === 4 ? 4 : 6;
  const header = version === 4 ? 20 : 40;
  const frame = new Uint8Array(14 + header + payload.length);
  encodeEthernet({ ...MACS, etherType: version === 4 ? 0x0800 : 0x86dd }, frame);
  if (version === 6) {
    const fields = { version, dscp: 0, ecn: 0, flowLabel: 0, payloadLength: payload.length, nextHeader: protocol };
    encodeIpv6({ ...fields, hopLimit: 64, source, destination }, frame, 14);
  } else {
    const fields = {
      ...{ version, headerLength: 20, dscp: 0, ecn: 0, totalLength: 20 + payload.length, identification: 0 },
      ...{ reservedFlag: false, dontFragment: true, moreFragments: false, fragmentOffset: 0, ttl: 64, protocol },
      ...{ checksum: 0, source, destination, options: new Uint8Array(0) },
    };
    encodeIpv4(fields, frame, 14);
    encodeIpv4({ ...fields, checksum: internetChecksum(frame.subarray(14, 34)) }, frame, 14);
  }
  frame.set(payload, 14 + header);
  return frame;
}

/** The frame of an ESP packet: in UDP from `sourcePort` where that is given, else in IP. */
export function espFrame(ends: Ends, packet: Uint8Array, sourcePort?: number): Uint8Array {
  if (sourcePort === undefined) return ethernetIp(ends, 50, packet);
  return ethernetIp(ends, 17, udp(sourcePort, ESP_UDP_PORT, packet));
}

/** The SA that a node of a Docker Swarm sends with. */
export function dockerSa(secret: Uint8Array, tag: number, { source, destination }: Ends): EspSa {
  const spi = dockerSpi(parseIp(source), parseIp(destination), tag);
  const salt = Uint8Array.of(spi >>> 24, spi >>> 16, spi >>> 8, spi);
  return { spi, key: secret, salt, icvLength: 8, esn: false };
}

/** Of epoch 0, for the frames of profile `strong`. */
export const STRONG_SECRET = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
export const STRONG_ENDS: Ends = { source: '192.0.2.1', destination: '198.51.100.2' };

function stepped(steps: number): Uint8Array {
  let secret: Uint8Array = STRONG_SECRET;
  for (let i = 0; i < steps; i++) secret = ratchet(secret);
  return secret;
}

export interface Sealing {
  epoch: number;
  ends?: Ends;
  keyBits?: 128 | 256;
  low?: number;
  length?: number;
  counter?: bigint;
}

/** A frame as a node of profile `strong` sends it in that epoch. */
export function strongFrame({
  epoch,
  ends = STRONG_ENDS,
  keyBits = 128,
  low = 0x1234,
  length = 20,
  counter = 7n,
}: Sealing): Uint8Array {
  const bytes = { source: parseIp(ends.source), destination: parseIp(ends.destination), secret: stepped(epoch) };
  const spi = spiHint(bytes) * 2 ** 24 + low;
  const { key, salt, ivMask } = deriveSa({ ...bytes, spi, keyBits });
  const iv = BigInt.asUintN(64, counter + ivMask);
  const inner = vxlanDatagram(ends, 4097, innerFrame(length));
  return espFrame(ends, sealEsp({ inner, sa: { spi, key, salt, icvLength: 16, esn: true }, sequence: 1n, iv }), 50_000);
}

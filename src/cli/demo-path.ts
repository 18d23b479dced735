/** The path of one packet, drawn for the terminal from the bytes that were really there. */
import { decode } from '../wire/decode.js';
import { summarize } from '../wire/summary.js';
import { STATIONS, VNI } from './demo-hosts.js';
import type { Timed } from './demo-steps.js';
import { paint } from './terminal.js';

/**
 * @param inner - frames between the containers
 * @param outer - the same frames on the wire, same times
 */
export function drawPath(inner: readonly Timed[], outer: readonly Timed[]): string {
  const sent = inner.find(({ frame }) => decode(frame).icmp !== undefined);
  const carried = sent && outer.find(({ time }) => time === sent.time);
  if (sent === undefined || carried === undefined) return '';
  const frame = decode(sent.frame);
  const wire = decode(carried.frame, { vxlanPorts: [4789] });
  const [from, to] = frame.ethernet?.source === STATIONS[0].mac ? STATIONS : [STATIONS[1], STATIONS[0]];
  const size = ({ frame: { length } }: Timed) => `${String(length).padStart(5)} B`;
  const stop = (name: string, at: Timed, text: string) => `${paint('bold', name.padEnd(14))}${size(at)}  ${text}`;
  const stage = (name: string, text: string) => `  ${paint('cyan', '│')} ${name.padEnd(18)}  ${paint('dim', text)}`;
  const arrow = `  ${paint('cyan', '▼')}`;
  return [
    'the path of one packet',
    '',
    stop(from.name, sent, `${frame.ethernet?.source} → ${frame.ethernet?.destination}  ${summarize(frame).info}`),
    stage('parse', `IPv4 ${frame.ipv4?.source} → ${frame.ipv4?.destination}, protocol ${frame.ipv4?.protocol}`),
    stage('bridge', `${to.mac} is behind VTEP ${to.vtep}`),
    stage('vxlan_encap', `+ Ethernet 14, IPv4 20, UDP 8, VXLAN 8: VNI ${VNI}, source port ${wire.udp?.sourcePort}`),
    arrow,
    stop(
      'wire',
      carried,
      `${wire.ipv4?.source} → ${wire.ipv4?.destination}  UDP ${wire.udp?.sourcePort} → ${wire.udp?.destinationPort}`,
    ),
    stage('vxlan_decap', `checksum right, I flag set, VNI ${wire.vxlan?.vni} known, VTEP ${from.vtep} known`),
    stage('bridge', `${to.mac} is on port ${to.name}`),
    arrow,
    stop(to.name, sent, 'the same bytes'),
  ].join('\n');
}

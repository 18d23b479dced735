/** The ESP part of `decode`: what carries it, and the datagram inside where somebody can open it. */
import type { Datagram } from './decode-ip.js';
import { decodeEsp, ESP_UDP_PORT, espLayout, udpPayloadKind } from './esp.js';
import { ESP_IV_BYTES } from './esp-open.js';
import { asBuffer, toHex } from './field.js';
import type { DecodedFrame, EspOpener } from './frame.js';
import { after, type Stretch } from './stretch.js';

/**
 * Adds `esp` to the frame; returns the datagram inside when `open` opens it. A header that is not all there is left out: nothing
 * more is known of an encrypted packet.
 */
export function decodeEspIn(
  frame: DecodedFrame,
  datagram: Datagram,
  open: EspOpener | undefined,
): Datagram | undefined {
  const { payload: rest, fragment } = datagram;
  const header = decodeEsp(rest.bytes);
  if (header === undefined) return undefined;
  const esp: DecodedFrame['esp'] = { ...header, length: rest.length };
  frame.esp = esp;
  frame.payloadLength = after(rest, espLayout.span).length;
  if (open === undefined) return undefined;
  const iv = rest.bytes.subarray(espLayout.span, espLayout.span + ESP_IV_BYTES);
  if (iv.length === ESP_IV_BYTES) esp.iv = toHex(iv);
  const verdict = fragment
    ? ({ opened: false, reason: 'esp_fragment' } as const)
    : rest.bytes.length < rest.length
      ? ({ opened: false, reason: 'esp_cut' } as const)
      : open({ packet: rest.bytes, ...endsOf(frame) });
  if (!verdict.opened) {
    Object.assign(esp, verdict);
    return undefined;
  }
  const { inner, nextHeader, ...about } = verdict;
  Object.assign(esp, about);
  const payload = { bytes: asBuffer(inner), length: inner.length };
  frame.payloadLength = payload.length;
  return { version: datagram.version, protocol: nextHeader, fragment: false, payload };
}

/**
 * For the UDP datagram just read, on port 4500: its header goes into `esp`, where it is ESP that it carries; what else may be on
 * this port is named (RFC 3948). Returns the ESP packet.
 */
export function espInUdp(frame: DecodedFrame, payload: Stretch): Stretch | undefined {
  if (frame.udp?.destinationPort !== ESP_UDP_PORT) return undefined;
  const kind = payload.bytes.length < payload.length ? 'esp' : udpPayloadKind(payload.bytes);
  if (kind === 'esp') return payload;
  if (kind !== undefined) frame.natTraversal = kind;
  return undefined;
}

function endsOf({ ipv4, ipv6 }: DecodedFrame): { source: string; destination: string } {
  const { source = '', destination = '' } = ipv4 ?? ipv6 ?? {};
  return { source, destination };
}

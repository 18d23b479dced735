/** `decode`: a whole frame by the codecs of this directory, the readable reference for the native parser. */
import type { Buffer } from 'node:buffer';
import { arpLayout, arpLength, decodeArp } from './arp.js';
import { decodeIp } from './decode-ip.js';
import { decodeTransport } from './decode-transport.js';
import {
  decodeEthernet,
  decodeVlanTag,
  ETHER_TYPE,
  ethernetLayout,
  isVlanType,
  MAX_VLAN_TAGS,
  vlanLayout,
} from './ethernet.js';
import { asBuffer } from './field.js';
import type { DecodedFrame, EspOpener } from './frame.js';
import { after, fail, failShort, type Stretch } from './stretch.js';
import { decodeVxlan, VXLAN_FLAG_VNI, VXLAN_PORTS, vxlanLayout } from './vxlan.js';

export type * from './frame.js';

/** Frames inside frames that are followed; what lies deeper stays payload. */
export const MAX_VXLAN_NESTING = 4;

export interface DecodeOptions {
  /** UDP destination ports that carry VXLAN. Default 4789 and 8472. */
  vxlanPorts?: readonly number[];
  /** Bytes the frame had on the wire, where the capture kept fewer. Default: those of `frame`. */
  wireLength?: number;
  /** Opens ESP: what is inside is then read like the rest. Default: nobody has the keys, and `esp` is the last layer. */
  openEsp?: EspOpener;
}

/** What is the same for a frame and those inside it. */
interface Context {
  ports: ReadonlySet<number>;
  openEsp: EspOpener | undefined;
}

/**
 * Reads a frame from its Ethernet header inwards. Never throws, whatever the bytes: what is wrong is in `error`, and the layers
 * read before it are there. Copies nothing but what it returns.
 */
export function decode(frame: Uint8Array, options: DecodeOptions = {}): DecodedFrame {
  const context = { ports: new Set(options.vxlanPorts ?? VXLAN_PORTS), openEsp: options.openEsp };
  return inWireOrder(decodeStretch(stretchOf(asBuffer(frame), options.wireLength), context, 0));
}

function stretchOf(bytes: Buffer, wireLength = bytes.length): Stretch {
  return { bytes, length: Math.max(bytes.length, wireLength) };
}

/** The same properties, in the order in which people and JSON want to see them. */
function inWireOrder({ ethernet, vlans, payloadLength, ...layers }: DecodedFrame): DecodedFrame {
  return { ...(ethernet && { ethernet }), vlans, ...layers, payloadLength };
}

function decodeStretch(whole: Stretch, context: Context, nesting: number): DecodedFrame {
  const frame: DecodedFrame = { vlans: [], payloadLength: whole.length };
  if (whole.length > whole.bytes.length) frame.truncated = true;
  const ethernet = decodeEthernet(whole.bytes);
  if (ethernet === undefined) {
    failShort(frame, 'ethernet', 'ethernet_truncated', whole, ethernetLayout.span);
    return frame;
  }
  frame.ethernet = ethernet;
  const rest = decodeVlans(frame, after(whole, ethernetLayout.span));
  if (rest === undefined) return frame;
  frame.payloadLength = rest.length;
  const type = (frame.vlans.at(-1) ?? ethernet).etherType;
  if (type === ETHER_TYPE.arp) decodeArpIn(frame, rest);
  if (type !== ETHER_TYPE.ipv4 && type !== ETHER_TYPE.ipv6) return frame;
  const datagram = decodeIp(frame, rest, type === ETHER_TYPE.ipv4 ? 4 : 6);
  if (datagram === undefined) return frame;
  const payload = decodeTransport(frame, datagram, context.openEsp);
  if (payload !== undefined && context.ports.has(frame.udp?.destinationPort ?? -1)) {
    decodeVxlanIn(frame, payload, context, nesting);
  }
  return frame;
}

/** Walks the tags; returns what follows, or undefined when a tag is cut. */
function decodeVlans(frame: DecodedFrame, rest: Stretch): Stretch | undefined {
  let type = frame.ethernet?.etherType;
  while (type !== undefined && isVlanType(type) && frame.vlans.length < MAX_VLAN_TAGS) {
    frame.payloadLength = rest.length;
    const tag = decodeVlanTag(rest.bytes, 0, type);
    if (tag === undefined) {
      failShort(frame, 'vlan', 'vlan_truncated', rest, vlanLayout.span);
      return undefined;
    }
    frame.vlans.push(tag);
    type = tag.etherType;
    rest = after(rest, vlanLayout.span);
  }
  return rest;
}

function decodeArpIn(frame: DecodedFrame, rest: Stretch): undefined {
  const arp = decodeArp(rest.bytes);
  if (arp === undefined) return failShort(frame, 'arp', 'arp_truncated', rest, arpLayout.span);
  frame.arp = arp;
  const length = arpLength(arp);
  if (rest.length < length) fail(frame, 'arp', 'arp_truncated');
  frame.payloadLength = after(rest, length).length;
}

/** A UDP payload too short for the header is somebody else's; a header without the I flag is an error. */
function decodeVxlanIn(frame: DecodedFrame, rest: Stretch, context: Context, nesting: number): undefined {
  const vxlan = decodeVxlan(rest.bytes);
  if (vxlan === undefined) return undefined;
  frame.vxlan = vxlan;
  const inner = after(rest, vxlanLayout.span);
  frame.payloadLength = inner.length;
  if (!(vxlan.flags & VXLAN_FLAG_VNI)) return fail(frame, 'vxlan', 'vxlan_flags');
  if (nesting < MAX_VXLAN_NESTING) frame.vxlan.inner = inWireOrder(decodeStretch(inner, context, nesting + 1));
}

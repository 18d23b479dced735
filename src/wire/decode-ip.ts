/** The IP part of `decode`: from an IPv4 or IPv6 header to the transport header, lengths checked. */
import { internetChecksum } from './checksum.js';
import type { DecodedFrame, DecodedIpv6 } from './frame.js';
import { decodeIpv4, ipv4Layout } from './ipv4.js';
import { decodeIpv6, ipv6Layout } from './ipv6.js';
import { decodeIpv6Extension, isIpv6Extension, MAX_IPV6_EXTENSIONS } from './ipv6-extension.js';
import { decodeOptions } from './options.js';
import { after, fail, failShort, type Stretch, upTo } from './stretch.js';

/** What an IP datagram carries. */
export interface Datagram {
  version: 4 | 6;
  protocol: number;
  /** The first of several fragments: lengths inside may be of the whole. */
  fragment: boolean;
  /** Ends where the datagram does, before any Ethernet padding. */
  payload: Stretch;
}

/** Adds `ipv4` or `ipv6` to the frame; returns what to read next, or undefined for an error or a later fragment. */
export function decodeIp(frame: DecodedFrame, rest: Stretch, version: 4 | 6): Datagram | undefined {
  return version === 4 ? decodeIpv4In(frame, rest) : decodeIpv6In(frame, rest);
}

function decodeIpv4In(frame: DecodedFrame, rest: Stretch): Datagram | undefined {
  const header = decodeIpv4(rest.bytes);
  if (header === undefined) return failShort(frame, 'ipv4', 'ipv4_truncated', rest, ipv4Layout.span);
  if (header.version !== 4) return fail(frame, 'ipv4', 'ipv4_version');
  const { options, ...fields } = header;
  const { headerLength, fragmentOffset, moreFragments, protocol } = fields;
  const totalLength = header.totalLength || rest.length;
  if (headerLength < ipv4Layout.span || totalLength < headerLength) return fail(frame, 'ipv4', 'ipv4_header_length');
  const whole = rest.bytes.length >= headerLength;
  frame.ipv4 = {
    ...fields,
    totalLength,
    ...(header.totalLength === 0 && { lengthFromFrame: true }),
    ...(whole && { checksumValid: internetChecksum(rest.bytes.subarray(0, headerLength)) === 0 }),
    options: whole ? decodeOptions(options) : [],
  };
  if (totalLength > rest.length) return fail(frame, 'ipv4', 'ipv4_truncated');
  const payload = after(upTo(rest, totalLength), headerLength);
  frame.payloadLength = payload.length;
  if (fragmentOffset > 0) return undefined;
  return { version: 4, protocol, fragment: moreFragments, payload };
}

function decodeIpv6In(frame: DecodedFrame, rest: Stretch): Datagram | undefined {
  const header = decodeIpv6(rest.bytes);
  if (header === undefined) return failShort(frame, 'ipv6', 'ipv6_truncated', rest, ipv6Layout.span);
  if (header.version !== 6) return fail(frame, 'ipv6', 'ipv6_version');
  const ipv6: DecodedIpv6 = { ...header, extensions: [], protocol: header.nextHeader };
  frame.ipv6 = ipv6;
  const payload = after(rest, ipv6Layout.span);
  frame.payloadLength = payload.length;
  // Zero: a jumbogram, a super-frame, or nothing inside; either way the frame tells.
  const length = header.payloadLength || payload.length;
  if (length > payload.length) return fail(frame, 'ipv6', 'ipv6_truncated');
  return walkExtensions(frame, ipv6, upTo(payload, length));
}

function walkExtensions(frame: DecodedFrame, ipv6: DecodedIpv6, rest: Stretch): Datagram | undefined {
  let fragment = false;
  frame.payloadLength = rest.length;
  while (isIpv6Extension(ipv6.protocol)) {
    if (ipv6.extensions.length === MAX_IPV6_EXTENSIONS) return fail(frame, 'ipv6', 'ipv6_extensions');
    const extension = decodeIpv6Extension(rest.bytes, 0, ipv6.protocol);
    if (extension === undefined) return failShort(frame, 'ipv6', 'ipv6_truncated', rest, 8);
    if (rest.length < extension.length) return fail(frame, 'ipv6', 'ipv6_truncated');
    ipv6.extensions.push(extension);
    ipv6.protocol = extension.nextHeader;
    rest = after(rest, extension.length);
    frame.payloadLength = rest.length;
    if (extension.fragment !== undefined) {
      if (extension.fragment.offset > 0) return undefined;
      // Atomic fragments (RFC 6946) too, as in the native parser.
      fragment = true;
    }
  }
  return { version: 6, protocol: ipv6.protocol, fragment, payload: rest };
}

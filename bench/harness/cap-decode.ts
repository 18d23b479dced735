/** The decoders of the npm package `cap`, called as its README shows: layer by layer, each choosing the next. */

interface Layer<T> {
  info: T;
  offset: number;
}

type Decoder<T> = (bytes: Buffer, offset?: number) => Layer<T>;

/** The part of `cap/lib/Decoders.js` that is used; it loads without the package's binding. */
export interface CapDecoders {
  Ethernet: Decoder<{ type: number; srcmac: string }>;
  IPV4: Decoder<{ protocol: number; srcaddr: string }>;
  IPV6: Decoder<{ protocol: number; srcaddr: string }>;
  ARP: Decoder<{ sendermac?: string }>;
  UDP: Decoder<{ srcport: number }>;
  TCP: Decoder<{ srcport: number }>;
  ICMPV4: Decoder<{ type: number }>;
}

/** Decodes Ethernet, then ARP or IP, then UDP, TCP or ICMP. Returns the layers that it found. */
export function capDecode(decoders: CapDecoders, frame: Buffer): number {
  const ethernet = decoders.Ethernet(frame);
  if (ethernet.info.type === 0x0806) {
    decoders.ARP(frame, ethernet.offset);
    return 2;
  }
  const isIpv4 = ethernet.info.type === 0x0800;
  if (!isIpv4 && ethernet.info.type !== 0x86dd) return 1;
  const ip = (isIpv4 ? decoders.IPV4 : decoders.IPV6)(frame, ethernet.offset);
  if (ip.info.protocol === 17) decoders.UDP(frame, ip.offset);
  else if (ip.info.protocol === 6) decoders.TCP(frame, ip.offset);
  else if (ip.info.protocol === 1 && isIpv4) decoders.ICMPV4(frame, ip.offset);
  else return 2;
  return 3;
}

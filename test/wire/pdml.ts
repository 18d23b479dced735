/** Reads tshark's PDML: one element a line, a protocol's fields below it, `pos` from the start of the frame. */

export interface Dissected {
  /** tshark's name: `eth`, `ip`, `ipv6.hopopts`. */
  name: string;
  /** Offset of its first byte in the frame. */
  at: number;
  /** Every value of a field, in order; nested fields too, but not those of protocols below. */
  fields: Map<string, string[]>;
}

export interface DissectedPacket {
  /** In tshark's order, protocols inside protocols after the one they are in. */
  protocols: Dissected[];
  /** tshark calls something in it malformed, cut, or at least noteworthy: its highest expert severity. */
  severity: number;
}

/** tshark's expert severities (epan/proto.h). */
export const SEVERITY = { comment: 0x100000, chat: 0x200000, note: 0x400000, warn: 0x600000, error: 0x800000 } as const;

const ELEMENT = /^\s*<(\/?)(proto|field|packet)\b(.*?)(\/?)>$/;

function attribute(text: string, name: string): string | undefined {
  const start = text.indexOf(` ${name}="`);
  if (start < 0) return undefined;
  const from = start + name.length + 3;
  return text.slice(from, text.indexOf('"', from));
}

/** The packets of a PDML document. Values are numbers and addresses, so entities are left as they are. */
export function parsePdml(text: string): DissectedPacket[] {
  const packets: DissectedPacket[] = [];
  let open: Dissected[] = [];
  for (const line of text.split('\n')) {
    const match = ELEMENT.exec(line);
    if (match === null) continue;
    const [, closing, kind, rest = '', empty] = match;
    const packet = packets.at(-1);
    if (kind === 'packet') {
      if (!closing) packets.push({ protocols: [], severity: 0 });
      open = [];
    } else if (kind === 'proto') {
      if (closing) open.pop();
      else if (packet !== undefined) {
        const protocol = { name: attribute(rest, 'name') ?? '', at: Number(attribute(rest, 'pos')), fields: new Map() };
        packet.protocols.push(protocol);
        if (!empty) open.push(protocol);
      }
    } else if (!closing && packet !== undefined) addField(packet, open.at(-1), rest);
  }
  return packets;
}

function addField(packet: DissectedPacket, protocol: Dissected | undefined, rest: string): void {
  const name = attribute(rest, 'name') ?? '';
  const value = attribute(rest, 'show') ?? '';
  if (name === '_ws.expert.severity') packet.severity = Math.max(packet.severity, Number(value));
  const values = protocol?.fields.get(name);
  if (values) values.push(value);
  else protocol?.fields.set(name, [value]);
}

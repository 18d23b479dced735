/** `overlane decode`: one line, or one JSON object, a packet. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { Command, InvalidArgumentError } from 'commander';
import { type CapturedBurst, readCapture } from '../dataplane/capture.js';
import { readKeyFile } from '../keyring/key-file.js';
import { type DecodedFrame, decode } from '../wire/decode.js';
import { DEFAULT_EPOCH_SECONDS, EspRing } from '../wire/esp-ring.js';
import { summarize } from '../wire/summary.js';
import { formatCount, Progress } from './terminal.js';

export interface DecodeSettings {
  json: boolean;
  /** UDP destination ports that carry VXLAN; undefined: the default of `decode`. */
  vxlanPorts?: readonly number[];
  /** Most packets. Default: all. */
  count?: number;
  /** Opens ESP. Default: nothing does. */
  keys?: EspRing;
}

/** A packet as the formats get it. */
interface Packet {
  /** From 1. */
  number: number;
  /** Nanoseconds since the epoch, and since the first packet. */
  timestamp: bigint;
  elapsed: bigint;
  length: number;
  wireLength: number;
  frame: DecodedFrame;
}

/** Nanoseconds as seconds with six decimals. */
function seconds(nanoseconds: bigint): string {
  const micros = nanoseconds / 1000n;
  const size = micros < 0n ? -micros : micros;
  const text = `${size / 1_000_000n}.${(size % 1_000_000n).toString().padStart(6, '0')}`;
  return micros < 0n ? `-${text}` : text;
}

/** One aligned line: number, seconds since the first packet, ends, protocol, bytes on the wire, info. */
export function formatLine(packet: Packet): string {
  const { source, destination, protocol, info } = summarize(packet.frame);
  const ends = `${source.padStart(17)} → ${destination.padEnd(17)}`;
  const figures = `${String(packet.number).padStart(6)} ${seconds(packet.elapsed).padStart(12)}`;
  return `${figures}  ${ends}  ${protocol.padEnd(8)} ${String(packet.wireLength).padStart(5)}  ${info}`.trimEnd();
}

/** One JSON object: `number`, `timestamp` (nanoseconds since the epoch, a string), `length`, `wireLength`, and the layers. */
export function formatJson({ number, timestamp, length, wireLength, frame }: Packet): string {
  return JSON.stringify({ number, timestamp: timestamp.toString(), length, wireLength, ...frame });
}

/**
 * Writes every packet of the bursts to `out`, waiting whenever it is full, and returns how many. When the bursts throw, what
 * came before is written first. Ends quietly when `out` was closed by its reader.
 */
export async function decodeTo(
  out: Writable,
  bursts: Iterable<CapturedBurst>,
  settings: DecodeSettings,
  onProgress: (packets: number) => void = () => {},
): Promise<number> {
  const format = settings.json ? formatJson : formatLine;
  const most = settings.count ?? Number.POSITIVE_INFINITY;
  let number = 0;
  let first: bigint | undefined;
  for (const burst of bursts) {
    let text = '';
    for (let i = 0; i < burst.count && number < most; i++) {
      const offset = burst.offsets[i]!;
      const length = burst.lengths[i]!;
      const wireLength = burst.wireLengths[i]!;
      const timestamp = burst.timestamps[i]!;
      const { vxlanPorts, keys } = settings;
      const openEsp = keys?.opener(timestamp);
      const options = { wireLength, ...(vxlanPorts && { vxlanPorts }), ...(openEsp && { openEsp }) };
      const frame = decode(burst.data.subarray(offset, offset + length), options);
      first ??= timestamp;
      number++;
      text += `${format({ number, timestamp, elapsed: timestamp - first, length, wireLength, frame })}\n`;
    }
    if (!(await writeAll(out, text))) break;
    onProgress(number);
    if (number >= most) break;
  }
  return number;
}

/** False when nobody reads any more. */
async function writeAll(out: Writable, text: string): Promise<boolean> {
  if (out.destroyed || out.writableEnded) return false;
  if (out.write(text)) return true;
  try {
    await once(out, 'drain');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false;
    throw error;
  }
}

function wholeNumber(least: number, most: number, unit: string): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number of ${unit} from ${least} to ${most}.`);
  };
}

const parsePort = wholeNumber(1, 65535, 'the UDP port');
const parseCount = wholeNumber(1, Number.MAX_SAFE_INTEGER, 'packets');
const parsePeriod = wholeNumber(1, 2 ** 31, 'seconds');

const KEYS_HELP = `
Keys: a file of lines "strong <id> <64 hex digits> [since <ISO date>]" or "docker <tag> <32 or 64 hex digits>" that only its
owner can read (chmod 600). ESP is IP protocol 50 and UDP port 4500 (RFC 3948). What opens is shown as if it were not encrypted,
after its SPI and "┃"; what does not says why. Replays are shown like any packet. --json has "esp": "opened", "reason", "keyId",
"epoch", "iv", "sequence64" and, for strong keys, "sealedAt" by the sender's clock.`;

/** The keys of a file, for captures; the file's own copies are wiped. */
function openRing(path: string, rotateEvery: number | undefined): EspRing {
  const { profile, keys } = readKeyFile(path);
  try {
    return new EspRing({ profile, keys, ...(rotateEvery !== undefined && { rotateEvery }) });
  } finally {
    for (const { secret } of keys) secret.fill(0);
  }
}

interface DecodeArguments {
  json?: boolean;
  vxlanPort?: number[];
  count?: number;
  keys?: string;
  rotateEvery?: number;
}

/** The command, for the program to add. */
export function decodeCommand(): Command {
  return new Command('decode')
    .description('show the packets of an Ethernet capture (pcap or pcapng), one line each')
    .argument('<capture>', 'file to read; "-" is standard input')
    .option('--json', 'one JSON object a packet (JSON Lines)')
    .option(
      '--vxlan-port <port>',
      'UDP destination port of VXLAN; may be repeated (default: 4789 and 8472)',
      (text: string, ports: number[] | undefined) => [...(ports ?? []), parsePort(text)],
    )
    .option('--count <packets>', 'stop after this many packets', parseCount)
    .option('--keys <file>', 'open encrypted packets (ESP) with the keys of this file')
    .option(
      '--rotate-every <seconds>',
      `how long strong keys last before the ratchet's next step (default: ${DEFAULT_EPOCH_SECONDS})`,
      parsePeriod,
    )
    .addHelpText('after', KEYS_HELP)
    .action(async (capture: string, options: DecodeArguments) => {
      const { json = false, vxlanPort, count, keys: keyFile, rotateEvery } = options;
      using keys = keyFile === undefined ? undefined : openRing(keyFile, rotateEvery);
      const settings = {
        json,
        ...(vxlanPort && { vxlanPorts: vxlanPort }),
        ...(count !== undefined && { count }),
        ...(keys && { keys }),
      };
      // Lines on a terminal are progress enough.
      const progress = process.stdout.isTTY ? undefined : new Progress('decode');
      const report = (packets: number) => progress?.update(`${formatCount(packets)} packets`);
      try {
        await decodeTo(process.stdout, readCapture(capture), settings, report);
      } finally {
        progress?.end();
      }
    });
}

/** `overlane capture`: what passes an endpoint, as pcapng. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import { Command, InvalidArgumentError } from 'commander';
import { OverlaneError } from '../errors.js';
import { CaptureBlocks } from './capture-blocks.js';
import { at, DaemonClient, withSocket } from './daemon-client.js';
import type { EndpointView, SandboxView } from './daemon-types.js';
import { formatCount, Progress } from './terminal.js';

interface CaptureArguments {
  write: string;
  snaplen?: number;
  count?: number;
  duration?: number;
  socket?: string;
  json?: true;
}

const HELP = `
Ctrl-C ends it. The endpoint is a sandbox that has only one, SANDBOX:NETWORK, or the name or id of an endpoint.

Examples:
  overlane capture web -w web.pcapng
  overlane capture web:front -w - | tshark -r -`;

export function captureCommand(): Command {
  const command = new Command('capture')
    .description('Write the packets that pass an endpoint, as they come, into a pcapng file.')
    .argument('<endpoint>', 'whose packets')
    .requiredOption('-w, --write <file>', "the file, which is replaced; '-' is standard output")
    .option('--snaplen <bytes>', 'at most so much of each packet (default: all)', whole('bytes', 1, 262_144))
    .option('-c, --count <packets>', 'end after so many packets', whole('packets', 1, Number.MAX_SAFE_INTEGER))
    .option('--duration <seconds>', 'end after so long', whole('seconds', 1, 2_000_000))
    .option('--json', 'print {file, packets, lost} at the end')
    .addHelpText('after', HELP);
  return withSocket(command).action(async (endpoint: string, given: CaptureArguments) => {
    if (given.write === '-' && process.stdout.isTTY) {
      throw optionError('standard output is a terminal, which cannot show a capture; write to a file, or pipe it on');
    }
    await capture(new DaemonClient(given.socket), endpoint, given);
  });
}

function whole(unit: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number of ${unit} from ${least} to ${most}.`);
  };
}

async function capture(client: DaemonClient, wanted: string, given: CaptureArguments): Promise<void> {
  const { id } = endpointOf(await client.get<SandboxView[]>('/overlane/sandboxes'), wanted);
  const snaplen = given.snaplen === undefined ? undefined : String(given.snaplen);
  const stream = await client.stream(at`/overlane/endpoints/${id}/capture`, { snaplen }, 'application/x-pcapng');
  const stop = new AbortController();
  const end = () => stop.abort();
  // The second Ctrl-C ends it at once, whatever it is waiting for.
  process.once('SIGINT', end).once('SIGTERM', end);
  const timer = given.duration === undefined ? undefined : setTimeout(end, given.duration * 1000);
  const blocks = new CaptureBlocks();
  try {
    // Only now, so that a file is not emptied for a capture that cannot be.
    const out = given.write === '-' ? process.stdout : await create(given.write, () => stream.destroy());
    try {
      await copy(stream, out, blocks, given.count, stop.signal);
    } finally {
      summarize(blocks, given);
    }
  } finally {
    stream.destroy();
    clearTimeout(timer);
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

/** The one endpoint that is meant. */
function endpointOf(sandboxes: SandboxView[], wanted: string): EndpointView {
  const exact = (one: { id: string; name: string }, ref: string) => one.name === ref || one.id === ref;
  const short = (one: { id: string }, ref: string) => ref !== '' && one.id.startsWith(ref);
  const all = sandboxes.flatMap(({ endpoints }) => endpoints);
  const [ref, network] = splitOnce(wanted);
  for (const matches of [exact, short]) {
    const inNetwork = ({ networkName, network: id }: EndpointView) =>
      network === undefined || exact({ name: networkName, id }, network) || short({ id }, network);
    const found = sandboxes.filter((sandbox) => matches(sandbox, ref));
    const places = found.flatMap(({ endpoints }) => endpoints).filter(inNetwork);
    const candidates = found.length > 0 ? places : all.filter((one) => network === undefined && matches(one, wanted));
    if (candidates.length === 1) return candidates[0]!;
    if (candidates.length > 1) {
      const names = candidates.map(({ networkName }) => `${ref}:${networkName}`).join(', ');
      throw optionError(`${wanted} has several endpoints; write which: ${names}`);
    }
    if (found.length > 0)
      throw missing(
        network === undefined ? `sandbox ${ref} is on no network` : `sandbox ${ref} is not on network ${network}`,
      );
  }
  throw missing(`there is no sandbox and no endpoint ${wanted}; 'overlane sandbox ls' shows the sandboxes`);
}

function splitOnce(text: string): [string, string | undefined] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** For nobody else to read: captures have secrets in them. */
async function create(file: string, onError: () => void): Promise<Writable> {
  const out = createWriteStream(file, { mode: 0o600 });
  try {
    await once(out, 'open');
    return out.on('error', onError);
  } catch (cause) {
    const message = `${file} cannot be written: ${(cause as Error).message}`;
    throw new OverlaneError('ERR_OVERLANE_SYSTEM', message, { cause });
  }
}

/** Whole blocks only, so that what is written is a capture however it ends. */
async function copy(
  stream: IncomingMessage,
  out: Writable,
  blocks: CaptureBlocks,
  count: number | undefined,
  stop: AbortSignal,
): Promise<void> {
  const progress = new Progress('capture');
  const letGo = () => stream.destroy();
  stop.addEventListener('abort', letGo);
  try {
    if (stop.aborted) return;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const data = blocks.push(chunk, count);
      if (data.length > 0 && !out.write(data)) await once(out, 'drain');
      progress.update(`${formatCount(blocks.packets)} packets`);
      if (blocks.packets >= (count ?? Number.POSITIVE_INFINITY)) break;
    }
  } catch (cause) {
    if (!stop.aborted) throw failure(cause, out);
  } finally {
    stop.removeEventListener('abort', letGo);
    progress.end();
    await finish(out);
  }
}

function failure(cause: unknown, out: Writable): unknown {
  if (cause instanceof OverlaneError) return cause;
  const where =
    out.errored === null
      ? 'overlaned ended the capture before its end; see its log'
      : `the file cannot be written: ${out.errored.message}`;
  return new OverlaneError('ERR_OVERLANE_SYSTEM', where, { cause });
}

/** What was handed over is in the file before the process says so. */
async function finish(out: Writable): Promise<void> {
  if (out === process.stdout || out.errored !== null) return;
  out.end();
  await once(out, 'close');
}

function summarize({ packets, lost }: CaptureBlocks, { write, json }: CaptureArguments): void {
  const say = write === '-' ? process.stderr : process.stdout;
  if (json) say.write(`${JSON.stringify({ file: write, packets, lost: Number(lost) })}\n`);
  else process.stderr.write(`${formatCount(packets)} packets, ${formatCount(lost)} lost\n`);
}

function optionError(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

function missing(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_MISSING', message);
}

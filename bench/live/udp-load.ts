/** Builds and runs the packet generator and its sink, native/bench/udp_*.cc. */
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findProgram } from '../peers/peer.js';
import { runTool } from '../peers/process.js';
import type { Namespace } from './lab.js';
import { root } from './root.js';
import type { Probe } from './search.js';

const SOURCES = ['udp_load.cc', 'udp_sender.cc', 'udp_sink.cc', 'udp_load.h'].map((file) =>
  join(root, 'native', 'bench', file),
);
const PROGRAM = join(root, 'build', 'udp_load');
const PORT = 9000;
/** Milliseconds of silence after which the sink takes what is missing for lost. */
const IDLE_MS = 150;
/** Milliseconds on top of the sending time. */
const TIME_LIMIT = 8000;

/** The program, built when it is older than its sources. */
export async function buildUdpLoad(signal: AbortSignal): Promise<string> {
  const changed = Math.max(...SOURCES.map((file) => statSync(file).mtimeMs));
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs >= changed) return PROGRAM;
  const compiler = findProgram(process.env['CXX'] ?? 'g++');
  if (compiler === null) throw new Error('g++ is not installed (apt-get install g++)');
  mkdirSync(dirname(PROGRAM), { recursive: true });
  const fresh = `${PROGRAM}.${process.pid}`;
  await runTool(
    compiler,
    ['-std=c++20', '-O2', '-Wall', '-Wextra', '-o', fresh, ...SOURCES.filter((file) => file.endsWith('.cc'))],
    signal,
  );
  renameSync(fresh, PROGRAM);
  return PROGRAM;
}

export interface Load {
  /** Packets a second; null: as many as it can. */
  rate: number | null;
  seconds: number;
  /** UDP_SEGMENT: up to 64 packets a system call leave as one. */
  gso: boolean;
}

export interface LoadResult extends Probe {
  packets: number;
  reordered: number;
  duplicates: number;
}

/** Bytes of an Ethernet frame with its FCS: 18 bytes of UDP payload over IPv4. */
export const FRAME_SIZE = 64;
/** Source ports: what spreads packets over queues and workers, where there are several. */
export const FLOWS = 4;

/** One JSON object on a line of its own. */
export function lastJson<T>(output: string): T {
  const line = output.trim().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(line) as T;
  } catch {
    throw new Error(`udp_load printed '${line.slice(0, 200)}' in place of its result`);
  }
}

interface Sent {
  sent: number;
  pps: number;
}

interface Received {
  received: number;
  reordered: number;
  duplicates: number;
  bad: number;
}

/** Joins what either end counted. Throws when a packet arrived with another content than it was sent with. */
export function judge(sent: Sent, sink: Received): LoadResult {
  if (sink.bad > 0) throw new Error(`${sink.bad} packets arrived with wrong content`);
  if (sent.sent === 0) throw new Error('the generator could send nothing');
  const arrived = sink.received / sent.sent;
  return {
    sent: sent.pps,
    received: sent.pps * arrived,
    loss: 1 - arrived,
    packets: sink.received,
    reordered: sink.reordered,
    duplicates: sink.duplicates,
  };
}

/** Sends from `a` to `address` in `b`, and counts there. */
export async function sendUdp(
  a: Namespace,
  b: Namespace,
  address: string,
  load: Load,
  signal: AbortSignal,
): Promise<LoadResult> {
  const program = await buildUdpLoad(signal);
  const size = ['--size', `${FRAME_SIZE}`];
  const limit = TIME_LIMIT + Math.ceil(load.seconds * 1000);
  const timed = AbortSignal.any([signal, AbortSignal.timeout(limit)]);
  const sink = b.start(program, ['receive', `${PORT}`, ...size, '--idle-ms', `${IDLE_MS}`, '--wait-ms', '2000']);
  try {
    await sink.until(/ready\n/, timed);
    const rate = ['--rate', load.rate === null ? 'max' : load.rate.toFixed(0)];
    const more = ['--seconds', load.seconds.toFixed(3), '--flows', `${FLOWS}`, ...(load.gso ? ['--gso'] : [])];
    const sent = await a.run(program, ['send', address, `${PORT}`, ...size, ...rate, ...more], limit);
    return judge(lastJson(sent), lastJson(await sink.done(timed)));
  } finally {
    await sink.stop();
  }
}

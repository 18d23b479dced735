/** What the live demo does between its containers, with the programs that anybody would use. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { OverlaneError } from '../errors.js';
import type { Netns } from './live-netns.js';

const HTTP = fileURLToPath(new URL('./live-http.js', import.meta.url));
const HTTP_PORT = 8080;
const IPERF_PORT = 5201;
/** Milliseconds for a program to begin to listen. */
const START_LIMIT = 5_000;

export interface Pings {
  sent: number;
  received: number;
  /** Milliseconds of round trip; NaN when nothing came back. */
  median: number;
}

/** ping(8), one after another, with so many bytes of data each. */
export async function ping(from: Netns, program: string, to: string, count: number, bytes = 56): Promise<Pings> {
  const { out } = await from.run(program, ['-n', '-c', `${count}`, '-i', '0.02', '-W', '2', '-s', `${bytes}`, to]);
  const times = [...out.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1])).sort((a, b) => a - b);
  const received = Number(/(\d+) received/.exec(out)?.[1] ?? 0);
  return { sent: count, received, median: times[times.length >> 1] ?? Number.NaN };
}

export interface Download {
  bytes: number;
  seconds: number;
  /** Of what was offered, and of what arrived. */
  offered: string;
  arrived: string;
}

/** A download by HTTP, from a server that ends with it. */
export async function download(
  server: [Netns, string],
  client: Netns,
  bytes: number,
  signal: AbortSignal,
): Promise<Download> {
  const [netns, address] = server;
  const child = start(netns, process.execPath, [HTTP, 'serve', address, `${HTTP_PORT}`, `${bytes}`], signal);
  try {
    const { sha256: offered } = JSON.parse(await firstWords(child, 'the HTTP server', signal)) as { sha256: string };
    const { status, out } = await client.run(process.execPath, [HTTP, 'fetch', address, `${HTTP_PORT}`]);
    if (status !== 0) throw failed('the download', out);
    const got = JSON.parse(out) as { bytes: number; sha256: string; seconds: number };
    return { bytes: got.bytes, seconds: got.seconds, offered, arrived: got.sha256 };
  } finally {
    await stop(child);
  }
}

/** Bits a second of one TCP connection, as its receiver counts them. */
export async function throughput(
  program: string,
  server: [Netns, string],
  client: Netns,
  seconds: number,
  signal: AbortSignal,
): Promise<number> {
  const [netns, address] = server;
  const listen = ['-s', '-1', '-B', address, '-p', `${IPERF_PORT}`, '--forceflush'];
  const child = start(netns, program, listen, signal);
  try {
    await firstWords(child, 'iperf3', signal);
    const args = ['-c', address, '-p', `${IPERF_PORT}`, '-t', `${seconds}`, '-J', '--connect-timeout', '2000'];
    const { status, out } = await client.run(program, args, (seconds + 5) * 1000);
    if (status !== 0) throw failed('iperf3', out);
    return (JSON.parse(out) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received.bits_per_second;
  } finally {
    await stop(child);
  }
}

/** Its standard input ends with this process, however that ends. */
function start(netns: Netns, program: string, args: readonly string[], signal: AbortSignal): ChildProcess {
  const child = spawn(...netns.inside(program, args), {
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
  // What stops it is told by who waits.
  child.on('error', () => {});
  child.stdin?.on('error', () => {});
  return child;
}

/** What it says first, when it listens. */
async function firstWords(child: ChildProcess, name: string, signal: AbortSignal): Promise<string> {
  let complaint = '';
  child.stderr?.on('data', (data) => (complaint += String(data)));
  const ended = new AbortController();
  const limit = AbortSignal.any([signal, ended.signal, AbortSignal.timeout(START_LIMIT)]);
  const giveUp = () => ended.abort();
  child.on('close', giveUp);
  try {
    const [data] = (await once(child.stdout!, 'data', { signal: limit })) as [Buffer];
    child.stdout!.resume();
    return String(data);
  } catch {
    signal.throwIfAborted();
    throw failed(name, complaint || 'it does not answer');
  } finally {
    child.off('close', giveUp);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

function failed(what: string, out: string): OverlaneError {
  const words = out.trim().split('\n').slice(-3).join(' ').slice(0, 300);
  return new OverlaneError('ERR_OVERLANE_SYSTEM', `${what} failed between the containers: ${words}`);
}

/** Traffic that runs while something else happens: numbered packets, of which none may be missing, and TCP. */
import { buildUdpLoad, lastJson } from '../../bench/live/udp-load.js';
import type { Netns } from '../live/netns.js';

export interface Numbered {
  sent: number;
  received: number;
  reordered: number;
  duplicates: number;
  bad: number;
}

/** 64-byte frames, numbered in each flow. */
export async function numbered(
  from: Netns,
  to: Netns,
  address: string,
  { seconds, rate = 2000, idle = 1500, flows = 4 }: { seconds: number; rate?: number; idle?: number; flows?: number },
): Promise<Numbered> {
  const program = await buildUdpLoad(AbortSignal.timeout(30_000));
  const sink = to.start(program, 'receive', '9000', '--size', '64', '--idle-ms', `${idle}`, '--wait-ms', '8000');
  await sink.until(/ready\n/);
  const load = ['--size', '64', '--rate', `${rate}`, '--seconds', `${seconds}`, '--flows', `${flows}`];
  const limit = seconds * 1000 + 15_000;
  const sent = lastJson<{ sent: number }>(await from.start(program, 'send', address, '9000', ...load).done(limit));
  return { ...lastJson<Omit<Numbered, 'sent'>>(await sink.done(limit)), sent: sent.sent };
}

/** One connection at a rate that a capture keeps up with; the bytes that arrived. */
export async function tcp(from: Netns, to: Netns, address: string, seconds: number): Promise<number> {
  const server = to.start('iperf3', '-s', '-1', '-p', '5301', '--forceflush');
  try {
    await server.until(/Server listening/);
    const words = ['-t', `${seconds}`, '-b', '20M', '-J', '--connect-timeout', '3000'];
    const text = await from.start('iperf3', '-c', address, '-p', '5301', ...words).done(seconds * 1000 + 15_000);
    const { error, end } = JSON.parse(text) as { error?: string; end: { sum_received?: { bytes: number } } };
    if (error !== undefined) throw new Error(`iperf3 said: ${error}`);
    return end.sum_received?.bytes ?? 0;
  } finally {
    await server.stop();
  }
}

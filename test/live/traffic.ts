/** Traffic between containers, and what became of it: iperf3, a transfer that is hashed, and 802.1Q-tagged frames. */
import { fileURLToPath } from 'node:url';
import { hasTool } from '../peers.js';
import type { Netns } from './netns.js';

/** For the names of tests that are skipped without it. */
export const NEEDS_IPERF3 = '(needs iperf3: apt-get install iperf3)';
export const hasIperf3 = hasTool('iperf3');

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export interface Iperf {
  /** That arrived, and the mean rate of it in Mb/s. */
  bytes: number;
  megabits: number;
  /** TCP. */
  retransmits: number;
  /** UDP. */
  packets: number;
  lost: number;
  reordered: number;
}

interface Report {
  error?: string;
  end: {
    sum?: { packets?: number; lost_packets?: number };
    sum_sent?: { retransmits?: number };
    sum_received?: { bytes: number; bits_per_second: number };
    streams: { udp?: { out_of_order?: number } }[];
  };
}

/** Sends from `from` to `address` in `to`; more words for the client, as in `-R` or `-u`. */
export async function iperf(from: Netns, to: Netns, address: string, words: string[], port = 5201): Promise<Iperf> {
  const server = to.start('iperf3', '-s', '-1', '-p', `${port}`, '--forceflush');
  try {
    await server.until(/Server listening/);
    const client = from.start('iperf3', '-c', address, '-p', `${port}`, '-J', '--connect-timeout', '3000', ...words);
    const text = await client.done(12_000).catch((error: Error) => {
      throw new Error(`${error.message}\nthe server: ${server.output}`);
    });
    const { error, end } = JSON.parse(text) as Report;
    if (error !== undefined) throw new Error(`iperf3 said: ${error}`);
    return {
      bytes: end.sum_received?.bytes ?? 0,
      megabits: (end.sum_received?.bits_per_second ?? 0) / 1e6,
      retransmits: end.sum_sent?.retransmits ?? 0,
      packets: end.sum?.packets ?? 0,
      lost: end.sum?.lost_packets ?? 0,
      reordered: end.streams.reduce((all, { udp }) => all + (udp?.out_of_order ?? 0), 0),
    };
  } finally {
    await server.stop();
  }
}

export interface Transfer {
  bytes: number;
  sha256: string;
  seconds: number;
}

/** Bytes that no two places of have the same pattern, over TCP: what was sent, and what arrived. */
export async function transfer(
  from: Netns,
  to: Netns,
  address: string,
  { mebibytes = 128, port = 7000, limit = 60_000 } = {},
): Promise<[Transfer, Transfer]> {
  const receiver = to.start('python3', script('transfer.py'), 'receive', `${port}`);
  try {
    await receiver.until(/ready\n/);
    const sender = from.start('python3', script('transfer.py'), 'send', address, `${port}`, `${mebibytes}`);
    const sent = await sender.done(limit);
    const got = await receiver.done(10_000);
    return [JSON.parse(sent), JSON.parse(got.replace('ready\n', ''))] as [Transfer, Transfer];
  } finally {
    await receiver.stop();
  }
}

/** Frames with an 802.1Q tag from eth0 to eth0: how many arrived with tag and content as sent. */
export async function sendTagged(from: Netns, to: Netns, mac: string, vlan: number, count: number): Promise<number> {
  const receiver = to.start('python3', script('tagged.py'), 'receive', `${vlan}`, `${count}`);
  try {
    await receiver.until(/ready\n/);
    await from.start('python3', script('tagged.py'), 'send', `${vlan}`, `${count}`, mac).done();
    return Number((await receiver.done()).replace('ready\n', ''));
  } finally {
    await receiver.stop();
  }
}

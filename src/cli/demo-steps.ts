/** What the demo does with the capture, step by step; `demo.ts` shows it. */
import { fileURLToPath } from 'node:url';
import { formatMac } from '../address.js';
import { type Burst, burstOf, frames } from '../dataplane/burst.js';
import { readCapture } from '../dataplane/capture.js';
import type { Miss } from '../dataplane/dataplane.js';
import { type Host, openHost, STATIONS } from './demo-hosts.js';

/** A frame with its capture time, nanoseconds since the epoch. */
export interface Timed {
  frame: Uint8Array;
  time: bigint;
}

const VECTORS = new URL('../../test/vectors/docker-swarm/', import.meta.url);

export function captureFile(name: string): string {
  return fileURLToPath(new URL(name, VECTORS));
}

export function readFrames(path: string): Timed[] {
  const all: Timed[] = [];
  for (const burst of readCapture(path)) all.push(...timed(burst));
  return all;
}

function timed(burst: Burst): Timed[] {
  return [...frames(burst)].map((frame, i) => ({ frame: frame.slice(), time: burst.timestamps?.[i] ?? 0n }));
}

export function toBurst(list: readonly Timed[]): Burst {
  return { ...burstOf(list.map(({ frame }) => frame)), timestamps: BigInt64Array.from(list.map(({ time }) => time)) };
}

const byTime = (a: Timed, b: Timed): number => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0);

/** How many frames of the two lists are the same, byte for byte and in order. */
export function countSame(got: readonly Timed[], wanted: readonly Timed[]): number {
  return got.filter(({ frame }, i) => Buffer.compare(frame, wanted[i]?.frame ?? new Uint8Array()) === 0).length;
}

/** Each host sees what is on its wire and takes what is for it. */
export function decapsulate(hosts: readonly Host[], wireOf: (host: Host) => readonly Timed[]): Timed[] {
  for (const host of hosts) {
    host.wire.inject(toBurst(wireOf(host)));
    host.dataplane.run();
  }
  return merge(hosts.map(({ container }) => timed(container.drain())));
}

/** Each container's own frames go into its host again; returns what each host puts on the wire. */
export function encapsulate(hosts: readonly Host[], inner: readonly Timed[]): Map<Host, Timed[]> {
  for (const host of hosts) {
    host.container.inject(toBurst(inner.filter(({ frame }) => sourceMac(frame) === host.station.mac)));
    host.dataplane.run();
  }
  return new Map(hosts.map((host) => [host, timed(host.wire.drain())]));
}

export function merge(lists: Iterable<readonly Timed[]>): Timed[] {
  return [...lists].flat().sort(byTime);
}

function sourceMac(frame: Uint8Array): string {
  return formatMac(frame.subarray(6, 12));
}

export interface ArpOutcome {
  requests: Timed[];
  replies: Timed[];
  /** What the kernel answered when the capture was taken. */
  kernelReplies: Timed[];
  /** Frames that the requests put on the wire. */
  crossed: number;
  misses: Miss[];
}

const isArp = ({ frame }: Timed): boolean => frame[12] === 0x08 && frame[13] === 0x06;

/** c1 asks again what it asked when the capture was taken. */
export function replayArp(host: Host, seen: readonly Timed[]): ArpOutcome {
  const arp = seen.filter(isArp);
  const requests = arp.filter(({ frame }) => sourceMac(frame) === host.station.mac);
  host.container.inject(toBurst(requests));
  host.dataplane.run();
  return {
    requests,
    replies: timed(host.container.drain()),
    kernelReplies: arp.filter(({ frame }) => sourceMac(frame) !== host.station.mac),
    crossed: host.wire.drain().count,
    misses: host.misses,
  };
}

/** Nanoseconds a packet, median of several rounds over the same frames. */
export async function time(frames: readonly Timed[], direction: 'encapsulate' | 'decapsulate'): Promise<number> {
  const host = openHost(STATIONS[direction === 'encapsulate' ? 1 : 0], { endless: true });
  const from = direction === 'encapsulate' ? host.container : host.wire;
  const wanted =
    direction === 'encapsulate' ? frames.filter(({ frame }) => sourceMac(frame) === host.station.mac) : frames;
  from.inject(toBurst(wanted));
  const packets = 200_000;
  const rounds: number[] = [];
  for (let i = 0; i < 7; ++i) {
    const start = process.hrtime.bigint();
    const received = host.dataplane.run({ now: 0n, packets });
    rounds.push(Number(process.hrtime.bigint() - start) / received);
  }
  await host.dataplane.close();
  return rounds.sort((a, b) => a - b)[3] ?? 0;
}

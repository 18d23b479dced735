/** Remote VTEPs that send fresh packets: each a dataplane of its own, whose packets are taken off its wire. */
import type { Burst, EncryptionOptions } from 'overlane';
import { LOCAL_VTEP, queueFor, REMOTE_VTEPS, runner, VNI } from './lab.js';
import { type Frames, macText, stationFrames, stationIp, stationMac, VXLAN_OVERHEAD } from './traffic.js';
import type { Product } from './trial.js';

/** Bytes that ESP in UDP adds at most to VXLAN's: 50 (RFC 3948, RFC 4303, RFC 4106). */
const ESP_ROOM = 64;

/** There are 16 of them, and the caches are the receiver's. */
const SMALL = { fdbEntries: 4096, neighborEntries: 4096, packets: { small: 512, large: 64 } };

export interface SenderOptions {
  /** Which of `REMOTE_VTEPS`. */
  at: number;
  /** Pairs of stations of the whole overlay; every 16th on side b is behind this VTEP. */
  pairs: number;
  /** Bytes of a frame. */
  size: number;
  /** How often each station sends. */
  turns: number;
  encryption?: EncryptionOptions | undefined;
}

export interface Sender {
  /** What its stations send to their partners behind `LOCAL_VTEP`, as it leaves. Throws when something is missing. */
  send(): Burst;
  close(): void;
}

/** Bytes and packets that all senders send at a time. */
export function queueOfSenders({ pairs, size, turns }: Omit<SenderOptions, 'at'>): number {
  return queueFor(turns * pairs * (size + VXLAN_OVERHEAD + ESP_ROOM), turns * pairs);
}

/** Those of every 16th station, `turns` times over. */
function framesOf({ at, pairs, size, turns }: SenderOptions): Frames {
  const { data, offsets, lengths } = stationFrames('b', pairs, size);
  const once = (all: Uint32Array) => Array.from(all.filter((_, i) => i % REMOTE_VTEPS.length === at));
  const often = (all: Uint32Array) => Uint32Array.from(Array.from({ length: turns }, () => once(all)).flat());
  const all = { data, offsets: often(offsets), lengths: often(lengths) };
  return { ...all, count: all.offsets.length };
}

export function senderOf({ api }: Product, options: SenderOptions): Sender {
  const { at, pairs, encryption } = options;
  const { mac, ip } = REMOTE_VTEPS[at]!;
  const lab = new api.Dataplane({ mode: 'manual', clock: 'virtual', ...SMALL });
  const queueBytes = queueOfSenders(options);
  const wire = lab.addPort({ type: 'memory', name: 'wire', queueBytes });
  const underlay = lab.addUnderlay({
    type: 'frame',
    port: wire,
    mac: macText(mac),
    local: ip.join('.'),
    neighbors: [{ ip: LOCAL_VTEP.ip.join('.'), mac: macText(LOCAL_VTEP.mac) }],
  });
  const bridge = lab.addBridge({ name: 'lab', vni: VNI, underlay, ...(encryption && { encryption }) });
  const vtep = Uint8Array.from(LOCAL_VTEP.ip);
  for (let i = at; i < pairs; i += REMOTE_VTEPS.length) {
    bridge.addPeer({ mac: stationMac('a', i), ip: Uint8Array.from(stationIp('a', i)), vtep });
  }
  const local = lab.addPort({ type: 'memory', name: 'b', queueBytes });
  bridge.attach(local);
  const frames = framesOf(options);
  const run = runner(lab);
  return {
    send() {
      local.inject(frames);
      run();
      const sent = wire.drain();
      if (sent.count !== frames.count) throw new Error(`a sender sent ${sent.count} of ${frames.count} packets`);
      return sent;
    },
    close: () => void lab.close(),
  };
}

/** One packet of each burst in turn; all have the same number of them. */
export function interleave(bursts: readonly Burst[]): Burst {
  const each = bursts[0]?.count ?? 0;
  const count = each * bursts.length;
  const data = new Uint8Array(bursts.reduce((sum, burst) => sum + burst.data.length, 0));
  const offsets = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  let base = 0;
  for (const [at, burst] of bursts.entries()) {
    data.set(burst.data, base);
    for (let i = 0; i < each; i++) {
      offsets[i * bursts.length + at] = base + burst.offsets[i]!;
      lengths[i * bursts.length + at] = burst.lengths[i]!;
    }
    base += burst.data.length;
  }
  return { data, offsets, lengths, count };
}

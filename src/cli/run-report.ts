/** What `overlane run` says at the end: tables, or one JSON object. */

import { type Counters, describeCounters } from '../dataplane/counters.js';
import type { BridgeEncryption } from '../dataplane/encryption-options.js';
import type { OverlaneError } from '../errors.js';
import { addon } from '../native.js';
import { formatCount, formatTable, paint } from './terminal.js';

/** How a run ended. */
export interface Outcome {
  live: boolean;
  /** What stopped it: an offline run early, a live one as it should be. */
  signal: string | null;
  /** Ports that failed, each once; the others went on. */
  errors: OverlaneError[];
}

/** Of the encrypted bridges, by name. */
export type Encryption = Record<string, BridgeEncryption>;

export function toJson(counters: Counters, { live, signal, errors }: Outcome, encryption: Encryption = {}): string {
  const result = {
    complete: (live || signal === null) && errors.length === 0,
    ...counters,
    ...(Object.keys(encryption).length === 0 ? {} : { encryption }),
    errors: errors.map(({ code, message }) => ({ code, message })),
  };
  // Counters stay below 2^53 for centuries of packets.
  return JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
}

export function toText(counters: Counters, outcome: Outcome, encryption: Encryption = {}): string {
  return [
    ...encryptionTable(encryption),
    portTable(counters),
    ...stageTable(counters),
    ...dropTable(counters),
    accountingLine(counters, outcome),
  ].join('\n\n');
}

/** Which bridges are encrypted, and with which keys; those that are not are not in it. */
function encryptionTable(encryption: Encryption): string[] {
  const rows = Object.entries(encryption).map(([name, { profile, keyBits, engine, keys }]) => [
    name,
    profile,
    `AES-${keyBits}-GCM`,
    engine === 'auto' ? (addon.cryptoEngines().find(({ usable }) => usable)?.name ?? engine) : engine,
    keys.map(({ id, role, epoch }) => `${id} (${role}${epoch === null ? '' : `, epoch ${epoch}`})`).join(', '),
  ]);
  return rows.length === 0 ? [] : [formatTable(['encrypted bridge', 'profile', 'cipher', 'engine', 'keys'], rows)];
}

const right = (title: string) => ({ title, align: 'right' as const });

function portTable({ ports }: Counters): string {
  const rows = Object.entries(ports).map(([name, values]) => [
    name,
    ...[values.rx_packets, values.rx_bytes, values.tx_packets, values.tx_bytes].map(formatCount),
  ]);
  return formatTable(['port', right('rx packets'), right('rx bytes'), right('tx packets'), right('tx bytes')], rows);
}

/** What the stages did, as far as they did anything. */
function stageTable({ total }: Counters): string[] {
  const known = describeCounters().filter(
    ({ kind, name }) => (kind === 'stage' || kind === 'event') && total[name] !== 0n,
  );
  const rows = known.map(({ name, about }) => [name, formatCount(total[name] ?? 0n), about]);
  return rows.length === 0 ? [] : [formatTable(['counter', right('count'), 'meaning'], rows)];
}

function dropTable({ drops }: Counters): string[] {
  const about = new Map(describeCounters().map((counter) => [counter.name, counter.about]));
  const rows = Object.entries(drops).map(([name, count]) => [name, formatCount(count), about.get(name) ?? '']);
  return rows.length === 0 ? [] : [formatTable(['dropped', right('packets'), 'why'], rows)];
}

/** Parts of the sum that only live traffic has are left out where there are none. */
function accountingLine(counters: Counters, { live, signal }: Outcome): string {
  const { received, originated, cloned, segmented, transmitted, consumed, coalesced, waiting, dropped, balanced } =
    counters;
  const optional = (word: string, count: bigint) => (count === 0n ? '' : ` + ${word} ${formatCount(count)}`);
  const came =
    `received ${formatCount(received)}${optional('originated', originated)} + cloned ${formatCount(cloned)}` +
    optional('segmented', segmented);
  const went =
    `transmitted ${formatCount(transmitted)} + consumed ${formatCount(consumed)}` +
    `${optional('coalesced', coalesced)}${optional('waiting', waiting)} + dropped ${formatCount(dropped)}`;
  const verdict = balanced
    ? paint('green', 'every packet is accounted for')
    : paint('red', 'the sum does not hold: please report this');
  return `${came} = ${went}: ${verdict}${signal === null || live ? '' : ` (stopped by ${signal})`}`;
}

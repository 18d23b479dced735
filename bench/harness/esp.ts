/** What the trials of encryption share: their cases, their keys, and the price of an engine by itself. */
import type { CryptoEngine, EncryptionOptions, Profile } from 'overlane';
import { loadInternal } from './product.js';
import { Absent, type Case, DEFAULT_RIVAL, type Product, type Sample, type Workload } from './trial.js';

/** The same bridge and underlay, not encrypted. */
export const CLEARTEXT = 'cleartext';

const MACS = 1024;
const SIZES = [64, 512, 1420] as const;
/** What a full packet is judged by: ns in all, and the most that ESP may add, as a share of what the engine costs by itself. */
const BUDGET = { 'ipsec-mb': 130, openssl: 450 } as const;
const MOST = 0.25;

type Engine = keyof typeof BUDGET;
const ENGINES = Object.keys(BUDGET) as Engine[];

const rawOf = (engine: string) => `raw ${engine}`;

/** Each size with each engine, beside that engine by itself and the same without encryption. */
export function espCases(): Case[] {
  return SIZES.flatMap((size) => [
    ...ENGINES.flatMap((engine) => [espCase(engine, size), { macs: MACS, size, engine, rival: rawOf(engine) }]),
    { macs: MACS, size, rival: CLEARTEXT },
  ]);
}

function espCase(engine: Engine, size: number): Case {
  const overhead = { base: CLEARTEXT, floor: rawOf(engine) };
  const place = { macs: MACS, size, engine };
  if (size !== SIZES.at(-1)) return { ...place, overhead };
  return { ...place, overhead: { ...overhead, most: MOST }, budget: BUDGET[engine] };
}

/** One secret, the same on both sides, that stays what it is; undefined: cleartext. */
export function encryptionOf({ engine, rival }: Case, profile: Profile = 'strong'): EncryptionOptions | undefined {
  if (rival === CLEARTEXT) return undefined;
  const secret = '5a'.repeat(profile === 'strong' ? 32 : 16);
  return { profile, keys: [{ id: 1, secret }], engine: engine as CryptoEngine, rotation: false };
}

/** The part of the product's `native.js` that these trials need; the public API has no engine without packets. */
interface Internal {
  addon: {
    cryptoEngines(): { name: string; usable: boolean; detail: string }[];
    aeadNs(engine: string, keyBits: number, length: number, seal: boolean): number;
  };
}

/** UDP and VXLAN headers, pad length and next header: what is encrypted besides the frame, padded to 4 bytes (RFC 4303, section 2.4). */
const sealedLength = (size: number) => Math.ceil((8 + 8 + size + 2) / 4) * 4;

/** Packets a batch of `steady()`: 5 to 50 ms, encrypted. */
export const ESP_BATCH = 100_000;

/**
 * The workload of a case: `work` for overlane with and without encryption, or the engine by itself, with all it touches in the first cache.
 * Throws `Absent` when this machine does not have the engine.
 */
export async function espWorkload(
  { engine, rival = DEFAULT_RIVAL, size = 64 }: Case,
  product: Product,
  seal: boolean,
  work: () => Workload,
): Promise<Workload> {
  if (engine === undefined) return work();
  const { addon } = await loadInternal<Internal>(product, 'native.js');
  const found = addon.cryptoEngines().find(({ name }) => name === engine);
  if (found?.usable !== true) throw new Absent(`${engine} cannot be used here: ${found?.detail ?? 'not built in'}`);
  if (rival !== rawOf(engine)) return work();
  return { measure: (seconds) => repeatRaw(() => addon.aeadNs(engine, 128, sealedLength(size), seal), seconds) };
}

/** The mean over the time, as of everything else. */
function repeatRaw(call: () => number, seconds: number): Sample {
  const limit = performance.now() + seconds * 1e3;
  const sample = { packets: 0, ns: 0 };
  do {
    const ns = call();
    if (!(ns > 0)) throw new Error('the engine failed');
    sample.ns += ns;
    sample.packets++;
  } while (performance.now() < limit);
  return sample;
}

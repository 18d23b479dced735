/** Keys for reading captures: finds the SA of any ESP packet, the ratchet's epoch by the packet's time. */
import { parseIp } from '../address.js';
import { EpochSecrets } from './esp-epochs.js';
import { deriveSa, dockerSpi, spiHint } from './esp-keys.js';
import { type EspInside, type EspSa, openEsp } from './esp-open.js';
import type { EspOpened, EspOpener, EspPacket } from './frame.js';

/** A key of a key file. */
export interface RingKey {
  /** Number in the key file; of profile `docker`, the tag. */
  id: number;
  /** 32 bytes; of profile `docker` 16 or 32. Copied. */
  secret: Uint8Array;
  /** Milliseconds since the Unix epoch at which the ratchet started from this secret. Default 0, and profile `strong` only. */
  since?: number;
}

export interface EspRingOptions {
  profile: 'strong' | 'docker';
  keys: readonly RingKey[];
  /** Seconds of an epoch. Default 43,200; profile `strong` only. */
  rotateEvery?: number;
}

/** Seconds between two steps of the ratchet unless told otherwise. */
export const DEFAULT_EPOCH_SECONDS = 43_200;

/** SAs and hints that are kept; more peers than that only cost time. */
const MAX_CACHED = 4096;
const NS_PER_MS = 1_000_000n;

/** An SA, and which key it is of. */
interface RingSa extends EspSa {
  keyId: number;
  epoch?: number;
  ivMask?: bigint;
}

/** The ends of a packet as bytes, and as a key for what is kept about them. */
interface Ends {
  name: string;
  source: Uint8Array;
  destination: Uint8Array;
}

interface Epochs {
  id: number;
  since: number;
  secrets: EpochSecrets;
}

/** Opens the ESP packets of a capture. Holds secrets: close it, or declare it with `using`. */
export class EspRing {
  readonly #profile: 'strong' | 'docker';
  readonly #keys: readonly RingKey[];
  readonly #epochs: readonly Epochs[];
  readonly #epochMs: number;
  readonly #sas = new Map<string, RingSa>();
  readonly #hints = new Map<string, number>();

  constructor({ profile, keys, rotateEvery = DEFAULT_EPOCH_SECONDS }: EspRingOptions) {
    this.#profile = profile;
    this.#keys = keys.map((key) => ({ ...key, secret: Uint8Array.from(key.secret) }));
    this.#epochMs = rotateEvery * 1000;
    this.#epochs =
      profile === 'docker'
        ? []
        : this.#keys.map(({ id, secret, since = 0 }) => ({ id, since, secrets: new EpochSecrets(secret) }));
  }

  /** An opener for `decode` of a packet captured at `timestamp`, nanoseconds since the epoch. */
  opener(timestamp: bigint): EspOpener {
    return (packet) => this.#open(packet, timestamp);
  }

  /** Wipes every secret. */
  close(): void {
    for (const { secret } of this.#keys) secret.fill(0);
    for (const { secrets } of this.#epochs) secrets.close();
    for (const { key, salt } of this.#sas.values()) {
      key.fill(0);
      salt.fill(0);
    }
    this.#sas.clear();
    this.#hints.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open({ packet, source, destination }: EspPacket, timestamp: bigint): ReturnType<EspOpener> {
    const ends = { name: `${source} ${destination}`, source: parseIp(source), destination: parseIp(destination) };
    const spi = packet.length < 4 ? 0 : new DataView(packet.buffer, packet.byteOffset).getUint32(0);
    const sas = this.#profile === 'docker' ? this.#dockerSas(ends) : this.#strongSas(ends, spi, timestamp);
    const opening = openEsp({ packet, source: ends.source, destination: ends.destination, sas });
    if (opening.opened) {
      keep(this.#sas, `${ends.name} ${spi}`, opening.sa);
      return { ...this.#about(opening), inner: opening.inner, nextHeader: opening.nextHeader };
    }
    if (opening.reason === 'esp_spi' && this.#outOfReach(timestamp)) return { opened: false, reason: 'esp_epoch' };
    return opening;
  }

  #about({ sa, sequence, esn, iv, padLength }: EspInside<RingSa>): EspOpened {
    const { keyId, epoch, key, icvLength, ivMask } = sa;
    return {
      opened: true,
      profile: this.#profile,
      keyId,
      ...(epoch !== undefined && { epoch }),
      keyBits: key.length === 32 ? 256 : 128,
      icvLength,
      ...(esn && { sequence64: sequence.toString() }),
      ...(ivMask !== undefined && { sealedAt: unmasked(iv, ivMask).toString() }),
      padLength,
    };
  }

  *#dockerSas({ source, destination }: Ends): Generator<RingSa> {
    for (const { id, secret } of this.#keys) {
      const spi = dockerSpi(source, destination, id);
      const salt = new Uint8Array(4);
      new DataView(salt.buffer).setUint32(0, spi);
      yield { spi, keyId: id, key: secret, salt, icvLength: 8, esn: false };
    }
  }

  /** Those whose hint is in the SPI: one secret in 256 that is not meant has it, too. */
  *#strongSas(ends: Ends, spi: number, timestamp: bigint): Generator<RingSa> {
    const known = this.#sas.get(`${ends.name} ${spi}`);
    if (known !== undefined) yield known;
    for (const key of this.#epochs) {
      for (const epoch of this.#candidates(key, timestamp)) {
        const secret = key.secrets.at(epoch);
        if (secret === undefined || this.#hint(ends, key.id, epoch, secret) !== spi >>> 24) continue;
        for (const keyBits of [128, 256]) {
          const { source, destination } = ends;
          const derived = deriveSa({ secret, source, destination, spi, keyBits });
          yield { ...derived, spi, keyId: key.id, epoch, icvLength: 16, esn: true };
        }
      }
    }
  }

  /** The epoch of that time, its neighbors (clocks differ, and keys change over), and the secret as it is in the file. */
  #candidates({ since }: Epochs, timestamp: bigint): Set<number> {
    const epoch = this.#epochAt(since, timestamp);
    return new Set([epoch, epoch - 1, epoch + 1, 0].filter((step) => step >= 0));
  }

  #epochAt(since: number, timestamp: bigint): number {
    return Math.floor((Number(timestamp / NS_PER_MS) - since) / this.#epochMs);
  }

  #outOfReach(timestamp: bigint): boolean {
    return this.#epochs.some(({ since }) => this.#epochAt(since, timestamp) - 1 > EpochSecrets.MOST);
  }

  #hint({ name, source, destination }: Ends, id: number, epoch: number, secret: Uint8Array): number {
    const entry = `${name} ${id} ${epoch}`;
    const known = this.#hints.get(entry);
    if (known !== undefined) return known;
    const hint = spiHint({ secret, source, destination });
    keep(this.#hints, entry, hint);
    return hint;
  }
}

/** Nanoseconds since the epoch, which an SA of profile `strong` counts its IVs in. */
function unmasked(iv: Uint8Array, ivMask: bigint): bigint {
  return BigInt.asUintN(64, new DataView(iv.buffer, iv.byteOffset).getBigUint64(0) - ivMask);
}

/** Adds an entry; the oldest goes when there are too many. */
function keep<V>(map: Map<string, V>, name: string, value: V): void {
  map.set(name, value);
  if (map.size > MAX_CACHED) map.delete(map.keys().next().value!);
}

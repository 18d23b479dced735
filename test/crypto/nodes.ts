/** Nodes with an encrypted bridge and wires in memory; and what anybody can read of the ESP packets on those. */

import { parseIp } from '../../src/address.js';
import { type BridgeOptions, type FrameUnderlayOptions, Keyring, type KeyringOptions } from '../../src/index.js';
import { deriveSa, dockerSpi, spiHint } from '../../src/wire/esp-keys.js';
import { type EspSa, openEsp } from '../../src/wire/esp-open.js';
import { toHex } from '../../src/wire/field.js';
import { type Host, host, SITES, type Version } from '../dataplane/hosts.js';
import type { Ends } from '../wire/esp-frames.js';

export type Profile = 'strong' | 'docker';
export type KeyBits = 128 | 256;

/** One way to be encrypted, over one IP version. */
export interface Way {
  profile: Profile;
  keyBits: KeyBits;
  version: Version;
}

export const WAYS: readonly Way[] = (['strong', 'docker'] as const).flatMap((profile) =>
  ([128, 256] as const).flatMap((keyBits) => ([4, 6] as const).map((version) => ({ profile, keyBits, version }))),
);

export const nameOf = ({ profile, keyBits, version }: Way) => `${profile}, AES-${keyBits}, IPv${version}`;

export const VNI = 4097;
/** Docker's tag, and the id of a strong key. */
export const TAG = 1234;

/** Bytes that no other secret of a test has: `seed` times odd numbers. */
export function secretOf({ profile, keyBits }: Pick<Way, 'profile' | 'keyBits'>, seed = 1): Uint8Array {
  return Uint8Array.from(
    { length: profile === 'strong' ? 32 : keyBits / 8 },
    (_, i) => (i * 37 + seed * 101 + 5) & 255,
  );
}

/** A ring with one key, which stays as it is. */
export function ringOf(way: Pick<Way, 'profile' | 'keyBits'>, seed = 1, more: Partial<KeyringOptions> = {}): Keyring {
  const { profile, keyBits } = way;
  return new Keyring({ profile, keyBits, keys: [{ id: TAG, secret: secretOf(way, seed) }], rotation: false, ...more });
}

/** Node 0, 1 or 2, which floods what it does not know to one other. */
export function node(
  n: number,
  way: Way,
  bridge: Partial<BridgeOptions> = {},
  underlay: Partial<FrameUnderlayOptions> = {},
): Host {
  const vteps = [SITES[way.version][n === 0 ? 1 : 0]];
  return host(n, way.version, { vni: VNI, encryption: ringOf(way), vteps, ...bridge }, underlay);
}

export function pair(way: Way): [Host, Host] {
  return [node(0, way), node(1, way)];
}

/** What a node put on its wire. */
export function wireFrames({ w }: Host): Uint8Array[] {
  const { data, offsets, lengths, count } = w.drain();
  return Array.from({ length: count }, (_, i) => data.slice(offsets[i]!, offsets[i]! + lengths[i]!));
}

/** Hands frames to a node's wire one at a time; how many its container got. */
export function deliver({ dataplane, w, c }: Host, list: readonly Uint8Array[]): number {
  w.inject(list);
  dataplane.run();
  return c.drain().count;
}

/** Where the ESP packet begins in a frame of that way. */
export function espStart({ profile, version }: Pick<Way, 'profile' | 'version'>): number {
  return 14 + (version === 4 ? 20 : 40) + (profile === 'strong' ? 8 : 0);
}

export function espOf(frame: Uint8Array, way: Pick<Way, 'profile' | 'version'>): Uint8Array {
  return frame.subarray(espStart(way));
}

export function spiOf(esp: Uint8Array): number {
  return new DataView(esp.buffer, esp.byteOffset).getUint32(0);
}

export function ivOf(esp: Uint8Array): bigint {
  return new DataView(esp.buffer, esp.byteOffset).getBigUint64(8);
}

/** The SA of that SPI; without one, the SPI is the one that a sender would choose, of `low` 24 bits. */
export function saOf(
  way: Pick<Way, 'profile' | 'keyBits'>,
  ends: Ends,
  { secret = secretOf(way), spi, low = 0x123456 }: { secret?: Uint8Array; spi?: number; low?: number } = {},
): EspSa & { ivMask: bigint } {
  const [source, destination] = [parseIp(ends.source), parseIp(ends.destination)];
  if (way.profile === 'docker') {
    const number = spi ?? dockerSpi(source, destination, TAG);
    const salt = Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number);
    return { spi: number, key: secret, salt, icvLength: 8, esn: false, ivMask: 0n };
  }
  const number = spi ?? spiHint({ secret, source, destination }) * 2 ** 24 + low;
  const { keyBits } = way;
  return { ...deriveSa({ secret, source, destination, spi: number, keyBits }), spi: number, icvLength: 16, esn: true };
}

/** The container's frame in an ESP packet, by the reference; throws when it does not open. */
export function opened(esp: Uint8Array, ends: Ends, sa: EspSa): { frame: string; sequence: bigint; vni: number } {
  const [source, destination] = [parseIp(ends.source), parseIp(ends.destination)];
  const opening = openEsp({ packet: esp, source, destination, sas: [sa] });
  if (!opening.opened) throw new Error(`it does not open: ${opening.reason}`);
  const { inner, sequence } = opening;
  return { frame: toHex(inner.subarray(16)), sequence, vni: (inner[12]! << 16) | (inner[13]! << 8) | inner[14]! };
}

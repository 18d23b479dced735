/**
 * The twin of an underlay: natively an underlay of its own, which only encrypted bridges belong to, so that cleartext for one of them finds
 * no bridge. Opened with the first bridge of a profile, closed with the underlay.
 */
import { OverlaneError } from '../errors.js';
import type { Profile } from '../keyring/secret.js';
import type { NativeDataplane, NativeEsp, NativeFrameUnderlayOptions, NativeUdpUnderlayOptions } from '../native.js';
import { native } from './undo.js';

/** UDP port of ESP in UDP (RFC 3948, section 2.1). */
export const ESP_PORT = 4500;

export interface Twin {
  profile: Profile;
  /** That of the underlay and `/esp`, of profile `docker` `/esp-ip`: its counters stand under it, when it has any. */
  name: string;
  /** Row of the native underlays. */
  index: number;
  /** The native port that it brings; null: it shares that of the underlay. */
  row: number | null;
}

export function espOf(profile: Profile): NativeEsp {
  return profile === 'strong' ? 'udp' : 'ip';
}

export function twinName(underlay: string, profile: Profile): string {
  return `${underlay}/${profile === 'strong' ? 'esp' : 'esp-ip'}`;
}

/** `given` is what the underlay itself was made of. */
export function openFrameTwin(
  side: NativeDataplane,
  profile: Profile,
  given: NativeFrameUnderlayOptions,
  neighbors: Iterable<{ ip: Uint8Array; mac: Uint8Array }>,
): Twin {
  const name = twinName(given.name, profile);
  const what = `underlay '${name}'`;
  const index = native(what, () => side.addFrameUnderlay({ ...given, name, esp: espOf(profile) }));
  try {
    for (const { ip, mac } of neighbors) native(what, () => side.addUnderlayNeighbor(index, ip, mac));
  } catch (error) {
    side.removeUnderlay(index);
    throw error;
  }
  return { profile, name, index, row: null };
}

export function openUdpTwin(side: NativeDataplane, profile: Profile, given: NativeUdpUnderlayOptions): Twin {
  const name = twinName(given.name, profile);
  try {
    const { underlay, port } = native(`underlay '${name}'`, () =>
      side.addUdpUnderlay({ ...given, name, esp: espOf(profile) }),
    );
    return { profile, name, index: underlay, row: port };
  } catch (error) {
    throw advised(error as OverlaneError, profile, given.espPort);
  }
}

/** What is usually in the way of these sockets. */
function advised(error: OverlaneError, profile: Profile, port: number): OverlaneError {
  const { code } = error;
  const advice =
    code === 'ERR_OVERLANE_BUSY' && profile === 'strong'
      ? `; UDP port ${port} is usually held by an IKE daemon (ss -lunp sport = ${port}): stop that, or give all underlays another 'espPort'`
      : code === 'ERR_OVERLANE_PERMISSION'
        ? `; ${profile === 'docker' ? 'a raw socket of ESP needs CAP_NET_RAW' : `UDP port ${port} may need CAP_NET_BIND_SERVICE`}: docs/privileges.md says how to give it`
        : '';
  return new OverlaneError(code, `${error.message}${advice}`, { cause: error });
}

/** After its bridges. */
export function closeTwin(side: NativeDataplane, { index, row }: Twin): void {
  side.removeUnderlay(index);
  if (row !== null) side.removePort(row, false);
}

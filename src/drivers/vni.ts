/** VNIs of overlay networks. */
import { OverlaneError } from '../errors.js';

/** Those below are left to who numbers networks by hand. */
const FIRST = 4096;
const LAST = 2 ** 24 - 1;

/** The lowest free ones. `taken`: VNI → network. */
export function allocateVnis(count: number, taken: ReadonlyMap<number, string>): number[] {
  const found: number[] = [];
  for (let vni = FIRST; vni <= LAST && found.length < count; vni++) if (!taken.has(vni)) found.push(vni);
  if (found.length === count) return found;
  throw new OverlaneError('ERR_OVERLANE_EXHAUSTED', `all VNIs from ${FIRST} to ${LAST} are taken; remove a network`);
}

/** Those of a list such as `4097,4098`: one for each subnet, and free. */
export function readVnis(list: string, count: number, taken: ReadonlyMap<number, string>, option: string): number[] {
  const words = list.split(',').map((word) => word.trim());
  const vnis = words.map((word) => (/^\d{1,8}$/.test(word) ? Number(word) : 0));
  const wrong = vnis.findIndex((vni) => vni < 1 || vni > LAST);
  if (wrong >= 0) throw refuse(`option '${option}' has '${words[wrong]}'; a VNI is a whole number from 1 to ${LAST}`);
  if (vnis.length !== count) {
    throw refuse(`option '${option}' has ${vnis.length} VNIs for ${count} subnets; give one for each`);
  }
  if (new Set(vnis).size < count) throw refuse(`option '${option}' has a VNI twice; each subnet needs its own`);
  for (const vni of vnis) {
    const owner = taken.get(vni);
    if (owner !== undefined) {
      throw new OverlaneError('ERR_OVERLANE_EXISTS', `VNI ${vni} belongs to network ${owner}; choose another one`);
    }
  }
  return vnis;
}

function refuse(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

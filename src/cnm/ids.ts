/** Identifiers, and what people write in place of them. */
import { randomBytes } from 'node:crypto';
import { OverlaneError } from '../errors.js';

/** 64 hexadecimal digits, as Docker has them. */
export function newId(): string {
  return randomBytes(32).toString('hex');
}

/** The first 12 digits: what tables show and interfaces are named after. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/**
 * The one that `ref` means: a whole id, a name, or the beginning of an id.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is none, `ERR_OVERLANE_OPTION` when several ids begin so.
 */
export function resolve<T extends { id: string; name: string }>(
  ref: string,
  noun: string,
  all: ReadonlyMap<string, T>,
): T {
  const exact = all.get(ref);
  if (exact !== undefined) return exact;
  let found: T | undefined;
  let several = false;
  for (const one of all.values()) {
    if (one.name === ref) return one;
    if (ref === '' || !one.id.startsWith(ref)) continue;
    several ||= found !== undefined;
    found = one;
  }
  if (several)
    throw new OverlaneError(
      'ERR_OVERLANE_OPTION',
      `several ${noun}s have an id that begins with ${ref}; write more of it`,
    );
  if (found !== undefined) return found;
  throw new OverlaneError('ERR_OVERLANE_MISSING', `${noun} ${ref} not found`);
}

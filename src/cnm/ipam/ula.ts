/** The IPv6 prefix of a store. */
import type { Store, StoredRecord } from '../store.js';
import { randomUla } from './default-pools.js';

interface UlaRecord extends StoredRecord {
  /** `fdxx:xxxx:xxxx::/48` */
  prefix: string;
}

/**
 * The unique local prefix that belongs to a store, made at the first call (RFC 4193): networks keep their subnets apart from
 * those of other hosts, today and after a restart.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_STORE`.
 */
export function ulaOf(store: Store): string {
  for (const record of store.load('ipam')) if (record.id === 'ula') return (record as UlaRecord).prefix;
  const record: UlaRecord = { id: 'ula', prefix: randomUla() };
  store.commit({ put: [{ kind: 'ipam', record }] });
  return record.prefix;
}

/** Points in time as clients of Docker write them. */
import { HttpError } from './errors.js';

/** Milliseconds of Go's units of durations. */
const UNITS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };

const DURATION = /(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)/g;

/**
 * Milliseconds since 1970 of `1700000000.5` (seconds), `2026-01-31T10:00:00Z` (or a beginning of that; without a zone in that of this
 * machine), or `1h30m` (so long before `now`).
 *
 * @throws {HttpError} 400, naming the parameter `what`.
 */
export function parseTime(text: string, what: string, now = Date.now()): number {
  if (/^\d{1,12}(\.\d{1,20})?$/.test(text)) return Number(text) * 1000;
  if (text.length < 40 && new RegExp(`^(${DURATION.source})+$`).test(text)) {
    let sum = 0;
    for (const [, count, unit] of text.matchAll(DURATION)) sum += Number(count) * UNITS[unit!]!;
    return now - sum;
  }
  const date = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(:\d\d)?(:\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:\d\d)?$/i.exec(text);
  if (date !== null) {
    const [, day, hour = '00', minute = ':00', second = ':00', zone = ''] = date;
    const time = Date.parse(`${day}T${hour}${minute}${second}${zone}`);
    if (!Number.isNaN(time)) return time;
  }
  throw new HttpError(
    400,
    `invalid value for '${what}': '${text.slice(0, 60)}'; write seconds since 1970, 2026-01-31T10:00:00Z or 1h30m`,
  );
}

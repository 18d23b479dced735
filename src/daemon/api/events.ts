/** `/events`: what happened since, and what happens until. */
import type { ServerResponse } from 'node:http';
import { HttpError } from '../errors.js';
import type { EventLog, LoggedEvent } from '../event-log.js';
import { Filters } from '../filters.js';
import type { Reply, Route } from '../route.js';
import { parseTime } from '../times.js';

/** Streams at once; the other connections stay for requests. */
const MOST_STREAMS = 128;

/** Bytes that a client may be behind. */
const MOST_BEHIND = 1 << 20;

/** setTimeout() takes no more: 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** `close` ends every stream: the daemon stops. */
export function eventRoutes(log: EventLog): { routes: Route[]; close: () => void } {
  const streams = new Set<() => void>();
  const handle = ({ query }: { query: URLSearchParams }): Reply => {
    const since = time(query, 'since');
    const until = time(query, 'until');
    const filters = new Filters(query.get('filters'), ['container', 'event', 'label', 'network', 'scope', 'type']);
    if (since !== null && until !== null && until < since) {
      throw new HttpError(400, "'since' cannot be after 'until'; swap them");
    }
    if (streams.size >= MOST_STREAMS) {
      throw new HttpError(503, `there are ${MOST_STREAMS} streams of events already; end one of them`);
    }
    return { status: 200, stream: (response) => follow(response, log, streams, { since, until, filters }) };
  };
  return {
    routes: [{ method: 'GET', path: '/events', handle }],
    close: () => {
      for (const end of [...streams]) end();
    },
  };
}

function time(query: URLSearchParams, name: 'since' | 'until'): number | null {
  const text = query.get(name);
  return text === null || text === '' ? null : parseTime(text, name);
}

interface Wanted {
  since: number | null;
  until: number | null;
  filters: Filters;
}

function follow(response: ServerResponse, log: EventLog, streams: Set<() => void>, wanted: Wanted): void {
  const { since, until } = wanted;
  // Nothing may happen for days.
  response.socket?.setTimeout(0);
  response.setHeader('Content-Type', 'application/json');
  response.flushHeaders();
  const tell = (event: LoggedEvent) => {
    if (until !== null && event.time > until) return;
    if (!matches(event, wanted.filters)) return;
    response.write(`${line(event)}\n`);
    if (response.writableLength > MOST_BEHIND) response.destroy();
  };
  if (since !== null) for (const event of log.kept) if (event.time >= since) tell(event);
  if (until !== null && until <= Date.now()) return void response.end();
  const end = () => {
    stop();
    response.end();
  };
  const timer = until === null ? undefined : setTimeout(end, Math.min(until - Date.now(), LONGEST_TIMER));
  const stop = () => {
    clearTimeout(timer);
    streams.delete(end);
    log.off('event', tell);
  };
  streams.add(end);
  log.on('event', tell);
  response.on('close', stop);
}

function matches({ type, action, id, attributes }: LoggedEvent, filters: Filters): boolean {
  const { name = '', container = '' } = attributes;
  const about = (kind: 'network' | 'container') =>
    type === kind ? [id, name] : kind === 'container' ? [container] : [];
  return (
    filters.is('type', type) &&
    filters.is('event', action) &&
    filters.is('scope', 'local') &&
    filters.begins('network', ...about('network')) &&
    filters.begins('container', ...about('container')) &&
    filters.labels('label', attributes)
  );
}

/** With the fields of old clients for containers, as Docker has them. */
function line({ type, action, id, attributes, time }: LoggedEvent): string {
  return JSON.stringify({
    ...(type === 'container' ? { status: action, id, from: '' } : {}),
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Math.floor(time / 1000),
    timeNano: time * 1e6,
  });
}

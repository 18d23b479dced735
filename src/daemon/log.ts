/** The log: lines of JSON on stderr, which never hold up the daemon, and never more of them than a disk can bear. */
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import type { Controller } from '../cnm/controller.js';
import type { DataplaneEvents } from '../dataplane/events.js';
import type { Handled } from './http.js';

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type Level = (typeof LEVELS)[number];

/** Lines of events of the dataplane in a second; the others are counted. */
const LINES_A_SECOND = 20;

export interface Log {
  logger: Logger;
  /** Writes what is still held back, at once. */
  flush: () => void;
}

export function openLog(level: Level): Log {
  // Lines that nobody takes for a while are dropped, not kept.
  const to = destination({ dest: 2, sync: false, maxLength: 1 << 20 });
  // Whoever read it is gone.
  to.on('error', () => {});
  const logger = pino(
    { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    to as DestinationStream,
  );
  const flush = () => {
    try {
      to.flushSync();
    } catch {
      // Not open yet, or closed: there is nobody to tell.
    }
  };
  return { logger, flush };
}

export function logRequest(logger: Logger, { error, ...request }: Handled): void {
  if (error === undefined) logger.info(request, 'request');
  else logger.error({ ...request, err: error }, 'request failed');
}

/** What the controller and its dataplane have to tell. */
export function logController(logger: Logger, controller: Controller): void {
  controller.on('event', ({ type, action, id, name, attributes }) => {
    logger.info({ id, name, attributes }, `${type} ${action}`);
  });
  controller.on('warning', (message) => logger.warn(message));
  const limit = new RateLimit(LINES_A_SECOND, (count) => logger.warn({ count }, 'further events of the dataplane'));
  const listen = <K extends keyof DataplaneEvents>(kind: K, level: 'debug' | 'info' | 'warn' | 'error') => {
    controller.dataplane.on(kind, ((batch: object[]) => {
      if (!logger.isLevelEnabled(level)) return;
      for (const event of batch) if (limit.allows()) logger[level](plain(event), `dataplane ${kind}`);
    }) as never);
  };
  listen('miss', 'debug');
  listen('mtu', 'info');
  listen('link', 'info');
  listen('failure', 'error');
  listen('encryption', 'warn');
}

/** JSON has no numbers of 64 bits. */
function plain(event: object): object {
  const entries = Object.entries(event).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value]);
  return Object.fromEntries(entries) as object;
}

/** So many a second; tells how many were held back when the next second has come. */
export class RateLimit {
  readonly #most: number;
  readonly #tell: (held: number) => void;
  readonly #now: () => number;
  #second = Number.NEGATIVE_INFINITY;
  #count = 0;
  #held = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `now`: milliseconds, on any clock. */
  constructor(most: number, tell: (held: number) => void, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#tell = tell;
    this.#now = now;
  }

  allows(): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#tellHeld();
      this.#second = second;
      this.#count = 0;
    }
    if (++this.#count <= this.#most) return true;
    this.#held++;
    this.#timer ??= setTimeout(() => this.#tellHeld(), 1000).unref();
    return false;
  }

  #tellHeld(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#held > 0) this.#tell(this.#held);
    this.#held = 0;
  }
}

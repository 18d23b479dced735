/** Errors as the clients of the daemon see them: a status of HTTP, and `{"message": "…"}`. */
import { type ErrorCode, OverlaneError } from '../errors.js';

/** An answer that is not what the client asked for, in words that clients of Docker know. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.headers = headers;
  }
}

/** The statuses that Docker has for the like: 403 for what is in use or predefined, 409 for names that are taken. */
const STATUS: Record<ErrorCode, number> = {
  ERR_OVERLANE_ADDON: 500,
  ERR_OVERLANE_BUSY: 403,
  ERR_OVERLANE_CAPTURE: 500,
  ERR_OVERLANE_CLOSED: 503,
  ERR_OVERLANE_EXHAUSTED: 400,
  ERR_OVERLANE_EXISTS: 409,
  ERR_OVERLANE_INTERNAL: 500,
  ERR_OVERLANE_LIMIT: 403,
  ERR_OVERLANE_MISSING: 404,
  ERR_OVERLANE_OPTION: 400,
  ERR_OVERLANE_OVERLAP: 403,
  ERR_OVERLANE_PERMISSION: 403,
  ERR_OVERLANE_QUEUE_FULL: 503,
  ERR_OVERLANE_STORE: 500,
  ERR_OVERLANE_SYSTEM: 500,
  ERR_OVERLANE_TOPOLOGY: 400,
  ERR_OVERLANE_UNSUPPORTED: 501,
};

/** The status that an error of any kind is answered with; 500 for what nobody expected. */
export function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  return error instanceof OverlaneError ? STATUS[error.code] : 500;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error has this code. */
export function hasCode(error: unknown, code: ErrorCode): error is OverlaneError {
  return error instanceof OverlaneError && error.code === code;
}

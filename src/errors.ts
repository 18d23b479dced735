/** Every error of overlane carries one of these codes; the README lists what each means. */
export type ErrorCode =
  | 'ERR_OVERLANE_ADDON'
  | 'ERR_OVERLANE_BUSY'
  | 'ERR_OVERLANE_CAPTURE'
  | 'ERR_OVERLANE_CLOSED'
  | 'ERR_OVERLANE_EXHAUSTED'
  | 'ERR_OVERLANE_EXISTS'
  | 'ERR_OVERLANE_INTERNAL'
  | 'ERR_OVERLANE_LIMIT'
  | 'ERR_OVERLANE_MISSING'
  | 'ERR_OVERLANE_OPTION'
  | 'ERR_OVERLANE_OVERLAP'
  | 'ERR_OVERLANE_PERMISSION'
  | 'ERR_OVERLANE_QUEUE_FULL'
  | 'ERR_OVERLANE_STORE'
  | 'ERR_OVERLANE_SYSTEM'
  | 'ERR_OVERLANE_TOPOLOGY'
  | 'ERR_OVERLANE_UNSUPPORTED';

/** An error with a `code` and a message that says what to do. */
export class OverlaneError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'OverlaneError';
    this.code = code;
  }
}

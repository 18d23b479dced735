/** Several native calls that happen all or not at all. */
import { type ErrorCode, OverlaneError } from '../errors.js';

/** Runs one step, and remembers how to take it back. */
export type Step = <T>(act: () => T, undo: (result: T) => void) => T;

/** When `body` throws, takes its steps back, last first, and throws the same. */
export function atomically<T>(body: (step: Step) => T): T {
  const undos: (() => void)[] = [];
  try {
    return body((act, undo) => {
      const result = act();
      undos.push(() => undo(result));
      return result;
    });
  } catch (error) {
    for (const undo of undos.reverse()) undo();
    throw error;
  }
}

/** A native call: its errors carry one of our codes, or they are the system's. `what` was being done to whom. */
export function native<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw nativeError(what, cause);
  }
}

/** The same of a native call that gives a promise. */
export async function nativeAsync<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw nativeError(what, cause);
  }
}

function nativeError(what: string, cause: unknown): OverlaneError {
  const { code, message } = cause as { code?: string; message: string };
  const ours = code?.startsWith('ERR_OVERLANE_') ? (code as ErrorCode) : 'ERR_OVERLANE_SYSTEM';
  return new OverlaneError(ours, `${what}: ${message}`, { cause });
}

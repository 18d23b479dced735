/** One thing after another, where those that fail do not keep the others from being done. */
import { OverlaneError } from '../errors.js';

/**
 * Does `work` for each word, in order.
 *
 * @throws {OverlaneError} at the end, what went wrong: with several mistakes, the code of the first and all the messages.
 */
export async function forEach(words: readonly string[], work: (word: string) => Promise<void>): Promise<void> {
  const errors: OverlaneError[] = [];
  for (const word of words) {
    try {
      await work(word);
    } catch (error) {
      if (!(error instanceof OverlaneError)) throw error;
      errors.push(error);
    }
  }
  const [first] = errors;
  if (first === undefined) return;
  const messages = new Set(errors.map(({ message }) => message));
  throw messages.size === 1 ? first : new OverlaneError(first.code, [...messages].join('; '));
}

/** Waits for `work`; false when overlaned says that what it is about is not there. */
export async function unlessAbsent(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** Whether overlaned answered that something is not there; when overlaned itself is not, there is a cause. */
export function isAbsent(error: unknown): boolean {
  return error instanceof OverlaneError && error.code === 'ERR_OVERLANE_MISSING' && error.cause === undefined;
}

/** What several groups of the API share: looking up, and reading parameters. */
import type { Controller } from '../../cnm/controller.js';
import type { Sandbox } from '../../cnm/sandbox.js';
import { HttpError, hasCode } from '../errors.js';

/** Truth as Go reads it. */
export function flag(text: string | undefined, what: string): boolean | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new HttpError(400, `invalid value for ${what}: '${text.slice(0, 60)}'; write true or false`);
}

/** As {@link Controller.sandbox}, in the words of Docker, whose names begin with '/'. */
export function containerOf(controller: Controller, ref: string): Sandbox {
  try {
    return controller.sandbox(ref.replace(/^\//, ''));
  } catch (error) {
    if (!hasCode(error, 'ERR_OVERLANE_MISSING')) throw error;
    throw new HttpError(404, `No such container: ${ref}`);
  }
}

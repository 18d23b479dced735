/** Bodies of requests: of a bounded size, JSON, and of the shape that was asked for. */
import type { IncomingMessage } from 'node:http';
import type { TSchema } from 'typebox';
import { dotted, findMistake, shown } from '../dataplane/check.js';
import { HttpError } from './errors.js';

/** What a client that sends too much may go on sending, so that it comes to read the answer. */
const PATIENCE = 8 << 20;

/**
 * The JSON that a request carries; undefined when it has no body. Null counts as left out, as it does in Docker.
 *
 * @throws {HttpError} 413 when it is longer than `limit` bytes, 400 when it is no JSON, or says that it is none.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<unknown> {
  const bytes = await collect(request, limit);
  if (bytes.length === 0) return undefined;
  const type = request.headers['content-type'] ?? '';
  if (type.split(';')[0]!.trim().toLowerCase() !== 'application/json') {
    throw new HttpError(400, `unsupported Content-Type header (${type.slice(0, 60)}): must be 'application/json'`);
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text, (_, value: unknown) => (value === null ? undefined : value)) as unknown;
  } catch (error) {
    throw new HttpError(400, `invalid JSON: ${(error as Error).message}`);
  }
}

function collect(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const refuse = () => reject(new HttpError(413, `the request body is larger than ${limit} bytes`));
    if (Number(request.headers['content-length'] ?? 0) > limit) refuse();
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= limit) parts.push(part);
      else refuse();
      if (size > limit + PATIENCE) request.destroy();
    });
    request.on('end', () => resolve(Buffer.concat(parts)));
    request.on('error', reject);
    request.on('close', () => reject(new HttpError(400, 'the request ended early')));
  });
}

/**
 * The body as what `schema` describes.
 *
 * @throws {HttpError} 400 naming the field, and what it must be.
 */
export function checkBody<T>(schema: TSchema, body: unknown): T {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HttpError(
      400,
      `the request body must be a JSON object, not ${body === undefined ? 'empty' : shown(body)}`,
    );
  }
  const mistake = findMistake(schema, body);
  if (mistake === null) return body as T;
  const field = dotted(mistake.path);
  if (mistake.unknown) throw new HttpError(400, `unknown field '${field}' of the request body${mistake.problem}`);
  throw new HttpError(400, `field '${field}' of the request body ${mistake.problem}`);
}

/** Requests and answers of the API, and the table that finds who answers. */
import type { ServerResponse } from 'node:http';
import { HttpError } from './errors.js';

/** The versions of the Docker Engine API that are spoken. */
export const API_VERSION = '1.41';
const LEAST_VERSION = '1.24';

export interface ApiRequest {
  /** What stands for `{…}` in the path, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** What JSON of the body says; undefined: there was none. */
  body: unknown;
}

export interface Reply {
  status: number;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as plain text. */
  text?: string;
  headers?: Record<string, string>;
  /** Writes the answer itself, and ends it; the head has not been sent. */
  stream?: (response: ServerResponse) => void;
}

export interface Route {
  method: 'GET' | 'HEAD' | 'POST' | 'DELETE';
  /** `/networks/{id}/connect`. */
  path: string;
  handle(request: ApiRequest): Reply | Promise<Reply>;
}

/** What of a request line matters to find its route. */
export interface Target {
  /** Path without version, in parts, decoded. */
  parts: string[];
  query: URLSearchParams;
}

/**
 * Takes a request target apart: `/v1.41/networks/a%20b?verbose=1`.
 *
 * @throws {HttpError} 400 for a version that is not spoken, and for a broken percent-encoding.
 */
export function parseTarget(url: string): Target {
  // RFC 9112, section 3.2.2: the form with a scheme and a host must be accepted as well.
  const local = url.replace(/^https?:\/\/[^/?#]*/i, '');
  const [, path = '', query = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(local) ?? [];
  const [, version] = /^\/v(\d{1,4}\.\d{1,4})(?=\/|$)/.exec(path) ?? [];
  if (version !== undefined) checkVersion(version);
  const rest = version === undefined ? path : path.slice(version.length + 2);
  return { parts: rest.split('/').slice(1).map(decode), query: new URLSearchParams(query) };
}

function checkVersion(version: string): void {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  const number = ([a, b]: number[]) => a! * 10_000 + b!;
  const asked = number([major, minor]);
  if (asked > number(API_VERSION.split('.').map(Number))) {
    throw new HttpError(
      400,
      `client version ${version} is too new. Maximum supported API version is ${API_VERSION}; set DOCKER_API_VERSION to that`,
    );
  }
  if (asked < number(LEAST_VERSION.split('.').map(Number))) {
    throw new HttpError(
      400,
      `client version ${version} is too old. Minimum supported API version is ${LEAST_VERSION}, please upgrade your client to a newer version`,
    );
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, `invalid percent-encoding in the path: '${part.slice(0, 60)}'`);
  }
}

/** What else Docker has at these places: to be told from what nobody has. */
const DOCKER = new Set(
  'auth build commit configs containers distribution exec grpc images nodes plugins secrets services session swarm system tasks volumes'.split(
    ' ',
  ),
);

/**
 * The route of a request.
 *
 * @throws {HttpError} 404 for a path that nobody has, 405 for another method of one that there is, 501 for the rest of Docker's API.
 */
export function findRoute(
  routes: readonly Route[],
  method: string,
  parts: string[],
): { route: Route; params: Record<string, string> } {
  const there: { route: Route; params: Record<string, string> }[] = [];
  for (const route of routes) {
    const params = match(route.path, parts);
    if (params === null) continue;
    if (route.method === method) return { route, params };
    there.push({ route, params });
  }
  const [first = ''] = parts;
  if (DOCKER.has(first)) {
    // The client of Docker goes on to look elsewhere when it reads 'not supported'.
    const what = `${method} /${parts.map(encodeURIComponent).join('/')}`.slice(0, 100);
    throw new HttpError(501, `${what} is not supported: overlaned is networks only; Docker Engine has the rest`);
  }
  if (there.length === 0) throw new HttpError(404, 'page not found');
  const allow = [...new Set(there.map(({ route }) => route.method))].join(', ');
  throw new HttpError(405, `method ${method} is not allowed here; use ${allow}`, { allow });
}

function match(path: string, parts: string[]): Record<string, string> | null {
  const pattern = path.split('/').slice(1);
  if (pattern.length !== parts.length) return null;
  const params: Record<string, string> = {};
  for (const [i, word] of pattern.entries()) {
    const part = parts[i]!;
    if (word.startsWith('{')) {
      if (part === '') return null;
      params[word.slice(1, -1)] = part;
    } else if (word !== part) return null;
  }
  return params;
}

/** The HTTP side of the daemon: one server, bounded in what it takes from anybody, and an answer to everything. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { readBody } from './body.js';
import { HttpError, messageOf, statusOf } from './errors.js';
import { API_VERSION, findRoute, parseTarget, type Reply, type Route } from './route.js';

/** What one server takes. */
export interface Limits {
  /** Bytes of a body. */
  body: number;
  connections: number;
  /** Milliseconds that a client has to send a request. */
  request: number;
  /** Milliseconds that a connection may be without a request, or an answer without a reader. */
  idle: number;
}

export const LIMITS: Limits = { body: 1 << 20, connections: 256, request: 10_000, idle: 60_000 };

/** What became of one request. */
export interface Handled {
  method: string;
  /** Without query. */
  path: string;
  status: number;
  ms: number;
  /** What went wrong inside, with a status of 500. */
  error?: unknown;
}

export interface ApiOptions {
  routes: readonly Route[];
  /** Goes into the header `Server`. */
  version: string;
  limits?: Partial<Limits>;
  /** Told of every request when its answer has been sent, or its client has gone. */
  handled?: (request: Handled) => void;
}

export interface Api {
  /** It does not listen yet. */
  server: Server;
  /** Refuses new requests, and ends when those under way have, or after `grace` milliseconds. */
  close(grace: number): Promise<void>;
}

export function createApi(options: ApiOptions): Api {
  const limits = { ...LIMITS, ...options.limits };
  const working = new Set<Socket>();
  const server = createServer({
    requestTimeout: limits.request,
    headersTimeout: limits.request,
    keepAliveTimeout: limits.idle,
    connectionsCheckingInterval: Math.min(1000, limits.request),
  });
  server.maxConnections = limits.connections;
  server.setTimeout(limits.idle, (socket: Socket) => {
    // A long piece of work is no idleness.
    if (!working.has(socket)) socket.destroy();
  });
  server.on('clientError', refuseNonsense);
  const open = new Map<Socket, ServerResponse | null>();
  server.on('connection', (socket: Socket) => {
    open.set(socket, null);
    socket.on('close', () => open.delete(socket));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    working.add(request.socket);
    open.set(request.socket, response);
    response.on('close', () => {
      if (open.get(request.socket) === response) open.set(request.socket, null);
    });
    const done = serve(request, response, { ...options, body: limits.body });
    void done.finally(() => working.delete(request.socket));
  });
  return { server, close: (grace) => closeApi(server, open, grace) };
}

/** `open`: the answer that each connection is at. */
async function closeApi(server: Server, open: Map<Socket, ServerResponse | null>, grace: number): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const [socket, response] of open) {
    if (response === null) socket.destroy();
    else response.once('close', () => socket.destroySoon());
  }
  const timer = setTimeout(() => {
    for (const socket of [...open.keys()]) socket.destroy();
  }, grace);
  await ended;
  clearTimeout(timer);
}

/** What is no HTTP, too late, or too much of it. */
function refuseNonsense(error: NodeJS.ErrnoException, socket: Duplex): void {
  const [status, reason] =
    {
      ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not arrive in time'],
      HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too large'],
    }[error.code ?? ''] ?? (['400 Bad Request', 'this is no HTTP request'] as const);
  const body = JSON.stringify({ message: reason });
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    // A client that does not read is not waited for.
    () => socket.destroy(),
  );
  setTimeout(() => socket.destroy(), 1000).unref();
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { routes, version, handled, body }: ApiOptions & { body: number },
): Promise<void> {
  const start = performance.now();
  const { method = 'GET', url = '/' } = request;
  let failure: unknown;
  response.on('close', () => {
    const path = url.split('?')[0]!.slice(0, 200);
    const ms = Math.round((performance.now() - start) * 10) / 10;
    handled?.({ method, path, status: response.statusCode, ms, ...(failure === undefined ? {} : { error: failure }) });
  });
  // A client that has gone is told nothing.
  response.on('error', () => {});
  response.setHeader('Api-Version', API_VERSION);
  response.setHeader('Docker-Experimental', 'false');
  response.setHeader('Ostype', 'linux');
  response.setHeader('Server', `overlaned/${version} (linux)`);
  try {
    send(response, await answer(request, method, url, { routes, body }));
  } catch (error) {
    if (statusOf(error) === 500) failure = error;
    const headers = error instanceof HttpError ? error.headers : {};
    send(response, { status: statusOf(error), json: { message: messageOf(error) }, headers });
  }
}

async function answer(
  request: IncomingMessage,
  method: string,
  url: string,
  { routes, body }: { routes: readonly Route[]; body: number },
): Promise<Reply> {
  const { parts, query } = parseTarget(url);
  if (method === 'OPTIONS') return { status: 200, headers: { allow: methodsOf(routes, parts) } };
  const { route, params } = findRoute(routes, method, parts);
  return route.handle({ params, query, body: method === 'POST' ? await readBody(request, body) : undefined });
}

function methodsOf(routes: readonly Route[], parts: string[]): string {
  try {
    findRoute(routes, 'OPTIONS', parts);
  } catch (error) {
    if (error instanceof HttpError && error.status === 405) return `${error.headers['allow']}, OPTIONS`;
    throw error;
  }
  return 'OPTIONS';
}

function send(response: ServerResponse, { status, json, text, headers = {}, stream }: Reply): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (stream !== undefined) stream(response);
  else if (json !== undefined) {
    response.setHeader('Content-Type', 'application/json');
    response.end(`${JSON.stringify(json)}\n`);
  } else if (text !== undefined) {
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    response.end(text);
  } else response.end();
}

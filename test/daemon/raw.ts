/** HTTP over a unix socket, byte by byte or as a client would. */
import { request } from 'node:http';
import net from 'node:net';

export interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
}

export interface Ask {
  method?: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  body?: string | Buffer;
  headers?: Record<string, string>;
}

/** One request; `path` is sent as it is. */
export function ask(socketPath: string, path: string, options: Ask = {}): Promise<Answer> {
  const {
    json,
    method = json === undefined ? 'GET' : 'POST',
    body = json === undefined ? '' : JSON.stringify(json),
  } = options;
  const type = body.length === 0 ? {} : { 'content-type': 'application/json' };
  const headers = { ...type, 'content-length': String(Buffer.byteLength(body)), ...options.headers };
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, method, headers, agent: false, timeout: 10_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer in ten seconds`)));
    outgoing.end(body);
  });
}

/** The message of an error. */
export function messageIn({ text }: Answer): string {
  return (JSON.parse(text) as { message: string }).message;
}

/** Sends bytes, and gives all that comes back until the other side ends; rejects when that takes longer than `limit` ms. */
export function raw(socketPath: string, bytes: string, { limit = 5000 } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(socketPath);
    let text = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`still open after ${limit} ms; got: ${text}`));
    }, limit);
    const end = () => {
      clearTimeout(timer);
      resolve(text);
    };
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    socket.on('error', end);
    socket.on('close', end);
    socket.write(bytes);
  });
}

/** The client's side of overlaned's socket: requests, and errors that say what to do. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { type ErrorCode, OverlaneError } from '../errors.js';

export const DEFAULT_SOCKET = '/run/overlane/overlaned.sock';
/** Docker's API that overlaned speaks: the prefix of its paths. */
export const DOCKER_API = '/v1.41';
/** Milliseconds for a whole answer, or until a stream begins. */
const PATIENCE = 60_000;
/** Bytes of an answer that is no stream. */
const MOST = 64 * 2 ** 20;
/** sun_path of unix(7), less its final zero. */
const LONGEST_PATH = 107;

type Query = Record<string, string | undefined>;

/** The option that every command that asks the daemon has. */
export function withSocket(command: Command): Command {
  const option = new Option('--socket <path>', `socket of overlaned (default: ${DEFAULT_SOCKET})`);
  return command.addOption(option.env('OVERLANE_SOCKET'));
}

/**
 * A path with what people typed in it: `` at`/networks/${ref}` ``.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` for words that cannot stand in a path.
 */
export function at(texts: TemplateStringsArray, ...words: string[]): string {
  const coded = words.map((word) => {
    // Dots would be taken for steps up the path.
    if (!/^\.{0,2}$/.test(word) && !/\p{Surrogate}/u.test(word)) return encodeURIComponent(word);
    throw new OverlaneError('ERR_OVERLANE_OPTION', `${JSON.stringify(word)} is no name and no id; write one of them`);
  });
  return String.raw({ raw: texts }, ...coded);
}

/** Speaks with the overlaned of one socket. Every method throws {@link OverlaneError}. */
export class DaemonClient {
  readonly socket: string;
  readonly #patience: number;

  /** `socket` is a path, also as `unix://…`; default {@link DEFAULT_SOCKET}. `patience` is in milliseconds. */
  constructor(socket?: string, patience = PATIENCE) {
    this.socket = path.resolve((socket || DEFAULT_SOCKET).replace(/^unix:\/\//, ''));
    this.#patience = patience;
    if (Buffer.byteLength(this.socket) > LONGEST_PATH) {
      const message = `the path of the socket has more than ${LONGEST_PATH} bytes, which no socket can have: ${this.socket}`;
      throw new OverlaneError('ERR_OVERLANE_OPTION', message);
    }
  }

  get<T>(where: string, query: Query = {}): Promise<T> {
    return this.#ask('GET', withQuery(where, query)) as Promise<T>;
  }

  post<T>(where: string, body: object = {}, query: Query = {}): Promise<T> {
    return this.#ask('POST', withQuery(where, query), body) as Promise<T>;
  }

  async delete(where: string): Promise<void> {
    await this.#ask('DELETE', where);
  }

  /** The answer as it comes, for streams that end when somebody ends them; destroy it to let go. */
  async stream(where: string, query: Query, type: string): Promise<IncomingMessage> {
    const timer = AbortSignal.timeout(this.#patience);
    const { sent, answered } = this.#send('GET', withQuery(where, query));
    const giveUp = () => sent.destroy(timer.reason);
    timer.addEventListener('abort', giveUp);
    try {
      const answer = await answered;
      if (answer.statusCode === 200 && answer.headers['content-type']?.startsWith(type)) return answer;
      this.#judge(where, answer, await textOf(answer));
      throw this.#stranger();
    } catch (error) {
      sent.destroy();
      throw this.#explain(error);
    } finally {
      timer.removeEventListener('abort', giveUp);
    }
  }

  async #ask(method: string, where: string, body?: object): Promise<unknown> {
    const timer = AbortSignal.timeout(this.#patience);
    try {
      const { answered } = this.#send(method, where, body, timer);
      const answer = await answered;
      return this.#judge(where, answer, await textOf(answer));
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #send(method: string, where: string, body?: object, signal?: AbortSignal) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      accept: 'application/json',
      ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    };
    // A connection of its own: the process ends when the answer has come.
    const options = { socketPath: this.socket, path: where, method, headers, agent: false, ...(signal && { signal }) };
    let sent!: ClientRequest;
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent = request(options, resolve).on('error', reject);
      sent.end(text);
    });
    return { sent, answered };
  }

  /** What a whole answer says; throws what it says went wrong. */
  #judge(where: string, { statusCode = 0 }: IncomingMessage, text: string): unknown {
    const fine = statusCode >= 200 && statusCode < 300;
    if (fine && text.trim() === '') return undefined;
    const body = parse(text);
    if (body === undefined) throw this.#stranger();
    if (fine) return body;
    const { message } = (body ?? {}) as { message?: unknown };
    if (typeof message !== 'string') throw this.#stranger();
    if (statusCode === 404 && message === 'page not found') throw this.#stranger(` (it does not know ${where})`);
    throw new OverlaneError(codeOf(statusCode, message), message);
  }

  #stranger(why = ''): OverlaneError {
    return new OverlaneError(
      'ERR_OVERLANE_UNSUPPORTED',
      `what answers on ${this.socket} is no overlaned of this version${why}; give the socket of one with --socket or OVERLANE_SOCKET`,
    );
  }

  /** Errors of the connection, in words. */
  #explain(cause: unknown): unknown {
    if (cause instanceof OverlaneError) return cause;
    const { code = '', name = '' } = cause as { code?: string; name?: string };
    const say = (as: ErrorCode, message: string) => new OverlaneError(as, message, { cause });
    if (name === 'AbortError' || name === 'TimeoutError') {
      const seconds = this.#patience / 1000;
      return say(
        'ERR_OVERLANE_BUSY',
        `overlaned did not answer in ${seconds} s; see its log, and whether it still runs`,
      );
    }
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') {
      const how = "start it as root ('overlaned', or 'systemctl start overlaned'), or give its socket with --socket or";
      return say('ERR_OVERLANE_MISSING', `overlaned is not running on ${this.socket}; ${how} OVERLANE_SOCKET`);
    }
    if (code === 'EACCES' || code === 'EPERM') {
      const how = 'run this as root, or join the group that overlaned was started with (--group)';
      return say('ERR_OVERLANE_PERMISSION', `the socket ${this.socket} does not let you in; ${how}`);
    }
    if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE') {
      return say('ERR_OVERLANE_SYSTEM', 'overlaned ended the connection without an answer; see its log');
    }
    if (code.startsWith('HPE_')) return this.#stranger(' (it does not speak HTTP)');
    return cause;
  }
}

function withQuery(where: string, query: Query): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? where : `${where}?${new URLSearchParams(given)}`;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST)
      throw new OverlaneError('ERR_OVERLANE_LIMIT', `an answer of overlaned has more than ${MOST} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Undefined when it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const CODES: Record<number, ErrorCode> = {
  400: 'ERR_OVERLANE_OPTION',
  401: 'ERR_OVERLANE_PERMISSION',
  403: 'ERR_OVERLANE_PERMISSION',
  404: 'ERR_OVERLANE_MISSING',
  405: 'ERR_OVERLANE_UNSUPPORTED',
  409: 'ERR_OVERLANE_EXISTS',
  413: 'ERR_OVERLANE_LIMIT',
  429: 'ERR_OVERLANE_BUSY',
  501: 'ERR_OVERLANE_UNSUPPORTED',
  503: 'ERR_OVERLANE_BUSY',
};

/** Docker's statuses are coarse: 403 and 409 are told apart by what Docker's clients read too, the words. */
function codeOf(status: number, message: string): ErrorCode {
  if (status === 403 || status === 409) {
    if (/active endpoints|in use/.test(message)) return 'ERR_OVERLANE_BUSY';
    if (/already exists/.test(message)) return 'ERR_OVERLANE_EXISTS';
    if (/overlap/.test(message)) return 'ERR_OVERLANE_OVERLAP';
  }
  return CODES[status] ?? 'ERR_OVERLANE_SYSTEM';
}

/** `/overlane/endpoints/{ref}/capture`: what passes an endpoint, as pcapng, for as long as somebody reads. */
import type { ServerResponse } from 'node:http';
import type { Controller } from '../../cnm/controller.js';
import type { Endpoint } from '../../cnm/endpoint.js';
import type { Port } from '../../dataplane/port.js';
import type { PortBurst } from '../../dataplane/port-capture.js';
import { packageVersion } from '../../version.js';
import { pcapngHeader, pcapngPackets, pcapngStatistics } from '../../wire/pcapng.js';
import { HttpError } from '../errors.js';
import type { ApiRequest, Reply, Route } from '../route.js';

/** Captures at once; the other connections stay for requests. */
const MOST_STREAMS = 32;

/** Bytes that a client may be behind before packets are left out. */
const MOST_BEHIND = 4 << 20;

/** Milliseconds that a client has to read the rest of a capture that is over. */
const LAST_READ = 60_000;

const SNAPLEN = 262_144;

/** `close` ends every capture: the daemon stops. */
export function captureRoutes(controller: Controller): { routes: Route[]; close: () => void } {
  const streams = new Set<CaptureStream>();
  const handle = ({ params, query }: ApiRequest): Reply => {
    const snaplen = readSnaplen(query.get('snaplen'));
    const endpoint = controller.endpoint(params['ref']!);
    const port = portOf(controller, endpoint);
    if (streams.size >= MOST_STREAMS) {
      throw new HttpError(503, `there are ${MOST_STREAMS} captures already; end one of them`);
    }
    const description = describe(controller, endpoint);
    return {
      status: 200,
      stream: (response) => {
        const stream = new CaptureStream(response, port, { snaplen, description });
        streams.add(stream);
        void stream.ended.then(() => streams.delete(stream));
      },
    };
  };
  return {
    routes: [{ method: 'GET', path: '/overlane/endpoints/{ref}/capture', handle }],
    close: () => {
      for (const stream of [...streams]) stream.close();
    },
  };
}

function readSnaplen(text: string | null): number {
  if (text === null || text === '') return SNAPLEN;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= SNAPLEN) return value;
  const given = `'${text.slice(0, 60)}'`;
  throw new HttpError(
    400,
    `invalid value for snaplen: ${given}; write a whole number of bytes from 1 to ${SNAPLEN}, or leave it out`,
  );
}

function portOf(controller: Controller, endpoint: Endpoint): Port {
  const { name, sandbox, network } = endpoint.record;
  if (sandbox === null) {
    throw new HttpError(409, `endpoint ${name} is in no sandbox, so nothing passes it; let it join one first`);
  }
  const { port } = endpoint;
  const found = port === null ? undefined : controller.dataplane.ports.get(port);
  if (found !== undefined) return found;
  const { driver } = controller.network(network).record;
  throw new HttpError(
    409,
    `endpoint ${name} has no port of the dataplane now (driver ${driver}); capture in its namespace, with tcpdump`,
  );
}

function describe(controller: Controller, { record }: Endpoint): string {
  const { sandbox, network, name } = record;
  return `endpoint ${name} of sandbox ${controller.sandbox(sandbox!).name} on network ${controller.network(network).name}`;
}

class CaptureStream {
  readonly ended: Promise<void>;
  readonly #response: ServerResponse;
  readonly #capture: ReturnType<Port['capture']>;
  readonly #start = now();
  #sent = 0;
  /** Packets that were copied, but not sent as the client is behind: all, and those that have not been told yet. */
  #skipped = 0;
  #untold = 0;

  constructor(
    response: ServerResponse,
    port: Port,
    { snaplen, description }: { snaplen: number; description: string },
  ) {
    this.#response = response;
    // First, as it may be refused.
    this.#capture = port.capture((burst) => this.#take(burst), { snaplen });
    this.ended = this.#capture.ended.then(() => this.#finish());
    // Nothing may pass for days.
    response.socket?.setTimeout(0);
    response.on('close', () => this.close());
    response.setHeader('Content-Type', 'application/x-pcapng');
    response.write(
      pcapngHeader({ name: port.name, description, snaplen, application: `overlaned ${packageVersion()}` }),
    );
  }

  close(): void {
    this.#capture.close();
  }

  #take(burst: PortBurst): void {
    if (this.#response.writableLength > MOST_BEHIND) {
      this.#skipped += burst.count;
      this.#untold += burst.lostBefore.reduce((sum, lost) => sum + lost, burst.count);
      return;
    }
    this.#response.write(pcapngPackets(burst, this.#untold));
    this.#sent += burst.count;
    this.#untold = 0;
  }

  #finish(): void {
    const response = this.#response;
    if (response.destroyed) return;
    const dropped = this.#capture.lost + BigInt(this.#skipped);
    const received = dropped + BigInt(this.#sent);
    response.socket?.setTimeout(LAST_READ);
    response.end(pcapngStatistics({ start: this.#start, end: now(), received, dropped }));
  }
}

/** Nanoseconds since 1970. */
function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

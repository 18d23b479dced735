/** Datagrams carried to a container: a socket for each client, so that answers find their way back. */
import type { RemoteInfo, Socket } from 'node:dgram';
import { bindUdp, createUdp } from './bind.js';
import type { ProxyOptions } from './port-options.js';
import type { PortProxy } from './proxy.js';

/** Datagrams of a new client that wait for its socket. */
const WAITING_LIMIT = 64;
/** Bytes that wait in a socket for the kernel; beyond, datagrams are lost, as they may be. */
const SEND_LIMIT = 4 << 20;

interface Flow {
  socket: Socket;
  /** Datagrams from before the socket was connected; null since. */
  waiting: Buffer[] | null;
  /** Milliseconds. */
  used: number;
}

type Report = (message: string) => void;

export async function listenUdp(options: Required<ProxyOptions>, full: Report): Promise<PortProxy> {
  const server = await bindUdp(options);
  const { protocol, hostIp, hostPort } = options;
  const flows = new Flows(server, options, full);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= new Promise((resolve) => {
      flows.close();
      server.close(() => resolve());
    });
    return closed;
  };
  return {
    ...{ protocol, hostIp, hostPort, close },
    get connections() {
      return flows.size;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Clients by address and port, the longest idle one first. */
class Flows {
  readonly #flows = new Map<string, Flow>();
  readonly #server: Socket;
  readonly #options: Required<ProxyOptions>;
  readonly #full: Report;
  readonly #sweeping: NodeJS.Timeout;

  constructor(server: Socket, options: Required<ProxyOptions>, full: Report) {
    this.#server = server;
    this.#options = options;
    this.#full = full;
    server.on('message', (data, from) => this.#fromClient(data, from));
    // ICMP errors of clients that are gone.
    server.on('error', () => {});
    this.#sweeping = setInterval(() => this.#sweep(), Math.max(1, Math.min(options.idleTimeout / 4, 5_000)));
  }

  get size(): number {
    return this.#flows.size;
  }

  close(): void {
    clearInterval(this.#sweeping);
    for (const key of [...this.#flows.keys()]) this.#forget(key);
  }

  #fromClient(data: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`;
    const flow = this.#flows.get(key) ?? this.#open(key, from);
    this.#touch(key, flow);
    if (flow.waiting === null) send(flow.socket, data);
    else if (flow.waiting.length < WAITING_LIMIT) flow.waiting.push(data);
  }

  #open(key: string, { address, port }: RemoteInfo): Flow {
    const { containerIp, containerPort, limit, hostIp, hostPort } = this.#options;
    if (this.#flows.size >= limit) {
      this.#forget(this.#flows.keys().next().value!);
      this.#full(
        `${limit} clients of udp port ${hostPort} of ${hostIp}: the longest idle ones are forgotten; raise the option 'limit'`,
      );
    }
    const socket = createUdp(containerIp);
    const flow: Flow = { socket, waiting: [], used: 0 };
    // ICMP errors: the container may listen again later, so the client keeps its socket.
    socket.on('error', () => {});
    socket.on('message', (data) => {
      this.#touch(key, flow);
      if (this.#server.getSendQueueSize() < SEND_LIMIT) this.#server.send(data, port, address, () => {});
    });
    socket.on('connect', () => {
      for (const data of flow.waiting ?? []) send(socket, data);
      flow.waiting = null;
    });
    socket.connect(containerPort, containerIp);
    this.#flows.set(key, flow);
    return flow;
  }

  #touch(key: string, flow: Flow): void {
    if (this.#flows.get(key) !== flow) return;
    flow.used = performance.now();
    this.#flows.delete(key);
    this.#flows.set(key, flow);
  }

  #sweep(): void {
    const oldest = performance.now() - this.#options.idleTimeout;
    for (const [key, { used }] of this.#flows) {
      if (used > oldest) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    const flow = this.#flows.get(key);
    this.#flows.delete(key);
    flow?.socket.close();
  }
}

function send(socket: Socket, data: Buffer): void {
  if (socket.getSendQueueSize() < SEND_LIMIT) socket.send(data, () => {});
}

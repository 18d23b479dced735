/** TCP connections carried to a container. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { bindTcp } from './bind.js';
import type { ProxyOptions } from './port-options.js';
import type { PortProxy } from './proxy.js';

/** Milliseconds of silence before the kernel asks whether the other side is still there. */
const KEEP_ALIVE = 60_000;

type Report = (message: string) => void;

export async function listenTcp(options: Required<ProxyOptions>, full: Report): Promise<PortProxy> {
  const { protocol, hostIp, hostPort, limit } = options;
  const clients = new Map<Socket, Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (clients.size >= limit) {
      client.on('error', () => {}).resetAndDestroy();
      full(
        `${limit} connections to tcp port ${hostPort} of ${hostIp}: more are reset; raise the option 'limit', or see what keeps them open`,
      );
      return;
    }
    const backend = join(client, options);
    clients.set(client, backend);
    const gone = () => {
      if (client.closed && backend.closed) clients.delete(client);
    };
    client.once('close', gone);
    backend.once('close', gone);
  });
  await bindTcp(server, options);
  server.on('error', ({ message }) =>
    full(`tcp port ${hostPort} of ${hostIp} cannot accept: ${message}; see the limit of open files`),
  );
  const close = once(() => closeAll(server, clients));
  return {
    ...{ protocol, hostIp, hostPort, close },
    get connections() {
      return clients.size;
    },
    [Symbol.asyncDispose]: close,
  };
}

function closeAll(server: Server, clients: ReadonlyMap<Socket, Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const [client, backend] of clients) {
      reset(client);
      reset(backend);
    }
  });
}

/** Joins a client to the container. What one side ends, ends on the other side after all its data. */
function join(
  client: Socket,
  { containerIp: host, containerPort: port, connectTimeout }: Required<ProxyOptions>,
): Socket {
  const backend = dial({ host, port, allowHalfOpen: true, noDelay: true });
  const late = setTimeout(() => reset(backend), connectTimeout);
  backend.once('connect', () => clearTimeout(late));
  for (const [one, other] of [
    [client, backend],
    [backend, client],
  ] as const) {
    one.setKeepAlive(true, KEEP_ALIVE);
    one.on('error', () => reset(other));
    one.on('close', () => {
      clearTimeout(late);
      // Both directions done: the other side may still have something to send on.
      if (!one.readableEnded || !one.writableFinished) reset(other);
    });
    one.pipe(other);
  }
  return backend;
}

function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

function once(work: () => Promise<void>): () => Promise<void> {
  let begun: Promise<void> | undefined;
  return () => {
    begun ??= work();
    return begun;
  };
}

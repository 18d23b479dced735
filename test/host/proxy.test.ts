/** The userland proxy between the kernel's own sockets. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { PortAllocator } from '../../src/host/ports.js';
import { listen, type PortProxy, type ProxyOptions } from '../../src/host/proxy.js';

const ends: (() => unknown)[] = [];
afterEach(async () => void (await Promise.all(ends.splice(0).map((end) => end()))));

const SIZE = 64 << 20;

/** A port that was free a moment ago. */
async function freePort(protocol: 'tcp' | 'udp', hostIp: string): Promise<number> {
  const request = { protocol, hostIp, hostPorts: null, containerPort: 1 };
  const allocation = await allocator.allocate(request);
  await allocation.close();
  return allocation.hostPort;
}
const allocator = new PortAllocator({ first: 47_400, last: 47_999 });

async function proxyTo(containerPort: number, options: Partial<ProxyOptions> = {}): Promise<PortProxy> {
  const { protocol = 'tcp', hostIp = '127.0.0.1' } = options;
  const hostPort = await freePort(protocol as 'tcp', hostIp);
  const proxy = await listen({ protocol, hostIp, hostPort, containerIp: '127.0.0.1', containerPort, ...options });
  ends.push(() => proxy.close());
  return proxy;
}

async function backend(serve: (socket: Socket) => unknown): Promise<{ port: number; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, server };
}

function client({ hostIp, hostPort }: PortProxy): Socket {
  const socket = connect({ host: hostIp, port: hostPort, allowHalfOpen: true });
  ends.push(() => socket.destroy());
  return socket;
}

/** How a connection ends: the code of its error, or `end`. */
function fate(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
    socket.on('end', () => resolve('end'));
    socket.resume();
  });
}

describe('TCP', () => {
  it('carries 64 MiB both ways at once, and the end of each direction by itself', { timeout: 20_000 }, async () => {
    const block = randomBytes(1 << 20);
    const sum = createHash('sha256');
    for (let i = 0; i < SIZE; i += block.length) sum.update(block);
    const expected = sum.digest('hex');
    const send = async (socket: Socket) => {
      for (let i = 0; i < SIZE; i += block.length) if (!socket.write(block)) await once(socket, 'drain');
      socket.end();
    };
    const receive = async (socket: Socket) => {
      const hash = createHash('sha256');
      // An iterator would destroy the socket at its end, before it has sent everything.
      socket.on('data', (data) => hash.update(data));
      await once(socket, 'end');
      return hash.digest('hex');
    };
    let atBackend: Promise<string> | undefined;
    const { port } = await backend((socket) => {
      atBackend = receive(socket);
      void send(socket);
    });
    const proxy = await proxyTo(port);
    const socket = client(proxy);
    const [atClient] = await Promise.all([receive(socket), send(socket)]);
    expect(atClient).toBe(expected);
    expect(await atBackend).toBe(expected);
    await expect.poll(() => proxy.connections).toBe(0);
  });

  it('keeps a half-closed connection: the answer comes after the question has ended', async () => {
    const { port } = await backend((socket) => {
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('end', () => setTimeout(() => socket.end(text.toUpperCase()), 50));
    });
    const socket = client(await proxyTo(port));
    socket.end('question');
    let answer = '';
    for await (const data of socket) answer += data;
    expect(answer).toBe('QUESTION');
  });

  it('holds the sender back when the receiver does not read', async () => {
    const { port } = await backend((socket) => socket.pause());
    const socket = client(await proxyTo(port));
    let sent = 0;
    const block = Buffer.alloc(1 << 20);
    const before = process.memoryUsage().arrayBuffers;
    while (sent < 256 && (socket.write(block) || (await Promise.race([once(socket, 'drain'), pause(300)])))) sent++;
    expect(sent).toBeLessThan(64);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
  });

  it('resets the client when the container refuses, does not answer, or resets', async () => {
    const { port, server } = await backend((socket) => socket.resetAndDestroy());
    expect(await fate(client(await proxyTo(port)))).toBe('ECONNRESET');
    server.close();
    expect(await fate(client(await proxyTo(port)))).toBe('ECONNRESET');
    // A documentation address: packets for it are lost or refused, never answered.
    const nobody = await proxyTo(80, { containerIp: '192.0.2.1', connectTimeout: 100 });
    expect(await fate(client(nobody))).toBe('ECONNRESET');
    await expect.poll(() => nobody.connections).toBe(0);
  });

  it('resets the container when the client does', async () => {
    const ended: Promise<string>[] = [];
    const { port } = await backend((socket) => ended.push(fate(socket)));
    const socket = client(await proxyTo(port));
    socket.write('x');
    await expect.poll(() => ended.length).toBe(1);
    socket.resetAndDestroy();
    expect(await ended[0]).toBe('ECONNRESET');
  });

  it('has a limit of connections, and says so once', async () => {
    const { port } = await backend((socket) => socket.pipe(socket));
    const said: string[] = [];
    const proxy = await proxyTo(port, { limit: 2, onTrouble: (message) => said.push(message) });
    const held = [client(proxy), client(proxy)];
    for (const socket of held) {
      socket.write('x');
      await once(socket, 'data');
    }
    expect(await fate(client(proxy))).toBe('ECONNRESET');
    expect(await fate(client(proxy))).toBe('ECONNRESET');
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('2 connections to tcp port');
    held[0]!.end();
    await expect.poll(() => proxy.connections).toBe(1);
    const next = client(proxy);
    next.write('y');
    expect(String((await once(next, 'data'))[0])).toBe('y');
  });

  it('says whose port is taken; ends all connections when it is closed; serves IPv6 to an IPv4 container', async () => {
    const { port } = await backend((socket) => socket.pipe(socket));
    const proxy = await proxyTo(port, { hostIp: '::1' });
    const options = {
      protocol: 'tcp',
      hostIp: '::1',
      hostPort: proxy.hostPort,
      containerIp: '127.0.0.1',
      containerPort: port,
    } as const;
    const message = expect.stringContaining(`tcp port ${proxy.hostPort} of ::1 is taken`);
    await expect(listen(options)).rejects.toMatchObject({ code: 'ERR_OVERLANE_BUSY', message });
    await expect(listen({ ...options, protocol: 'sctp' })).rejects.toMatchObject({ code: 'ERR_OVERLANE_UNSUPPORTED' });
    await expect(listen({ ...options, containerIp: 'x' })).rejects.toMatchObject({ code: 'ERR_OVERLANE_OPTION' });
    const socket = client(proxy);
    socket.write('x');
    await once(socket, 'data');
    const ended = fate(socket);
    await Promise.all([proxy.close(), proxy.close()]);
    expect(await ended).toBe('ECONNRESET');
    const again = await listen(options);
    await again.close();
  });
});

describe('UDP', () => {
  async function udp(port = 0): Promise<UdpSocket> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
    ends.push(() => new Promise<void>((resolve) => socket.close(resolve)));
    return socket;
  }
  /** Answers with the data, and with the client's port: one for each client. */
  async function echo(port = 0): Promise<number> {
    const socket = await udp(port);
    socket.on('message', (data, from) => socket.send(`${data} ${from.port}`, from.port, from.address));
    return socket.address().port;
  }
  async function ask(socket: UdpSocket, { hostPort }: PortProxy, text: string): Promise<string> {
    socket.send(text, hostPort, '127.0.0.1');
    return Promise.race([once(socket, 'message').then(([data]) => String(data)), pause(1000).then(() => 'silence')]);
  }

  it('keeps a socket for each client, until it was idle for long', async () => {
    const proxy = await proxyTo(await echo(), { protocol: 'udp', idleTimeout: 400 });
    const [one, two] = [await udp(), await udp()];
    const first = await ask(one, proxy, 'a');
    const other = await ask(two, proxy, 'a');
    expect(first).toMatch(/^a \d+$/);
    expect(other).not.toBe(first);
    expect(await ask(one, proxy, 'a')).toBe(first);
    expect(proxy.connections).toBe(2);
    await expect.poll(() => proxy.connections).toBe(0);
    expect(await ask(one, proxy, 'b')).toMatch(/^b \d+$/);
  });

  it('carries empty and large datagrams, and the first ones of a burst', async () => {
    const sizes: number[] = [];
    const target = await udp();
    target.on('message', (data) => sizes.push(data.length));
    const proxy = await proxyTo(target.address().port, { protocol: 'udp' });
    const socket = await udp();
    for (const size of [0, 1, 1472, 60_000]) socket.send(Buffer.alloc(size), proxy.hostPort, '127.0.0.1');
    await expect.poll(() => sizes.toSorted((a, b) => a - b)).toEqual([0, 1, 1472, 60_000]);
  });

  it('forgets the longest idle client when there are too many', async () => {
    const said: string[] = [];
    const options = { protocol: 'udp', limit: 2, onTrouble: (message: string) => said.push(message) } as const;
    const proxy = await proxyTo(await echo(), options);
    const [a, b, c] = [await udp(), await udp(), await udp()];
    const ofA = await ask(a, proxy, 'x');
    const ofB = await ask(b, proxy, 'x');
    expect(await ask(a, proxy, 'x')).toBe(ofA);
    await ask(c, proxy, 'x');
    expect(proxy.connections).toBe(2);
    expect(await ask(a, proxy, 'x')).toBe(ofA);
    expect(await ask(b, proxy, 'x')).not.toBe(ofB);
    expect(said).toHaveLength(1);
  });

  it('goes on when the container was not there', async () => {
    const port = await freePort('udp', '127.0.0.1');
    const proxy = await proxyTo(port, { protocol: 'udp' });
    const socket = await udp();
    for (let i = 0; i < 3; i++) {
      socket.send('lost', proxy.hostPort, '127.0.0.1');
      await pause(20);
    }
    await echo(port);
    expect(await ask(socket, proxy, 'found')).toMatch(/^found /);
  });
});

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

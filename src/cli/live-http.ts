/**
 * The two ends of the live demo's download, each a process of its own in a container's namespace. Each prints one line of JSON.
 *
 *     node live-http.js serve <ip> <port> <bytes>     {"sha256"} when it listens; ends when its standard input does
 *     node live-http.js fetch <ip> <port>             {"bytes","sha256","seconds"}
 */
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';

async function serve(host: string, port: number, bytes: number): Promise<object> {
  const body = randomFillSync(Buffer.allocUnsafe(bytes));
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': bytes });
    response.end(body);
  });
  server.listen(port, host);
  await once(server, 'listening');
  // Whoever started it is gone, perhaps by SIGKILL.
  process.stdin.resume().on('end', () => process.exit());
  return { sha256: createHash('sha256').update(body).digest('hex') };
}

async function fetchFrom(host: string, port: number): Promise<object> {
  const start = performance.now();
  const parts: Buffer[] = [];
  const request = get({ host, port });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  for await (const part of response) parts.push(part as Buffer);
  const seconds = (performance.now() - start) / 1000;
  // Afterwards, so that it does not slow the download down.
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return { bytes: parts.reduce((sum, { length }) => sum + length, 0), sha256: hash.digest('hex'), seconds };
}

const [, , role, host = '', port = '', bytes = ''] = process.argv;
const said = role === 'serve' ? await serve(host, Number(port), Number(bytes)) : await fetchFrom(host, Number(port));
process.stdout.write(`${JSON.stringify(said)}\n`);

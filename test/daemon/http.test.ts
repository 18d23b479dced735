/** The HTTP side alone, with routes of its own: what it takes, what it refuses, and that nobody holds it up. */
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, createApi, type Handled } from '../../src/daemon/http.js';
import type { Route } from '../../src/daemon/route.js';
import { OverlaneError } from '../../src/errors.js';
import { ask, messageIn, raw } from './raw.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-http-'));
const path = join(folder, 's');
const handled: Handled[] = [];

const routes: Route[] = [
  { method: 'GET', path: '/_ping', handle: () => ({ status: 200, text: 'OK' }) },
  { method: 'HEAD', path: '/_ping', handle: () => ({ status: 200, text: '' }) },
  {
    method: 'GET',
    path: '/networks/{id}',
    handle: ({ params, query }) => ({ status: 200, json: [params['id'], [...query]] }),
  },
  { method: 'POST', path: '/networks/create', handle: ({ body }) => ({ status: 201, json: { body } }) },
  {
    method: 'GET',
    path: '/fail/{how}',
    handle: ({ params }) => {
      if (params['how'] === 'busy') throw new OverlaneError('ERR_OVERLANE_BUSY', 'it is in use');
      throw new Error('a defect');
    },
  },
  {
    method: 'GET',
    path: '/slow',
    handle: () => new Promise((resolve) => setTimeout(() => resolve({ status: 200, text: 'slow' }), 1200)),
  },
];

let api: Api;

beforeAll(async () => {
  const limits = { request: 400, idle: 600, body: 4096, connections: 20 };
  api = createApi({ routes, version: '1.2.3', limits, handled: (one) => handled.push(one) });
  await new Promise<void>((resolve) => api.server.listen(path, resolve));
});

afterAll(async () => {
  await api.close(0);
  rmSync(folder, { recursive: true, force: true });
});

describe('versions and paths', () => {
  it.each([
    ['/_ping', 200],
    ['/v1.24/_ping', 200],
    ['/v1.41/_ping?x=1', 200],
    ['http://docker/v1.41/_ping', 200],
    ['/v1.42/_ping', 400],
    ['/v2.0/_ping', 400],
    ['/v1.23/_ping', 400],
    ['/v1/_ping', 404],
    ['/vx/_ping', 404],
    ['/v1.41', 404],
    ['/', 404],
    ['//_ping', 404],
    ['/_ping/', 404],
    ['/../_ping', 404],
    ['/_PING', 404],
    ['/networks/', 404],
    ['/networks/%', 400],
    ['/networks/%ff', 400],
  ])('%s: %i', async (target, status) => {
    expect((await ask(path, target)).status).toBe(status);
  });

  it('says which version it speaks, in the words that clients look for', async () => {
    const answer = await ask(path, '/v1.50/networks/x');
    expect(messageIn(answer)).toMatch(/^client version 1\.50 is too new\. Maximum supported API version is 1\.41/);
    expect(answer.headers).toMatchObject({ 'api-version': '1.41', ostype: 'linux', server: 'overlaned/1.2.3 (linux)' });
    expect(messageIn(await ask(path, '/nowhere'))).toBe('page not found');
    expect((await ask(path, `/${'x/'.repeat(3000)}`)).status).toBe(404);
  });

  it('decodes names, and leaves dots, slashes and zeros in them alone', async () => {
    for (const name of ['a b', 'ä/ö', '..', '%', 'x\0y', '__proto__', '{id}', '?#', '\u{1f433}']) {
      const { status, text } = await ask(path, `/networks/${encodeURIComponent(name)}?a=%26&a=b`);
      expect([status, JSON.parse(text)]).toEqual([200, [name, [...new URLSearchParams('a=%26&a=b')]]]);
    }
  });
});

describe('methods', () => {
  it('HEAD has headers and no body; OPTIONS names the methods', async () => {
    const head = await ask(path, '/_ping', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '' });
    const options = await ask(path, '/_ping', { method: 'OPTIONS' });
    expect(options).toMatchObject({ status: 200, headers: { allow: 'GET, HEAD, OPTIONS' } });
    expect((await ask(path, '/nowhere', { method: 'OPTIONS' })).status).toBe(404);
  });

  it('another method of a path that there is: 405', async () => {
    const answer = await ask(path, '/networks/x', { method: 'PATCH' });
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET' } });
  });

  it.each(['/images/json', '/containers/create', '/v1.41/volumes', '/swarm', '/containers/x/start', '/build'])(
    'the rest of Docker, %s: 501',
    async (target) => {
      const answer = await ask(path, target, { method: 'POST' });
      expect(answer.status).toBe(501);
      expect(messageIn(answer)).toContain('not supported: overlaned is networks only');
    },
  );
});

describe('bodies', () => {
  const post = (body: string | Buffer, headers = {}) =>
    ask(path, '/networks/create', { method: 'POST', body, headers });

  it('null counts as left out', async () => {
    const { text } = await post('{"a":null,"b":{"c":null,"d":1}}');
    expect(JSON.parse(text)).toEqual({ body: { b: { d: 1 } } });
  });

  it.each([
    ['cut short', '{"a":'],
    ['two of them', '{} {}'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['deep', '['.repeat(4000)],
    ['deep and complete', `${'['.repeat(2000)}${']'.repeat(2000)}x`],
  ])('JSON that is none, %s: 400', async (_, body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(messageIn(answer)).toMatch(/^invalid JSON/);
  });

  it('one that is not called JSON: 400', async () => {
    const answer = await post('a=b', { 'content-type': 'application/x-www-form-urlencoded' });
    expect(answer.status).toBe(400);
    expect(messageIn(answer)).toContain("must be 'application/json'");
  });

  it('larger than the limit: 413, whether announced or not', async () => {
    expect((await post(`"${'x'.repeat(4094)}"`)).status).toBe(201);
    expect((await post(`"${'x'.repeat(4095)}"`)).status).toBe(413);
    expect((await post('x'.repeat(3 << 20))).status).toBe(413);
    const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`;
    const head = 'POST /networks/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await raw(path, `${head}${chunk}${chunk}0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('who goes on sending for ever is cut off', async () => {
    const head = 'POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n';
    expect(await raw(path, head + 'x'.repeat(12 << 20))).toMatch(/^(HTTP\/1\.1 413 |$)/);
  });
});

describe('errors', () => {
  it('ours have their status, a defect is 500 and told to the log', async () => {
    const busy = await ask(path, '/fail/busy');
    expect([busy.status, messageIn(busy)]).toEqual([403, 'it is in use']);
    const defect = await ask(path, '/fail/defect?secret=1');
    expect([defect.status, messageIn(defect)]).toEqual([500, 'a defect']);
    await expect.poll(() => handled.find(({ status }) => status === 500)).toBeDefined();
    expect(handled.find(({ status }) => status === 500)).toMatchObject({
      method: 'GET',
      path: '/fail/defect',
      error: expect.objectContaining({ message: 'a defect' }) as Error,
    });
  });

  it.each([
    ['TLS', 400, '\x16\x03\x01\x02\x00'],
    ['no Host', 400, 'GET /_ping HTTP/1.1\r\n\r\n'],
    ['a negative length', 400, 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
    ['two lengths', 400, 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['large headers', 431, `GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`],
  ])('%s: %i', async (_, status, bytes) => {
    expect(await raw(path, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});

describe('clients that are slow, or go', () => {
  it('half a request, of the head or of the body, is ended: 408', async () => {
    const halves = ['GET /_p', 'POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"a'];
    for (const half of halves) expect(await raw(path, half)).toMatch(/^HTTP\/1\.1 408 |^$/);
  });

  it('a connection without a request is closed, also one that is kept alive', async () => {
    await raw(path, '');
    const text = await raw(path, 'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('two requests on one connection are both answered, in order', async () => {
    const get = (id: string) => `GET /networks/${id} HTTP/1.1\r\nHost: x\r\n`;
    const text = await raw(path, `${get('first')}\r\n${get('second')}Connection: close\r\n\r\n`);
    expect([...text.matchAll(/\["(\w+)"/g)].map(([, id]) => id)).toEqual(['first', 'second']);
  });

  it('an answer may take longer than a connection may idle', async () => {
    expect(await ask(path, '/slow')).toMatchObject({ status: 200, text: 'slow' });
  });

  it('a client that is gone before its answer does no harm', async () => {
    const socket = net.connect(path);
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    await expect.poll(() => handled.filter((one) => one.path === '/slow').length).toBe(2);
    expect((await ask(path, '/_ping')).status).toBe(200);
  });

  it('so many connections and no more; they come back', async () => {
    const sockets = Array.from({ length: 60 }, () => net.connect(path));
    const closed = new Set<net.Socket>();
    for (const socket of sockets) socket.on('error', () => {}).on('close', () => closed.add(socket));
    await expect.poll(() => closed.size, { timeout: 400, interval: 10 }).toBeGreaterThanOrEqual(40);
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => (await ask(path, '/_ping').catch(() => null))?.status).toBe(200);
  });
});

it('closing: what is under way ends, everything else at once', async () => {
  const other = join(folder, 'other');
  const closing = createApi({ routes, version: '1.2.3' });
  await new Promise<void>((resolve) => closing.server.listen(other, resolve));
  const [slow, idle, half] = [ask(other, '/slow'), raw(other, ''), raw(other, 'GET /_p')];
  await raw(other, 'GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const begin = performance.now();
  const closed = closing.close(5000);
  expect([await idle, await half]).toEqual(['', '']);
  expect(performance.now() - begin).toBeLessThan(600);
  expect((await slow).text).toBe('slow');
  await closed;
  expect(performance.now() - begin).toBeLessThan(3000);
});

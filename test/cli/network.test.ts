/** `overlane network`: what it asks overlaned and what it prints, held against Docker's own client; and errors. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { HAS_DOCKER, NEEDS_DOCKER, StandIn, temporary } from './overlaned.js';

const daemon = await StandIn.open();
const folder = temporary();

function network(Name: string, digit: string, more: object = {}) {
  return {
    Name,
    Id: digit.repeat(64),
    Created: '2026-11-21T17:00:00.12Z',
    Scope: 'local',
    Driver: 'bridge',
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: {}, Config: [{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1' }] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
    ...more,
  };
}

const NETWORKS = [
  network('net10', 'a', { Labels: { tier: 'front' }, EnableIPv6: true }),
  network('net9-with-a-long-name', 'b', { Internal: true, Created: '2026-11-21T17:00:00Z' }),
  network('Zed', 'c', { Driver: 'null' }),
];

beforeEach(() => {
  daemon.asked = [];
  daemon.answers = {
    'GET /networks': { body: NETWORKS },
    'POST /networks/create': { status: 201, body: { Id: 'd'.repeat(64), Warning: '' } },
    'POST /networks/prune': { body: { NetworksDeleted: ['x', 'y'] } },
    'POST /networks/net10/disconnect': { body: {} },
    'POST /overlane/networks/net10/connect': { status: 201, body: { id: 'e1' } },
    'DELETE /networks/Zed': { status: 204 },
    'DELETE /networks/net10': { status: 403, body: { message: 'network net10 has active endpoints' } },
    ...Object.fromEntries(NETWORKS.map((one) => [`GET /networks/${one.Name}`, { body: one }])),
  };
});

function sorted(json: string): string {
  return JSON.stringify(Object.entries(JSON.parse(json) as object).sort());
}

/** The same words for both clients. */
async function both(...args: string[]) {
  const theirs = await daemon.docker('network', ...args);
  const [askedTheirs] = daemon.asked.splice(0);
  const ours = await daemon.overlane('network', ...args);
  const [askedOurs] = daemon.asked.splice(0);
  return { theirs, ours, askedTheirs, askedOurs };
}

describe.skipIf(!HAS_DOCKER)(`as docker network does it ${NEEDS_DOCKER}`, () => {
  it.each([
    [['ls']],
    [['list', '--no-trunc']],
    [['ls', '-q']],
    [['ls', '--format', 'table {{.Name}}\\t{{.IPv6}}\\t{{.Internal}}\\t{{.Labels}}\\t{{.CreatedAt}}']],
    [['ls', '--format', '{{.ID}}: {{.Driver}}\\t{{json .Name}} {{.Label "tier"}}']],
    [['inspect', 'Zed', 'net10']],
    [['inspect', '-f', '{{.ID}} {{.Name}} {{json .IPAM}} {{.Internal}} {{.Labels.tier}}', 'net10']],
    [['rm', 'Zed']],
    // Not known to clients before 23.
    ...(DOCKER >= 23 ? [[['rm', '-f', 'nope']]] : []),
    [['prune', '-f']],
    [['create', 'x']],
  ])('%j prints the same', async (args) => {
    const { theirs, ours } = await both(...args);
    expect(ours).toEqual({ ...theirs, stderr: '' });
    expect(ours.status).toBe(0);
  });

  it.each([
    [['create', '--subnet', '10.1.0.0/16', '--gateway', '10.1.0.9', 'x']],
    [
      // biome-ignore format: one line a subnet
      ['create', '--subnet', '10.1.0.0/16,fd00:1::/64', '--subnet', '10.2.0.0/16', '--ip-range', '10.2.1.0/24',
        '--gateway', 'fd00:1::1', '--gateway', '10.1.0.9', '--aux-address', 'a=10.1.0.4', '--aux-address', 'b=10.2.0.4',
        '--aux-address', 'c=10.1.0.5', 'x'],
    ],
    [
      // biome-ignore format: one line a kind
      ['create', '-d', 'overlay', '--internal', '--attachable', '--ipv6', '--label', 'a', '--label', 'b=c=d,e',
        '-o', 'x=1', '--opt', 'y', '--ipam-opt', 'q=1', 'x'],
    ],
    [['ls', '-f', 'name=a', '--filter', 'label=x=y', '-f', 'name=b']],
    [['disconnect', '-f', 'net10', 'c1']],
  ])('%j asks for the same', async (args) => {
    const { theirs, ours, askedTheirs, askedOurs } = await both(...args);
    expect([theirs.status, ours.status]).toEqual([0, 0]);
    // What Docker's client says of things that are not chosen here.
    // Go's maps come in any order.
    for (const { query, body } of [askedTheirs!, askedOurs!]) {
      if (query['filters'] !== undefined) query['filters'] = sorted(query['filters']);
      (body as { IPAM?: { Config: { Subnet: string }[] } } | null)?.IPAM?.Config.sort((a, b) =>
        a.Subnet < b.Subnet ? -1 : 1,
      );
    }
    const { Scope, Ingress, ConfigOnly, ConfigFrom, ...theirBody } = (askedTheirs!.body ?? {}) as Record<
      string,
      unknown
    >;
    // Clients before 28 say so too when it is false.
    if (theirBody['EnableIPv6'] === false) delete theirBody['EnableIPv6'];
    expect({ ...askedOurs, body: askedOurs!.body ?? {} }).toEqual({ ...askedTheirs, body: theirBody });
  });

  it.each([
    ['--gateway 10.1.0.1'],
    ['--subnet 10.1.0.0/16 --subnet 10.1.1.0/24'],
    ['--subnet 10.1.0.0/16 --ip-range 10.2.0.0/24'],
    ['--subnet 10.1.0.0/16 --gateway 10.2.0.1'],
    ['--subnet 10.1.0.0/16 --aux-address a=10.3.0.1'],
    ['--subnet 10.1.0.0/16 --subnet 10.4.0.0/16 --gateway 10.1.0.1 --gateway 10.1.0.2'],
    ['--subnet 10.1.0.0/16 --subnet 10.4.0.0/16 --ip-range 10.1.0.0/24 --ip-range 10.1.1.0/24'],
  ])('create %s is refused in the same words', async (args) => {
    const { theirs, ours } = await both('create', ...args.split(' '), 'x');
    expect(ours).toEqual({
      status: 2,
      stdout: '',
      stderr: `overlane: ${theirs.stderr.trim()} (ERR_OVERLANE_OPTION)\n`,
    });
    expect(theirs.status).not.toBe(0);
  });
});

/** Major version of docker's client; 0: there is none. */
const DOCKER = Number(/(\d+)\./.exec(spawnSync('docker', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 0);

describe('what is our own', () => {
  it('connect: addresses, MAC, names, ports and options of the driver', async () => {
    const flags = ['--ip', '10.0.0.5', '--ip6', 'fd00::5', '--mac-address', '02:00:00:00:00:05', '--alias', 'a,b'];
    const ports = ['-p', '8080:80', '-p', '[::1]:9000-9001:90-91/udp', '--driver-opt', 'x=y'];
    expect(await daemon.overlane('network', 'connect', ...flags, ...ports, 'net10', 'c1')).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
    expect(daemon.asked[0]!.body).toEqual({
      sandbox: 'c1',
      ips: ['10.0.0.5', 'fd00::5'],
      mac: '02:00:00:00:00:05',
      aliases: ['a', 'b'],
      options: { x: 'y' },
      ports: [
        { protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 },
        { protocol: 'udp', hostIp: '::1', hostPort: 9000, containerPort: 90 },
        { protocol: 'udp', hostIp: '::1', hostPort: 9001, containerPort: 91 },
      ],
    });
  });

  it('rm goes on after one that fails', async () => {
    const { status, stdout, stderr } = await daemon.overlane('network', 'rm', 'net10', 'nope', 'Zed');
    expect({ status, stdout }).toEqual({ status: 1, stdout: 'Zed\n' });
    expect(stderr).toBe('overlane: network net10 has active endpoints; network nope not found (ERR_OVERLANE_BUSY)\n');
  });

  it('inspect prints what it found, and fails for the rest', async () => {
    const { status, stdout, stderr } = await daemon.overlane('network', 'inspect', 'Zed', 'nope');
    expect(status).toBe(1);
    expect((JSON.parse(stdout) as { Name: string }[]).map(({ Name }) => Name)).toEqual(['Zed']);
    expect(stderr).toMatch(/network nope not found \(ERR_OVERLANE_MISSING\)/);
  });

  it('--json is JSON', async () => {
    const run = async (...args: string[]) => JSON.parse((await daemon.overlane('network', ...args)).stdout) as unknown;
    expect(await run('ls', '--json')).toHaveLength(3);
    expect(await run('create', '--json', 'x')).toEqual({ id: 'd'.repeat(64), warning: '' });
    expect(await run('prune', '--force', '--json')).toEqual({ removed: ['x', 'y'] });
    expect(await run('connect', '--json', 'net10', 'c1')).toEqual({ id: 'e1' });
  });

  it('prune without --force asks nobody where there is no terminal', async () => {
    expect((await daemon.program('network', 'prune')).status).toBe(2);
    expect(daemon.asked).toEqual([]);
  });

  it('control characters of labels do not get to the terminal in a table', async () => {
    daemon.answers['GET /networks'] = { body: [network('a', 'a', { Labels: { x: '\u001b[2J' } })] };
    const { stdout } = await daemon.overlane('network', 'ls', '--format', 'table {{.Name}}\\t{{.Labels}}');
    expect(stdout).toBe('NAME      LABELS\na         x=?[2J\n');
  });
});

describe('wrong words end with 2', () => {
  it.each([
    [['ls', '--format', '{{range .}}x{{end}}'], '{{range .}}; here it takes text, {{.Field}}'],
    [['ls', '--format', 'table {{.Nmae}}'], "no field 'Nmae'; did you mean 'Name'?"],
    [['inspect', '-f', '{{.IPAM}}', 'Zed'], 'write {{json .IPAM}}'],
    [['ls', '-f', 'nope'], 'not of the form name=value'],
    [['create', '--label', '=x', 'x'], 'has no name'],
    [['create', '--subnet', 'bad', 'x'], 'invalid subnet bad'],
    [['connect', '--ip', 'fd00::1', 'net10', 'c1'], 'is no IPv4 address'],
    [['connect', '-p', '8000-8005:80', 'net10', 'c1'], 'does not choose from a range'],
    [['connect', '-p', 'x:80', 'net10', 'c1'], 'x:80'],
    [['rm', '..'], 'is no name and no id'],
    [['inspect', ''], 'is no name and no id'],
    [['create', '--ingress', 'x'], "unknown option '--ingress'"],
  ])('%j', async (args, message) => {
    const { status, stdout, stderr } = await daemon.overlane('network', ...args);
    expect(stderr).toContain(message);
    expect({ status, stdout }).toEqual({ status: stderr.includes('UNSUPPORTED') ? 1 : 2, stdout: '' });
    expect(daemon.asked.filter(({ method }) => method !== 'GET')).toEqual([]);
  });
});

describe('what is wrong with the daemon', () => {
  const ask = (socket: string) => daemon.overlane('network', 'rm', '-f', '--socket', socket, 'x');

  it('is not there: nothing, or a file, or a dead socket', async () => {
    writeFileSync(join(folder, 'file'), '');
    for (const name of ['nothing', 'file', 'file/x']) {
      const { status, stderr } = await ask(join(folder, name));
      expect(stderr).toMatch(/not running on .*; start it .* \(ERR_OVERLANE_MISSING\)\n$/);
      expect(status).toBe(1);
    }
  });

  it.each([
    ['speaks something else', 'SSH-2.0-OpenSSH\r\n', 'UNSUPPORTED'],
    [
      'is Docker itself',
      `HTTP/1.1 404 Not Found\r\ncontent-length: 29\r\n\r\n{"message":"page not found"} `,
      'UNSUPPORTED',
    ],
    ['answers with a page', 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>', 'UNSUPPORTED'],
    ['says nothing of the error', 'HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n{}', 'UNSUPPORTED'],
    ['goes away', '', 'SYSTEM'],
    ['goes away in the middle', 'HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{"a"', 'SYSTEM'],
    ['fails', 'HTTP/1.1 500 No\r\ncontent-length: 19\r\n\r\n{"message":"worse"}', 'SYSTEM'],
  ])('%s', async (name, answer, code) => {
    const socket = join(folder, `${name.length}`);
    const server = createServer((connection) =>
      connection.on('error', () => {}).once('data', () => connection.end(answer)),
    );
    await once(server.listen(socket), 'listening');
    try {
      const { status, stderr } = await ask(socket);
      expect(stderr).toMatch(new RegExp(`^overlane: .* \\(ERR_OVERLANE_${code}\\)\\n$`));
      expect(status).toBe(1);
    } finally {
      server.close();
    }
  });
});

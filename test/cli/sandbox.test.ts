/** `overlane sandbox`: what it asks of overlaned, and what it prints. */
import { beforeEach, describe, expect, it } from 'vitest';
import { StandIn, sandboxView } from './overlaned.js';

const daemon = await StandIn.open();
const sandbox = (...args: string[]) => daemon.overlane('sandbox', ...args);

beforeEach(() => {
  daemon.asked = [];
  daemon.answers = {
    'POST /overlane/sandboxes': { status: 201, body: sandboxView('web') },
    'GET /networks/bridge': { body: { Name: 'bridge' } },
    'GET /overlane/sandboxes': { body: [sandboxView('web10'), sandboxView('web9', { kind: 'host', endpoints: [] })] },
    'GET /overlane/sandboxes/web': { body: sandboxView('web') },
    'DELETE /overlane/sandboxes/web': { status: 204 },
  };
});

/** What was asked to be made. */
async function made(...args: string[]): Promise<unknown> {
  const { status, stdout, stderr } = await sandbox('create', ...args);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${'5'.repeat(64)}\n`, stderr: '' });
  return daemon.asked.at(-1)!.body;
}

describe('create', () => {
  it('on the network bridge, if there is one', async () => {
    expect(await made()).toEqual({ networks: [{ network: 'bridge' }] });
    delete daemon.answers['GET /networks/bridge'];
    expect(await made()).toEqual({ networks: [] });
  });

  it('with everything: what concerns an endpoint is for the first network', async () => {
    const place = ['--network', 'front', '--network', 'back', '--ip', '172.28.0.9', '--ip6', 'fd00::9'];
    const more = ['--mac-address', '02:00:00:00:00:09', '--alias', 'www', '-p', '8080:80', '--netns', '/run/netns/x'];
    const dns = ['--dns', '9.9.9.9', '--dns', '1.1.1.1', '--dns-search', 'lan', '--dns-option', 'ndots:2'];
    const hosts = ['--add-host', 'db:10.0.0.2', '--add-host', 'db6:fd00::2', '--add-host', 'x=[fd00::3]'];
    expect(
      await made('web', ...place, ...more, ...dns, ...hosts, '--hostname', 'www1', '--label', 'a=b', '--label', 'c'),
    ).toEqual({
      name: 'web',
      netns: '/run/netns/x',
      hostname: 'www1',
      labels: { a: 'b', c: '' },
      dns: { servers: ['9.9.9.9', '1.1.1.1'], search: ['lan'], options: ['ndots:2'] },
      hosts: { db: '10.0.0.2', db6: 'fd00::2', x: 'fd00::3' },
      networks: [
        {
          network: 'front',
          ips: ['172.28.0.9', 'fd00::9'],
          mac: '02:00:00:00:00:09',
          aliases: ['www'],
          ports: [{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }],
        },
        { network: 'back' },
      ],
    });
  });

  it('in the namespace of the host, or on no network', async () => {
    expect(await made('--network', 'host')).toEqual({ host: true, networks: [{ network: 'host' }] });
    expect(await made('--network', 'none')).toEqual({ networks: [{ network: 'none' }] });
  });

  it('--json prints the sandbox', async () => {
    expect(JSON.parse((await sandbox('create', '--json')).stdout)).toEqual(sandboxView('web'));
  });

  it.each([
    [['--network', 'host', '--network', 'front'], '--network host excludes other networks'],
    [['--network', 'host', '--netns', 'x'], 'exclude each other'],
    [['--network', 'none', '--ip', '10.0.0.1'], 'name one with --network'],
    [['--add-host', 'db'], 'is not of the form name:ip'],
    [['--add-host', 'db:x'], 'is not of the form name:ip'],
    [['--ip', '10.0.0'], 'is no IPv4 address'],
    [['--label', '=x'], 'has no name'],
  ])('%j is refused before anything is asked', async (args, message) => {
    const { status, stderr } = await sandbox('create', ...args);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
    expect(daemon.asked).toEqual([]);
  });

  it('what overlaned refuses is said in its words', async () => {
    daemon.answers['POST /overlane/sandboxes'] = { status: 409, body: { message: 'sandbox web already exists' } };
    expect(await sandbox('create', 'web')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'overlane: sandbox web already exists (ERR_OVERLANE_EXISTS)\n',
    });
  });
});

describe('ls, inspect and rm', () => {
  it('ls: columns, in natural order', async () => {
    expect((await sandbox('ls')).stdout).toBe(
      [
        'SANDBOX ID     NAME      NAMESPACE               NETWORKS   ADDRESSES       PORTS',
        '555555555555   web9      host                                               ',
        '555555555555   web10     /run/overlane/netns/5   front      172.28.0.2/16   0.0.0.0:8080->80/tcp',
        '',
      ].join('\n'),
    );
  });

  it('ls: ids, templates and JSON', async () => {
    expect((await sandbox('list', '-q', '--no-trunc')).stdout).toBe(`${`${'5'.repeat(64)}\n`.repeat(2)}`);
    expect((await sandbox('ls', '--format', '{{.Name}} {{.Networks}}')).stdout).toBe('web9 \nweb10 front\n');
    const all = JSON.parse((await sandbox('ls', '--json')).stdout) as { name: string }[];
    expect(all.map(({ name }) => name)).toEqual(['web9', 'web10']);
  });

  it('inspect: a JSON array, or what a template picks', async () => {
    expect(JSON.parse((await sandbox('inspect', 'web')).stdout)).toEqual([sandboxView('web')]);
    expect((await sandbox('inspect', '-f', '{{.netns}} {{.files.hosts}}', 'web')).stdout).toBe(
      '/run/overlane/netns/5 /x/hosts\n',
    );
  });

  it('rm: those that are there; with -f the others are no error', async () => {
    expect(await sandbox('rm', 'nope', 'web')).toMatchObject({ status: 1, stdout: 'web\n' });
    expect(await sandbox('rm', '-f', 'nope', 'web')).toEqual({ status: 0, stdout: 'web\n', stderr: '' });
  });
});

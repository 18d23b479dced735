/** Docker's publish syntax, and ports that are kept from others. */
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { PortAllocator, type PortRequest, parsePublish, reserve } from '../../src/host/ports.js';

const shown = ({ protocol, hostIp, hostPorts, containerPort }: PortRequest) =>
  `${protocol} ${hostIp ?? 'any'} ${hostPorts === null ? 'free' : `${hostPorts.first}-${hostPorts.last}`} ${containerPort}`;

describe('parsePublish', () => {
  it.each([
    ['80', 'tcp any free 80'],
    ['80/udp', 'udp any free 80'],
    ['8080:80', 'tcp any 8080-8080 80'],
    ['8080:80/TCP', 'tcp any 8080-8080 80'],
    ['0:80', 'tcp any free 80'],
    ['127.0.0.1::80', 'tcp 127.0.0.1 free 80'],
    ['127.0.0.1:8080:80/sctp', 'sctp 127.0.0.1 8080-8080 80'],
    ['[::1]:8080:80', 'tcp ::1 8080-8080 80'],
    ['[2001:DB8::1]::80', 'tcp 2001:db8::1 free 80'],
    ['[::]:8080:80', 'tcp :: 8080-8080 80'],
    ['8000-8010:80', 'tcp any 8000-8010 80'],
    ['8000-8001:80-81/udp', 'udp any 8000-8000 80|udp any 8001-8001 81'],
    ['80-82', 'tcp any free 80|tcp any free 81|tcp any free 82'],
    ['1-65535:1-65535', null],
  ])('%s', (spec, expected) => {
    const requests = parsePublish(spec);
    if (expected === null) expect(requests).toHaveLength(65_535);
    else expect(requests.map(shown).join('|')).toBe(expected);
  });

  it.each([
    ['', /form/],
    ['x', /form/],
    ['80:', /form/],
    ['0', /container port/],
    ['8080:0', /container port/],
    ['65536:80', /port or a range/],
    ['80:99999', /port or a range/],
    ['80:2-1', /port or a range/],
    ['8000-8001:80-82', /2 host ports for 3 container ports/],
    ['0-5:80', /begins with port 0/],
    ['127.0.0.1:80', /port or a range/],
    ['[::1]:80', /address and one port/],
    ['[127.0.0.1]:80:80', /IPv4 address in brackets/],
    ['::1:80:80', /form/],
    ['localhost:80:80', /not an IP address/],
    ['80/icmp', /not tcp, udp or sctp/],
    ['80:80/tcp/udp', /form/],
    ['1:'.repeat(500), /form/],
  ])('refuses %s', (spec, message) => {
    expect(() => parsePublish(spec)).toThrow(
      expect.objectContaining({ code: 'ERR_OVERLANE_OPTION', message: expect.stringMatching(message) }),
    );
  });
});

describe('reservations', () => {
  const held: { close(): Promise<void> }[] = [];
  const hold = <T extends { close(): Promise<void> }>(one: T): T => {
    held.push(one);
    return one;
  };
  afterEach(async () => void (await Promise.all(held.splice(0).map((one) => one.close()))));

  const request = (changes: Partial<PortRequest> = {}): PortRequest => ({
    ...{ protocol: 'tcp', hostIp: '127.0.0.1', hostPorts: null, containerPort: 80 },
    ...changes,
  });

  it.each(['tcp', 'udp', 'sctp'] as const)('keep a %s port from others until they are closed', async (protocol) => {
    const { hostPort, reservations } = hold(await new PortAllocator().allocate(request({ protocol })));
    const place = { protocol, hostIp: '127.0.0.1', hostPort };
    const message = `${protocol} port ${hostPort} of 127.0.0.1 is taken`;
    await expect(reserve(place)).rejects.toMatchObject({
      code: 'ERR_OVERLANE_BUSY',
      message: expect.stringContaining(message),
    });
    await reservations[0]!.close();
    const again = await reserve(place);
    await Promise.all([again.close(), again.close()]);
  });

  it('reset connections that nothing translated', async () => {
    const { hostPort } = hold(await new PortAllocator().allocate(request()));
    const code = await new Promise((resolve) => {
      connect(hostPort, '127.0.0.1').on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    expect(code).toBe('ECONNRESET');
  });

  it('name an address that is not of this host', async () => {
    const place = { protocol: 'udp', hostIp: '192.0.2.1', hostPort: 40_000 } as const;
    await expect(reserve(place)).rejects.toMatchObject({
      code: 'ERR_OVERLANE_OPTION',
      message: expect.stringContaining('192.0.2.1 is no address'),
    });
    await expect(reserve({ ...place, hostPort: 0 })).rejects.toMatchObject({ code: 'ERR_OVERLANE_OPTION' });
  });

  it('take the next free port of a range, and say when there is none', async () => {
    const { hostPort: first } = hold(await new PortAllocator().allocate(request()));
    const hostPorts = { first, last: first + 1 };
    const allocator = new PortAllocator();
    expect(hold(await allocator.allocate(request({ hostPorts }))).hostPort).toBe(first + 1);
    await expect(allocator.allocate(request({ hostPorts }))).rejects.toMatchObject({
      code: 'ERR_OVERLANE_BUSY',
      message: `all tcp ports from ${first} to ${first + 1} of 127.0.0.1 are taken; free one, or ask for others`,
    });
  });

  it('go round the range, so that a port that was freed is not the next to be given', async () => {
    const range = { first: 47_301, last: 47_304 };
    const allocator = new PortAllocator(range);
    const given: number[] = [];
    for (let i = 0; i < 4; i++) {
      const allocation = await allocator.allocate(request());
      given.push(allocation.hostPort);
      await allocation.close();
    }
    expect(new Set(given).size).toBe(4);
    expect((await allocator.allocate(request()).then(hold)).hostPort).toBe(given[0]);
  });

  it('hold both IP versions for every address, or neither', async () => {
    const allocator = new PortAllocator();
    const { hostPort, reservations, close } = hold(await allocator.allocate(request({ hostIp: null })));
    expect(reservations.map(({ hostIp }) => hostIp)).toEqual(['0.0.0.0', '::']);
    await close();
    const six = createServer();
    await new Promise<void>((resolve) => six.listen({ host: '::', port: hostPort, ipv6Only: true }, resolve));
    const hostPorts = { first: hostPort, last: hostPort };
    await expect(allocator.allocate(request({ hostIp: null, hostPorts }))).rejects.toMatchObject({
      code: 'ERR_OVERLANE_BUSY',
    });
    // The half that was taken is free again.
    hold(await reserve({ protocol: 'tcp', hostIp: '0.0.0.0', hostPort }));
    await new Promise((resolve) => six.close(resolve));
  });
});

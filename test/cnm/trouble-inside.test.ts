/** Failures at every point of a change, from drivers and stores that fail when told to: nothing is left of what was refused. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Controller } from '../../src/cnm/controller.js';
import { MemoryStore } from '../../src/cnm/memory-store.js';
import type { EndpointOptions } from '../../src/cnm/options.js';
import { SqliteStore } from '../../src/cnm/sqlite-store.js';
import type { Changes, Store } from '../../src/cnm/store.js';
import type { Driver, DriverContext } from '../../src/drivers/driver.js';
import { OverlaneError } from '../../src/errors.js';
import { listLinks } from '../../src/netns/links.js';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';

const live = describe.skipIf(!hasRoot);
const title = (text: string) => (hasRoot ? text : `${text} ${NEEDS_ROOT}`);

/** Keeps records, unless it is full. */
class FullStore implements Store {
  readonly inner = new MemoryStore();
  /** How many commits still succeed. */
  room = Number.POSITIVE_INFINITY;

  load = (kind: string) => this.inner.load(kind);
  commit(changes: Changes): void {
    if (this.room-- <= 0) throw new OverlaneError('ERR_OVERLANE_STORE', 'the store is full; make room');
    this.inner.commit(changes);
  }
  close(): void {}
}

type Verb = 'open' | 'close' | 'check' | 'join' | 'leave';

/** What the fake drivers have at present, and what fails next. */
class World {
  readonly there = new Set<string>();
  fails = new Set<string>();
  /** Fails the first time only. */
  readonly failsOnce = new Set<string>();
  readonly acts: string[] = [];

  /** A driver that counts what it made: `needsGateway` as overlays. */
  driver(name: string, needsGateway: boolean): (context: DriverContext) => Driver {
    const act = async (verb: Verb, what: string) => {
      const key = `${name} ${verb}`;
      this.acts.push(key);
      if (this.fails.has(key) || this.failsOnce.delete(key))
        throw new OverlaneError('ERR_OVERLANE_SYSTEM', `${name} fails to ${verb}`);
      if (verb === 'open' || verb === 'join') this.there.add(what);
      else if (verb !== 'check') this.there.delete(what);
    };
    return () => ({
      name,
      scope: 'local',
      addressed: true,
      publishes: () => true,
      settle: () => ({}),
      open: (network) => act('open', `network ${network.name}`),
      close: (network) => act('close', `network ${network.name}`),
      check: (_, endpoint) => act('check', endpoint.id),
      join: async (network, endpoint) => {
        await act('join', `${network.name} ${endpoint.addresses[0]!.address} ${JSON.stringify(endpoint.ports)}`);
        return needsGateway ? { gateways: [], needsGateway } : { gateways: [] };
      },
      leave: (network, endpoint) =>
        act('leave', `${network.name} ${endpoint.addresses[0]!.address} ${JSON.stringify(endpoint.ports)}`),
      bridges: () => [],
      port: () => null,
    });
  }
}

live(title('changes that fail'), () => {
  let folder: string;
  let store: FullStore;
  let world: World;
  let controller: Controller;
  let warnings: string[];
  const opened: Controller[] = [];

  async function open(): Promise<Controller> {
    const drivers = { more: [world.driver('bridge', false), world.driver('far', true)] };
    const runFolder = path.join(folder, 'run');
    const made = await Controller.open({ store, folder, runFolder, firewall: 'none', drivers });
    opened.push(made);
    made.on('warning', (message) => warnings.push(message));
    return made;
  }

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'ovl-trouble-'));
    store = new FullStore();
    world = new World();
    warnings = [];
    controller = await open();
  });
  afterEach(async () => {
    store.room = Number.POSITIVE_INFINITY;
    world.fails.clear();
    for (const sandbox of controller.sandboxes) await sandbox.delete();
    for (const one of opened.splice(0)) await one.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** All that can be seen of what exists: in memory, in the store, at the drivers and in folders. */
  function state() {
    const records = (kind: string) => JSON.stringify([...store.inner.load(kind)]);
    const list = (name: string) =>
      existsSync(path.join(folder, name)) ? readdirSync(path.join(folder, name)).sort() : [];
    return {
      networks: controller.networks.map(({ record }) => record),
      sandboxes: controller.sandboxes.map(({ record }) => record),
      endpoints: controller.networks.flatMap(({ endpoints }) => endpoints.map(({ record }) => record)),
      stored: ['network', 'sandbox', 'endpoint'].map(records),
      there: [...world.there].sort(),
      namespaces: list('run/netns'),
      files: list('sandboxes'),
    };
  }

  const web: EndpointOptions = {
    ports: [{ protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 18080, containerPort: 80 }],
  };

  /** The address that the next endpoint of a network would get. */
  async function nextAddress(name: string): Promise<string> {
    const endpoint = await controller.network(name).createEndpoint();
    const { address } = endpoint.record.addresses[0]!;
    await endpoint.delete();
    return address;
  }

  it('an endpoint that is refused for its MAC, address or driver gives its addresses back', async () => {
    const network = await controller.createNetwork({ name: 'n', subnets: [{ subnet: '10.66.0.0/29' }] });
    const sandbox = await controller.createSandbox({ name: 's' });
    const before = state();
    // More often than there are addresses.
    for (let i = 0; i < 8; i++) {
      await expect(network.connect(sandbox, { mac: '01:00:00:00:00:01' })).rejects.toMatchObject({
        code: 'ERR_OVERLANE_OPTION',
      });
      await expect(network.createEndpoint({ mac: 'nonsense' })).rejects.toMatchObject({ code: 'ERR_OVERLANE_OPTION' });
      await expect(network.connect(sandbox, { ips: ['10.66.0.4', '10.67.0.1'] })).rejects.toMatchObject({
        code: 'ERR_OVERLANE_OPTION',
      });
      for (const verb of ['check', 'join']) {
        world.fails = new Set([`bridge ${verb}`]);
        await expect(network.connect(sandbox)).rejects.toThrow(`bridge fails to ${verb}`);
      }
    }
    expect(state()).toEqual(before);
    world.fails.clear();
    await network.connect(sandbox, { ips: ['10.66.0.4'] });
  });

  it('an endpoint whose gateway cannot be had is not there, stored or not', async () => {
    const network = await controller.createNetwork({ name: 'wide', driver: 'far' });
    const sandbox = await controller.createSandbox({ name: 's' });
    const stray = await network.createEndpoint({ name: 'stray' });
    const before = state();
    for (const verb of ['open', 'join']) {
      // The gateway network itself is there for good once it was made.
      const gateway = ({ networks, stored, there, ...rest }: ReturnType<typeof state>) =>
        verb === 'open' ? { networks, stored, there, ...rest } : rest;
      world.fails = new Set([`bridge ${verb}`]);
      await expect(network.connect(sandbox, web)).rejects.toThrow(`bridge fails to ${verb}`);
      expect(gateway(state())).toEqual(gateway(before));
      await expect(stray.join(sandbox)).rejects.toThrow(`bridge fails to ${verb}`);
      expect(stray.record.sandbox).toBeNull();
      expect(gateway(state())).toEqual(gateway(before));
    }
    await expect(
      controller.createSandbox({ name: 't', networks: [{ network }, { network: controller.network('none') }] }),
    ).rejects.toThrow();
    expect(controller.sandboxes.map(({ name }) => name)).toEqual(['s']);
    world.fails.clear();
    await network.connect(sandbox, web);
    expect(sandbox.endpoints.map(({ record }) => record.ports.length)).toEqual([1, 1]);
  });

  it('a gateway that was changed in vain is as it was', async () => {
    const wide = await controller.createNetwork({ name: 'wide', driver: 'far' });
    const more = await controller.createNetwork({ name: 'more', driver: 'far' });
    const sandbox = await controller.createSandbox({ name: 's', networks: [{ network: wide, ...web }] });
    const seen = () => sandbox.endpoints.map(({ record }) => [record.interface, record.network, record.ports]);
    const before = seen();
    world.failsOnce.add('bridge join');
    const ports = [{ ...web.ports![0]!, hostPort: 18081 }];
    await expect(more.connect(sandbox, { ports })).rejects.toThrow('bridge fails to join');
    expect(seen()).toEqual(before);
    expect(more.endpoints).toEqual([]);
  });

  it('a sandbox goes at once: no gateways on the way, one event for each of its endpoints', async () => {
    const near = await controller.createNetwork({ name: 'near' });
    const wide = await controller.createNetwork({ name: 'wide', driver: 'far' });
    const sandbox = await controller.createSandbox({ name: 's', networks: [{ network: near }, { network: wide }] });
    expect(sandbox.endpoints).toHaveLength(3);
    const events: string[] = [];
    controller.on('event', ({ action, name }) => events.push(`${action} ${name}`));
    world.acts.length = 0;
    await sandbox.delete();
    expect(world.acts).toEqual(['bridge leave', 'far leave', 'bridge leave']);
    expect(events).toEqual(['disconnect near', 'disconnect wide', 'disconnect overlane_gwbridge', 'destroy s']);
  });

  it('the gateway network is not for anybody to join', async () => {
    const wide = await controller.createNetwork({ name: 'wide', driver: 'far' });
    const sandbox = await controller.createSandbox({ name: 's', networks: [{ network: wide }] });
    const other = await controller.createSandbox({ name: 'o' });
    const gateway = controller.network('overlane_gwbridge');
    for (const attempt of [gateway.connect(other), gateway.createEndpoint()]) {
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_OVERLANE_PERMISSION' });
    }
    await expect(controller.createSandbox({ networks: [{ network: gateway }] })).rejects.toMatchObject({
      code: 'ERR_OVERLANE_PERMISSION',
    });
    expect(gateway.endpoints).toHaveLength(1);
    await wide.disconnect(sandbox);
    expect(gateway.endpoints).toHaveLength(0);
  });

  it('what a driver fails to unmake is gone all the same, with a warning', async () => {
    const near = await controller.createNetwork({ name: 'near' });
    const sandbox = await controller.createSandbox({ name: 's', networks: [{ network: near }] });
    world.fails = new Set(['bridge leave', 'bridge close']);
    await sandbox.delete();
    await near.delete();
    expect(controller.networks.map(({ name }) => name).sort()).toEqual(['host', 'none']);
    expect(warnings).toEqual([
      expect.stringContaining('left network near, but not all of it is gone: bridge fails to leave'),
      expect.stringContaining('network near was removed, but not all of it is gone: bridge fails to close'),
    ]);
    const again = await controller.createNetwork({ name: 'near' });
    expect(again.record.pools[0]!.subnet).toBe('172.17.0.0/16');
  });

  it('a store that is full refuses, whole: memory, drivers and folders are as before, and the store is right again with the next change', async () => {
    const near = await controller.createNetwork({ name: 'near' });
    const wide = await controller.createNetwork({ name: 'wide', driver: 'far' });
    const sandbox = await controller.createSandbox({ name: 's' });
    const stray = await near.createEndpoint({ name: 'stray' });
    // Makes the gateway network.
    await wide.connect(sandbox);
    await wide.disconnect(sandbox);
    const steps: [string, () => Promise<unknown>][] = [
      ['join', () => stray.join(sandbox)],
      ['connect', () => wide.connect(sandbox, web)],
      [
        'another sandbox',
        () => controller.createSandbox({ name: 't', networks: [{ network: near }, { network: wide }] }),
      ],
      ['another network', () => controller.createNetwork({ name: 'third' })],
      ['disconnect', () => wide.disconnect(sandbox)],
      ['remove', () => controller.sandbox('t').delete()],
      ['remove the network', () => controller.network('third').delete()],
      ['leave', () => stray.leave()],
      ['end', () => stray.delete()],
    ];
    for (const [name, step] of steps) {
      for (let room = 0; ; room++) {
        expect(room, name).toBeLessThan(8);
        const { stored, ...before } = state();
        store.room = room;
        const error = await step().then(
          () => null,
          (reason: unknown) => reason,
        );
        store.room = Number.POSITIVE_INFINITY;
        if (error === null) break;
        expect(error, name).toMatchObject({ code: 'ERR_OVERLANE_STORE' });
        await nextAddress('near');
        const after = state();
        expect(after, `${name}, room for ${room}`).toEqual({ ...before, stored });
      }
      const { networks, sandboxes, endpoints, stored } = state();
      const byId = (records: readonly { id: string }[]) => [...records].sort((a, b) => (a.id < b.id ? -1 : 1));
      expect(
        stored.map((text) => JSON.parse(text) as unknown),
        name,
      ).toEqual([networks, sandboxes, endpoints].map(byId));
    }
  });

  it('two at once: one of them is told why not', async () => {
    const two = <T>(...work: Promise<T>[]) =>
      Promise.allSettled(work).then((all) => all.map((one) => (one.status === 'rejected' ? one.reason.code : 'fine')));
    expect(await two(controller.createNetwork({ name: 'n' }), controller.createNetwork({ name: 'n' }))).toEqual([
      'fine',
      'ERR_OVERLANE_EXISTS',
    ]);
    const network = controller.network('n');
    const sandbox = await controller.createSandbox({ name: 's' });
    expect(await two<unknown>(network.connect(sandbox), network.connect(sandbox))).toEqual([
      'fine',
      'ERR_OVERLANE_BUSY',
    ]);
    expect(await two<unknown>(network.delete(), network.disconnect(sandbox), network.delete())).toEqual([
      'ERR_OVERLANE_BUSY',
      'fine',
      'fine',
    ]);
    const again = await controller.createNetwork({ name: 'n' });
    expect(
      await two<unknown>(again.connect(sandbox), again.delete(), sandbox.delete(), again.connect(sandbox)),
    ).toEqual(['fine', 'ERR_OVERLANE_BUSY', 'fine', 'ERR_OVERLANE_MISSING']);
    expect(await two<unknown>(again.delete(), again.delete())).toEqual(['fine', 'ERR_OVERLANE_MISSING']);
    await two<unknown>(controller.close(), controller.close());
    await expect(controller.createNetwork({ name: 'late' })).rejects.toMatchObject({ code: 'ERR_OVERLANE_CLOSED' });
    controller = await open();
  });

  it("first networks of a sandbox are checked as any endpoint's", async () => {
    const network = await controller.createNetwork({ name: 'n' });
    const before = state();
    const port = { protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 0, containerPort: 80 } as const;
    for (const options of [
      { name: '../x' },
      { aliases: ['two words'] },
      { ports: [{ ...port, hostIp: 'localhost' }] },
      { ports: [{ ...port, containerPort: 0 }] },
      { nonsense: 1 } as EndpointOptions,
    ]) {
      await expect(controller.createSandbox({ networks: [{ network, ...options }] })).rejects.toMatchObject({
        code: 'ERR_OVERLANE_OPTION',
      });
    }
    expect(state()).toEqual(before);
  });

  it('names of interfaces that others have in the namespace are left to them', async () => {
    const network = await controller.createNetwork({ name: 'real', driver: 'macvlan' });
    const sandbox = await controller.createSandbox({ name: 's' });
    execFileSync('nsenter', [`--net=${sandbox.netns}`, 'ip', 'tuntap', 'add', 'mode', 'tap', 'eth0']);
    const endpoint = await network.connect(sandbox);
    expect(endpoint.record.interface).toBe('eth1');
    await network.disconnect(sandbox);
    expect(listLinks(sandbox.netns).map(({ name }) => name)).toContain('eth0');
    // At once, while the kernel is still removing the old one.
    expect((await network.connect(sandbox)).record.interface).toBe('eth1');
  });

  it('a failed start closes what it has opened: the store, too', async () => {
    const file = path.join(folder, 'store.db');
    const more = [
      () => {
        throw new OverlaneError('ERR_OVERLANE_SYSTEM', 'no driver');
      },
    ];
    const runFolder = path.join(folder, 'other');
    const options = { folder, runFolder, firewall: 'none', drivers: { more } } as const;
    await expect(Controller.open({ ...options, store: new SqliteStore(file) })).rejects.toThrow('no driver');
    new SqliteStore(file).close();
  });
});

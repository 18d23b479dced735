/** Wrong options of addPort. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/index.js';
import { vectorsFolder } from '../peers.js';
import { lab } from './lab.js';
import { any, expectRefusal, site } from './refusal.js';

const folder = mkdtempSync(join(tmpdir(), 'overlane-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('addPort', () => {
  const capture = `${vectorsFolder}/c2-eth0.pcap`;
  it.each<[string, unknown, ErrorCode, RegExp]>([
    [
      'nothing',
      undefined,
      'ERR_OVERLANE_OPTION',
      /'type' of addPort must be one of 'memory', 'pcap', 'tap', 'packet', 'xdp', not undefined/,
    ],
    [
      'a live type',
      { type: 'tap', name: 'eth0' },
      'ERR_OVERLANE_OPTION',
      /port type 'tap' needs a live dataplane, but this one is in manual mode; leave out 'mode'/,
    ],
    ['AF_PACKET', { type: 'packet', interface: 'eth1' }, 'ERR_OVERLANE_OPTION', /type 'packet' needs a live/],
    ['AF_XDP', { type: 'xdp' }, 'ERR_OVERLANE_OPTION', /type 'xdp' needs a live/],
    [
      'a misspelt type',
      { type: 'memroy' },
      'ERR_OVERLANE_OPTION',
      /unknown port type 'memroy' of addPort; did you mean 'memory'\?/,
    ],
    [
      'an unknown option',
      { type: 'memory', discrad: true },
      'ERR_OVERLANE_OPTION',
      /unknown option 'discrad' of addPort; did you mean 'discard'\?/,
    ],
    ["the other type's option", { type: 'memory', read: 'x' }, 'ERR_OVERLANE_OPTION', /unknown option 'read'/],
    [
      'an MTU too small',
      { type: 'memory', mtu: 67 },
      'ERR_OVERLANE_OPTION',
      /'mtu' of addPort must be a whole number from 68 to 65535 bytes, not 67/,
    ],
    ['an MTU too large', { type: 'memory', mtu: 65536 }, 'ERR_OVERLANE_OPTION', /'mtu'/],
    [
      'a tiny queue',
      { type: 'memory', queueBytes: 1 },
      'ERR_OVERLANE_OPTION',
      /'queueBytes' of addPort must be a whole number from 65536/,
    ],
    [
      'loop as text',
      { type: 'memory', loop: 'yes' },
      'ERR_OVERLANE_OPTION',
      /'loop' of addPort must be true or false, not "yes"/,
    ],
    [
      'an odd name',
      { type: 'memory', name: 'a b' },
      'ERR_OVERLANE_OPTION',
      /'name' of addPort must be a name of 1 to 64 letters/,
    ],
    [
      'a name taken',
      { type: 'memory', name: 'a' },
      'ERR_OVERLANE_EXISTS',
      /there is a port 'a' already; choose another name/,
    ],
    ['no files', { type: 'pcap' }, 'ERR_OVERLANE_OPTION', /needs 'read', 'write' or both/],
    ['an empty path', { type: 'pcap', read: '' }, 'ERR_OVERLANE_OPTION', /'read' of addPort must be a path/],
    [
      'a missing file',
      { type: 'pcap', read: '/nowhere/x.pcap' },
      'ERR_OVERLANE_MISSING',
      /cannot read \/nowhere\/x.pcap: no such file; check the path/,
    ],
    ['a folder to read', { type: 'pcap', read: folder }, 'ERR_OVERLANE_OPTION', /is a folder, not a capture/],
    [
      'a folder to write',
      { type: 'pcap', write: folder },
      'ERR_OVERLANE_OPTION',
      /it is a folder; give the path of a file/,
    ],
    [
      'a missing folder to write in',
      { type: 'pcap', write: '/nowhere/x.pcap' },
      'ERR_OVERLANE_MISSING',
      /no such folder; make it first/,
    ],
    [
      'the same file twice',
      { type: 'pcap', read: capture, write: capture },
      'ERR_OVERLANE_OPTION',
      /are the same file/,
    ],
    ['no capture', { type: 'pcap', read: import.meta.filename }, 'ERR_OVERLANE_CAPTURE', /options\.test\.ts/],
  ])('refuses %s', (_, options, code, words) => {
    const { dataplane } = site();
    expectRefusal(dataplane, () => dataplane.addPort(any(options)), code, words);
  });

  it('refuses a file that another port writes, or to write one that another reads, under any name', () => {
    const dataplane = lab();
    const written = join(folder, 'written.pcapng');
    const link = join(folder, 'link.pcapng');
    dataplane.addPort({ type: 'pcap', write: written });
    dataplane.flush();
    symlinkSync(written, link);
    const readable = join(folder, 'empty.pcap');
    writeFileSync(readable, Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex'));
    dataplane.addPort({ type: 'pcap', read: readable });
    expectRefusal(
      dataplane,
      () => dataplane.addPort({ type: 'pcap', write: link }),
      'ERR_OVERLANE_BUSY',
      /link.pcapng is in use by port 'pcap0'/,
    );
    expectRefusal(
      dataplane,
      () => dataplane.addPort({ type: 'pcap', read: written }),
      'ERR_OVERLANE_BUSY',
      /in use by port 'pcap0'/,
    );
    expectRefusal(
      dataplane,
      () => dataplane.addPort({ type: 'pcap', write: readable }),
      'ERR_OVERLANE_BUSY',
      /in use by port 'pcap1'/,
    );
    dataplane.addPort({ type: 'pcap', read: readable });
  });

  it('names ports by type and the next free number', () => {
    const dataplane = lab();
    dataplane.addPort({ type: 'memory', name: 'memory1' });
    const names = [1, 2, 3].map(() => dataplane.addPort({ type: 'memory' }).name);
    expect(names).toEqual(['memory0', 'memory2', 'memory3']);
  });
});

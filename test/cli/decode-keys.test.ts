import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { ESP_VECTORS } from '../wire/esp-vectors.js';
import { writeFrames } from '../wire/pcap.js';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'overlane-decode-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** When the ratchet of the vectors' secret starts. */
const SINCE = '2026-01-01';
const START = Date.parse(SINCE) / 1000;
const strong = ESP_VECTORS.filter(({ profile }) => profile === 'strong');
const docker = ESP_VECTORS.filter(({ profile }) => profile === 'docker');

/** A capture of the vectors, each in the middle of its epoch. */
function captureOf(name: string, vectors: typeof ESP_VECTORS, epochSeconds = 43_200): string {
  const path = join(folder, `${name}.pcap`);
  const frames = vectors.map(({ frame, epoch = 0 }) => ({
    bytes: Buffer.from(frame, 'hex'),
    seconds: START + (epoch + 0.5) * epochSeconds,
  }));
  writeFrames(path, frames);
  return path;
}

function keyFile(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

async function overlane(...args: string[]): Promise<string[]> {
  const { stdout } = await run(process.execPath, [MAIN, 'decode', ...args]);
  return stdout.split('\n').slice(0, -1);
}

const STRONG_LINE = `strong 7 ${strong[0]!.secret} since ${SINCE}`;
const DOCKER_LINES = docker
  .filter(({ keyBits }) => keyBits === 128)
  .map(({ tag, secret }) => `docker ${tag} ${secret}`)
  .join('\n');

describe('overlane decode --keys', () => {
  it('shows what is inside strong packets, by the ratchet and the time of each', async () => {
    const keys = keyFile('strong', `# a ring\n${STRONG_LINE}\n`);
    const lines = await overlane('--keys', keys, captureOf('strong', strong));
    expect(lines).toHaveLength(strong.length);
    for (const [i, { source, destination, spi }] of strong.entries()) {
      expect(lines[i]).toContain(`${source.padStart(17)} → ${destination.padEnd(17)}  VXLAN `);
      const inside = '49236 → 4789 │ VNI 4097  10.99.0.2 → 10.99.0.4  UDP  5000 → 9 len';
      expect(lines[i]).toMatch(new RegExp(`SPI 0x${spi.toString(16)} seq \\d+ ┃ ${inside}`));
    }
  });

  it('has the same as JSON, with the key and the epoch', async () => {
    const keys = keyFile('strong-json', STRONG_LINE);
    const lines = await overlane('--json', '--keys', keys, captureOf('json', strong));
    for (const [i, { iv, epoch, keyBits, sequence, counter, icvLength }] of strong.entries()) {
      const { esp, udp, vxlan } = JSON.parse(lines[i]!);
      const key = { opened: true, profile: 'strong', keyId: 7, epoch, keyBits, icvLength };
      expect(esp).toMatchObject({
        ...key,
        iv,
        sequence64: sequence,
        sealedAt: counter,
        udp: { destinationPort: 4500 },
      });
      expect([udp.destinationPort, vxlan.vni, vxlan.inner.ipv4.source]).toEqual([4789, 4097, '10.99.0.2']);
    }
    expect(lines.join('')).not.toContain(strong[0]!.secret);
  });

  it('shows what is inside the packets of a Docker Swarm', async () => {
    const keys = keyFile('docker', `${DOCKER_LINES}\n`);
    const lines = await overlane('--json', '--keys', keys, captureOf('docker', docker));
    const rows = lines.map((line) => JSON.parse(line));
    expect(rows.map(({ esp }) => esp.opened)).toEqual(docker.map(({ keyBits }) => keyBits === 128));
    expect(rows.map(({ esp }) => esp.keyId)).toEqual(
      docker.map(({ keyBits, tag }) => (keyBits === 128 ? tag : undefined)),
    );
    expect(rows.filter(({ vxlan }) => vxlan?.vni === 4097)).toHaveLength(2);
    expect(rows.at(-1).esp.reason).toBe('esp_spi');
  });

  it('without keys, or with others, says so in every line', async () => {
    const capture = captureOf('closed', [...strong, ...docker]);
    const without = await overlane(capture);
    expect(without.every((line) => / ESP +\d+ {2}SPI 0x[0-9a-f]{8} seq \d+ len \d+/.test(line))).toBe(true);
    expect(without.filter((line) => line.includes('in UDP 52001 → 4500'))).toHaveLength(strong.length);
    expect(without.join('')).not.toMatch(/VNI|not opened/);
    const others = keyFile('others', `docker 5 ${'00'.repeat(16)}`);
    const closed = await overlane('--keys', others, capture);
    expect(closed.every((line) => line.endsWith('[not opened: no key for this SPI]'))).toBe(true);
  });

  it('takes another length of the epochs', async () => {
    const capture = captureOf('minutes', strong, 60);
    const keys = keyFile('minutes', STRONG_LINE);
    const opened = (lines: string[]) => lines.filter((line) => line.includes('VNI 4097')).length;
    expect(opened(await overlane('--keys', keys, '--rotate-every', '60', capture))).toBe(strong.length);
    expect(opened(await overlane('--keys', keys, capture))).toBe(strong.filter(({ epoch }) => epoch! < 2).length);
  });

  it('refuses a key file that others may read, and one that is none, without showing it', async () => {
    const capture = captureOf('refused', docker);
    const secret = 'c0ffee'.repeat(11);
    const open = keyFile('open', `docker 5 ${'ab'.repeat(16)}`, 0o640);
    await expect(overlane('--keys', open, capture)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`chmod 600 ${open}`),
    });
    const wrong = keyFile('wrong', `strong 1 ${secret}`);
    const error: { stderr: string } = await overlane('--keys', wrong, capture).then(
      () => ({ stderr: 'it was taken' }),
      (thrown) => thrown,
    );
    expect(error.stderr).toContain(`${wrong}:1`);
    expect(error.stderr).not.toContain('c0ffee');
    await expect(overlane('--keys', '/nonexistent', capture)).rejects.toMatchObject({ code: 1 });
  });

  it('tells about keys in --help', async () => {
    const text = (await overlane('--help')).join(' ');
    for (const word of ['--keys', '--rotate-every', 'chmod 600', 'since', 'docker <tag>', '43200']) {
      expect(text).toContain(word);
    }
  });
});

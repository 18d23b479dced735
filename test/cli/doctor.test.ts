/** `overlane doctor`: a check that cannot look says so, and what is missing comes with the way to get it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CHECKS, type Check, examine, type Row } from '../../src/cli/doctor.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function check(state: 'ok' | 'limited' | 'absent', look?: Check['look']): Check {
  return { what: 'thing', for: 'tests', look: look ?? (() => ({ state, detail: 'd' })), get: 'apt-get install thing' };
}

function doctor(env: NodeJS.ProcessEnv, ...args: string[]) {
  return spawnSync(process.execPath, [MAIN, 'doctor', ...args], { encoding: 'utf8', env });
}

describe('examine', () => {
  it('says how to get what is not ok, and only that', async () => {
    const rows = await examine([check('ok'), check('limited'), check('absent')]);
    expect(rows.map(({ state, get }) => [state, get])).toEqual([
      ['ok', ''],
      ['limited', 'apt-get install thing'],
      ['absent', 'apt-get install thing'],
    ]);
  });

  it('takes a check that throws for absent, with the reason', async () => {
    const broken = check('ok', () => {
      throw new Error('no such file');
    });
    expect(await examine([broken])).toEqual([
      { what: 'thing', for: 'tests', state: 'absent', detail: 'no such file', get: 'apt-get install thing' },
    ]);
  });
});

describe('overlane doctor', () => {
  it('--json: one row for each check, the addon among those that are ok', () => {
    const { status, stdout } = doctor(process.env, '--json');
    expect(status).toBe(0);
    const rows = JSON.parse(stdout) as Row[];
    expect(rows.map(({ what }) => what)).toEqual(CHECKS.map(({ what }) => what));
    expect(rows.find(({ what }) => what === 'native addon')?.state).toBe('ok');
    for (const row of rows) expect(row.get === '', row.what).toBe(row.state === 'ok');
  });

  it('names the packages to install where no program is found, and still ends with 0', () => {
    const { status, stdout } = doctor({ PATH: '' });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^tshark +absent /m);
    expect(stdout).toMatch(/^tshark +apt-get install tshark$/m);
  });
});

/** `overlane doctor`: a check that cannot look says so, and what is missing comes with the way to get it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CHECKS, type Check, examine, type Row } from '../../src/cli/doctor.js';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns } from '../live/netns.js';

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

const of = (rows: Row[], what: string) => rows.find((row) => row.what === what);

describe('overlane doctor, live operation', () => {
  it.skipIf(!hasRoot)(`as root: every kind of port may be opened, and offloads are tried ${NEEDS_ROOT}`, () => {
    const rows = JSON.parse(doctor(process.env, '--json').stdout) as Row[];
    for (const kind of ['tap ports', 'packet ports', 'xdp ports', 'udp underlay'])
      expect(of(rows, kind)?.state).toBe('ok');
    expect(of(rows, 'TAP offloads')?.detail).toMatch(/TSO/);
    expect(of(rows, 'UDP offloads')?.detail).toMatch(/UDP_SEGMENT/);
    if (of(rows, 'AF_XDP')?.state === 'ok')
      expect(of(rows, 'AF_XDP')?.detail).toMatch(/^(generic|native), .*copy on a/);
    expect(of(rows, 'receive buffers')?.state).toBe('ok');
  });

  it.skipIf(!hasRoot)(`without privileges: which are missing, and how to permit them ${NEEDS_ROOT}`, () => {
    const options = { encoding: 'utf8', uid: 65534, gid: 65534 } as const;
    const { status, stdout } = spawnSync(process.execPath, [MAIN, 'doctor', '--json'], options);
    expect(status).toBe(0);
    const rows = JSON.parse(stdout) as Row[];
    expect(of(rows, 'tap ports')).toMatchObject({ state: 'absent', detail: 'without CAP_NET_ADMIN' });
    expect(of(rows, 'tap ports')?.get).toMatch(
      /setcap cap_net_admin,cap_sys_admin\+ep .*--cap-add NET_ADMIN --cap-add SYS_ADMIN$/,
    );
    expect(of(rows, 'packet ports')).toMatchObject({ state: 'absent', detail: 'without CAP_NET_RAW' });
    expect(of(rows, 'xdp ports')?.detail).toBe('without CAP_NET_ADMIN, CAP_BPF, CAP_NET_RAW');
    expect(of(rows, 'udp underlay')?.state).toBe('limited');
    expect(of(rows, 'TAP offloads')?.detail).toMatch(/^cannot be tried without CAP_NET_ADMIN, CAP_SYS_ADMIN$/);
    expect(of(rows, 'UDP offloads')?.state).toBe('ok');
    const buffers = of(rows, 'receive buffers');
    expect(buffers?.detail).toMatch(/net\.core\.rmem_max is/);
    if (buffers?.state !== 'ok') expect(buffers?.get).toMatch(/^sysctl -w net\.core\.rmem_max=8388608 /);
  });

  it.skipIf(!hasRoot)(`--vtep: the MTU of the path, and what VXLAN leaves of it ${NEEDS_ROOT}`, async () => {
    const [h1, h2] = [new Netns('h1'), new Netns('h2')];
    joinByVeth([h1, '192.168.77.1/24'], [h2, '192.168.77.2/24'], { mtu: 1400 });
    joinByVeth([h1, 'fd77::1/64'], [h2, 'fd77::2/64'], { name: 'six' });
    h1.ip('route', 'add', '10.5.0.0/16', 'via', '192.168.77.2', 'mtu', '1300');
    const row = async (vtep: string) => {
      const { status, out } = await h1.exec(process.execPath, MAIN, 'doctor', '--json', '--vtep', vtep);
      expect(status).toBe(0);
      return of(JSON.parse(out) as Row[], `path to ${vtep}`);
    };
    const detail = 'MTU 1400 from 192.168.77.1, so 1350 for the containers';
    expect(await row('192.168.77.2')).toMatchObject({ state: 'ok', detail });
    expect(await row('fd77::2')).toMatchObject({
      state: 'ok',
      detail: 'MTU 1500 from fd77::1, so 1430 for the containers',
    });
    expect((await row('10.5.1.1'))?.detail).toMatch(/^MTU 1300 .*so 1250 for the containers: too small for IPv6/);
    const none = await row('10.6.0.1');
    expect(none).toMatchObject({ state: 'absent', detail: expect.stringMatching(/cannot find a route.*unreachable/) });
    expect(none?.get).toMatch(/route get 10\.6\.0\.1/);
  });

  it('--vtep with what is no address is wrong usage', () => {
    const { status, stderr } = doctor(process.env, '--vtep', '10.0.0');
    expect(status).toBe(2);
    expect(stderr).toMatch(/option '--vtep'/);
  });

  it.skipIf(!hasRoot || !existsSync('/sys/module/vxlan'))(
    `tells who has the UDP port of VXLAN ${NEEDS_ROOT.slice(0, -1)} and modprobe vxlan)`,
    async () => {
      const netns = new Netns('vx');
      netns.ip('link', 'add', 'vx0', 'type', 'vxlan', 'id', '1', 'local', '127.0.0.1', 'dstport', '4789');
      netns.ip('link', 'set', 'vx0', 'up');
      const { out } = await netns.exec(process.execPath, MAIN, 'doctor', '--json');
      const row = of(JSON.parse(out) as Row[], 'UDP port 4789');
      expect(row).toMatchObject({ state: 'limited', detail: "held by the kernel's vxlan: vx0" });
      expect(row?.get).toMatch(/type vxlan/);
    },
  );
});

/** The terminal helpers: column widths, colour only where it is wanted, progress that keeps quiet where it should. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatCount, formatTable, Progress, paint, type Terminal, wantsColour } from '../../src/cli/terminal.js';

class Screen implements Terminal {
  written = '';
  readonly isTTY: boolean;
  readonly columns = 20;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.written += text;
  }
}

beforeEach(() => {
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
});
afterEach(() => vi.unstubAllEnvs());

describe('colour', () => {
  it('is for terminals only', () => {
    expect(paint('green', 'ok', new Screen(true))).toBe('\u001b[32mok\u001b[39m');
    expect(paint('green', 'ok', new Screen(false))).toBe('ok');
  });

  it.each([
    ['NO_COLOR', '1'],
    ['TERM', 'dumb'],
  ])('is off with %s=%s', (name, value) => {
    vi.stubEnv(name, value);
    expect(wantsColour(new Screen(true))).toBe(false);
  });
});

describe('formatTable', () => {
  it('aligns, leaves no trailing blanks and takes short rows', () => {
    const text = formatTable(
      ['name', { title: 'n', align: 'right' }, 'note'],
      [['a', '1', 'x'], ['long one', '1,234', ''], ['b']],
    );
    expect(text.split('\n')).toEqual(['name          n  note', 'a             1  x', 'long one  1,234', 'b']);
  });

  it('does not count colour as width', () => {
    const screen = new Screen(true);
    const lines = formatTable(['state', 'x'], [[paint('red', 'no', screen), '1']], screen).split('\n');
    expect(lines[1]).toBe('\u001b[31mno\u001b[39m     1');
  });
});

it('formatCount groups digits of numbers and bigints', () => {
  expect([formatCount(0), formatCount(1234567), formatCount(10n ** 16n)]).toEqual([
    '0',
    '1,234,567',
    '10,000,000,000,000,000',
  ]);
});

describe('Progress', () => {
  function watch(isTTY: boolean) {
    const screen = new Screen(isTTY);
    const time = { now: 0 };
    return { screen, time, progress: new Progress('reading', { stream: screen, clock: () => time.now }) };
  }

  it('says nothing in the first second, then rewrites one line and removes it', () => {
    const { screen, time, progress } = watch(true);
    time.now = 999;
    progress.update('a');
    expect(screen.written).toBe('');
    time.now = 1000;
    progress.update({ done: 1, total: 3 });
    expect(screen.written).toBe('\r\u001b[2Kreading 33 %');
    progress.end();
    expect(screen.written).toBe('\r\u001b[2Kreading 33 %\r\u001b[2K');
  });

  it('draws at most ten times a second, and never wider than the terminal', () => {
    const { screen, time, progress } = watch(true);
    for (time.now = 1000; time.now < 2000; time.now += 1) progress.update('x'.repeat(100));
    const drawn = screen.written.split('\r\u001b[2K').slice(1);
    expect(drawn).toHaveLength(10);
    expect(Math.max(...drawn.map((line) => line.length))).toBe(19);
  });

  it('is silent where stderr is no terminal', () => {
    const { screen, time, progress } = watch(false);
    time.now = 5000;
    progress.update('a');
    progress.end();
    expect(screen.written).toBe('');
  });

  it('has nothing to remove when nothing was shown', () => {
    const { screen, progress } = watch(true);
    progress.end();
    expect(screen.written).toBe('');
  });
});

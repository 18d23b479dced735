/** Batches, refusals and the bookkeeping, with a double of nft that keeps the elements of each set. */
import { describe, expect, it } from 'vitest';
import { OverlaneError } from '../../src/errors.js';
import type { Element } from '../../src/host/ruleset.js';
import { Transactions } from '../../src/host/transactions.js';
import type { Trouble } from '../../src/host/trouble.js';

/** Atomic, as nft is: a script that has a forbidden word, or does not fit what is there, changes nothing. */
class Double {
  readonly scripts: string[] = [];
  forbidden = 'forbidden';
  elements: Set<string> | null = null;

  async apply(script: string): Promise<void> {
    this.scripts.push(script);
    await new Promise((resolve) => setImmediate(resolve));
    const next = this.#after(script);
    if (next === null || script.includes(this.forbidden)) throw new OverlaneError('ERR_OVERLANE_SYSTEM', 'refused');
    this.elements = next;
  }

  #after(script: string): Set<string> | null {
    if (!script.includes('table inet') && this.elements === null) return null;
    const next = new Set(script.includes('delete table inet') ? [] : this.elements);
    for (const [, verb, set, list] of script.matchAll(/^(add|delete) element \w+ \S+ (\w+) \{ (.*) \}$/gm)) {
      for (const text of list!.split(', ')) {
        const element = `${set} ${text.split(' : ')[0]}`;
        if (verb === 'add') next.add(element);
        else if (!next.delete(element)) return null;
      }
    }
    return next;
  }
}

function setup() {
  const nft = new Double();
  const troubles: Trouble[] = [];
  const transactions = new Transactions({
    ...{ nft, netdev: true, table: 'overlane', loopback: 'nat' },
    report: (trouble) => troubles.push(trouble),
    taken: (element, holder) => new OverlaneError('ERR_OVERLANE_BUSY', `${element.key} ${holder}`),
  });
  return { nft, troubles, transactions };
}

const one = (key: string): Element[] => [{ set: 'untracked', key }];
const outcomes = async (...promises: Promise<void>[]) =>
  (await Promise.allSettled(promises)).map((o) => (o.status === 'fulfilled' ? 'done' : o.reason.code));

describe('Transactions', () => {
  it('puts what is asked for in one turn into one transaction', async () => {
    const { nft, transactions } = setup();
    await transactions.replace('x', one('x'));
    await Promise.all(['a', 'b', 'c'].map((name) => transactions.replace(name, one(name))));
    expect(nft.scripts).toHaveLength(2);
    expect(nft.scripts[1]).toBe('add element inet overlane untracked { a, b, c }\n');
    await Promise.all([
      transactions.replace('a', []),
      transactions.replace('d', one('a')),
      transactions.replace('b', []),
    ]);
    expect(nft.scripts[2]).toBe('delete element inet overlane untracked { b }\n');
    expect([...nft.elements!]).toEqual(['untracked x', 'untracked a', 'untracked c']);
  });

  it('does not let one refusal fail the others, and remembers only what was done', async () => {
    const { nft, troubles, transactions } = setup();
    await transactions.replace('b', one('b'));
    const results = await outcomes(
      transactions.replace('a', one('a')),
      transactions.replace('b', one('forbidden')),
      transactions.replace('c', one('c')),
    );
    expect(results).toEqual(['done', 'ERR_OVERLANE_SYSTEM', 'done']);
    expect([...nft.elements!]).toEqual(['untracked b', 'untracked a', 'untracked c']);
    expect(troubles).toEqual([]);
    // The owner still has what it had before: that is what goes now.
    await transactions.replace('b', one('d'));
    expect([...nft.elements!]).toEqual(['untracked a', 'untracked c', 'untracked d']);
    // And nobody holds what was refused.
    nft.forbidden = 'never';
    await transactions.replace('e', one('forbidden'));
    expect(nft.elements).toContain('untracked forbidden');
  });

  it('keeps the old state when a restore is refused', async () => {
    const { nft, transactions } = setup();
    await transactions.replace('a', one('a'));
    expect(
      await outcomes(
        transactions.reset([['f', one('forbidden')]]),
        transactions.reset([
          ['g', one('g')],
          ['h', one('g')],
        ]),
      ),
    ).toEqual(['ERR_OVERLANE_SYSTEM', 'ERR_OVERLANE_BUSY']);
    await transactions.replace('b', one('b'));
    expect([...nft.elements!]).toEqual(['untracked a', 'untracked b']);
    await transactions.reset([['c', one('c')]]);
    expect([...nft.elements!]).toEqual(['untracked c']);
  });

  it('writes the table whole when elements of it were taken away', async () => {
    const { nft, troubles, transactions } = setup();
    await transactions.replace('a', one('a'));
    await transactions.replace('b', one('b'));
    nft.elements!.delete('untracked a');
    await transactions.replace('a', one('c'));
    expect([...nft.elements!].sort()).toEqual(['untracked b', 'untracked c']);
    expect(troubles.map(({ kind }) => kind)).toEqual(['rewritten']);
  });

  it('keeps the rest of the rules when a parent interface is missing', async () => {
    const { nft, troubles, transactions } = setup();
    nft.forbidden = 'device "gone"';
    const parent = (name: string): Element[] => [
      { set: 'ingress', key: name },
      { set: 'dropped4', key: `${name} . 192.0.2.1` },
    ];
    await transactions.reset([
      ['parent gone', parent('"gone"')],
      ['parent here', parent('"here"')],
      ['a', one('a')],
    ]);
    expect(nft.elements).toContain('untracked a');
    expect(troubles.map(({ kind }) => kind)).toEqual(['ingress']);
    expect(nft.scripts.at(-1)).toContain('device "here"');
    // Who asks for it alone is told so.
    expect(await outcomes(transactions.replace('parent gone', parent('"gone"')))).toEqual(['ERR_OVERLANE_SYSTEM']);
    nft.forbidden = 'never';
    await transactions.replace('parent gone', parent('"gone"'));
    expect(nft.scripts.at(-1)).toContain('device "gone"');
  });
});

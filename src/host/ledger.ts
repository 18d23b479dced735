/** Who has which elements: the bookkeeping of what the kernel was told. */
import type { Element } from './ruleset.js';

export interface Difference {
  removed: Element[];
  added: Element[];
}

export class Ledger {
  readonly #owned = new Map<string, readonly Element[]>();
  readonly #holders = new Map<string, string>();

  /** An element that belongs to someone else already, and to whom. */
  conflict(owner: string, elements: readonly Element[]): { element: Element; holder: string } | undefined {
    for (const element of elements) {
      const holder = this.#holders.get(identity(element));
      if (holder !== undefined && holder !== owner) return { element, holder };
    }
    return undefined;
  }

  /** Gives `owner` these elements, which conflict with nobody's, in place of those it had, and returns the latter. */
  replace(owner: string, elements: readonly Element[]): readonly Element[] {
    const before = this.of(owner);
    for (const element of before) this.#holders.delete(identity(element));
    for (const element of elements) this.#holders.set(identity(element), owner);
    if (elements.length > 0) this.#owned.set(owner, elements);
    else this.#owned.delete(owner);
    return before;
  }

  of(owner: string): readonly Element[] {
    return this.#owned.get(owner) ?? [];
  }

  owners(): string[] {
    return [...this.#owned.keys()];
  }

  all(): Element[] {
    return [...this.#owned.values()].flat();
  }
}

/** What to take away and what to add. Chains are always written again: the kernel removes them along with their interface. */
export function difference(before: readonly Element[], after: readonly Element[]): Difference {
  const had = new Map(before.map((element) => [identity(element), element.value]));
  const has = new Map(after.map((element) => [identity(element), element.value]));
  const same = (map: Map<string, string | undefined>, element: Element) =>
    map.has(identity(element)) && map.get(identity(element)) === element.value;
  return {
    removed: before.filter((element) => !same(has, element)),
    added: after.filter((element) => element.set === 'ingress' || !same(had, element)),
  };
}

function identity({ set, key }: Element): string {
  return `${set} ${key}`;
}

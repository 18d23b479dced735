/** Which addresses of a pool are taken, and which one is next. Costs memory for what is taken or was released, not for its size. */
import { contains, type Span } from './prefix.js';

/** How many released addresses are kept in order; beyond that the oldest wait for the next lap of the ring instead. */
const MOST_RELEASED = 65_536;

/**
 * Hands out the addresses of a span, which may be as long as a /8 or a /64.
 *
 * The order: upwards, behind the end again from the start, and never one that was released while another one is left;
 * of the released ones that which was released first.
 */
export class Ring {
  /** What is handed out unasked. */
  readonly #span: Span;
  /** Address to owner; addresses out of the range may be here too. */
  readonly #taken = new Map<bigint, string>();
  #takenInRange = 0n;
  readonly #released = new Released();
  /** Where the search goes on. */
  #cursor: bigint;
  /** Handed out by {@link next} last. */
  #given: bigint | undefined;

  constructor(span: Span) {
    this.#span = span;
    this.#cursor = span.first;
  }

  /** How many addresses the range has. */
  get size(): bigint {
    return this.#span.last - this.#span.first + 1n;
  }

  /** How many of them are taken. */
  get taken(): bigint {
    return this.#takenInRange;
  }

  get given(): bigint | undefined {
    return this.#given;
  }

  ownerOf(address: bigint): string | undefined {
    return this.#taken.get(address);
  }

  /** Takes an address, which must be free. */
  take(address: bigint, owner: string): void {
    this.#taken.set(address, owner);
    this.#released.delete(address);
    if (contains(this.#span, address)) this.#takenInRange++;
  }

  /** Takes the next free one of the range; undefined when there is none. */
  next(owner: string): bigint | undefined {
    const address = this.#fresh() ?? this.#released.oldest();
    if (address === undefined) return undefined;
    this.take(address, owner);
    this.#given = address;
    return address;
  }

  /** Frees an address, which must be taken. */
  release(address: bigint): void {
    this.#taken.delete(address);
    if (!contains(this.#span, address)) return;
    this.#takenInRange--;
    this.#released.add(address);
  }

  /** The next search begins behind this address. */
  continueBehind(address: bigint): void {
    if (!contains(this.#span, address)) return;
    this.#given = address;
    this.#cursor = address + 1n;
  }

  /** Goes on behind the highest taken address. */
  continueBehindTaken(): void {
    let highest: bigint | undefined;
    for (const address of this.#taken.keys()) {
      if (contains(this.#span, address) && (highest === undefined || address > highest)) highest = address;
    }
    if (highest !== undefined) this.#cursor = highest + 1n;
  }

  /** The next one in ring order that is neither taken nor released. Each lap passes an address once, so the search is short. */
  #fresh(): bigint | undefined {
    if (this.size - this.#takenInRange - BigInt(this.#released.size) === 0n) return undefined;
    for (;;) {
      if (this.#cursor > this.#span.last) this.#cursor = this.#span.first;
      const address = this.#cursor++;
      if (!this.#taken.has(address) && !this.#released.has(address)) return address;
    }
  }
}

/** A queue from which anything can be removed. */
class Released {
  /** Address to its ticket: an entry of the queue with another ticket is void. */
  readonly #tickets = new Map<bigint, number>();
  #queue: { address: bigint; ticket: number }[] = [];
  #head = 0;
  #nextTicket = 0;

  get size(): number {
    return this.#tickets.size;
  }

  has(address: bigint): boolean {
    return this.#tickets.has(address);
  }

  add(address: bigint): void {
    const ticket = this.#nextTicket++;
    this.#tickets.set(address, ticket);
    this.#queue.push({ address, ticket });
    if (this.#tickets.size > MOST_RELEASED) this.delete(this.oldest()!);
    if (this.#queue.length > 2 * this.#tickets.size + 64) this.#compact();
  }

  delete(address: bigint): void {
    this.#tickets.delete(address);
  }

  oldest(): bigint | undefined {
    for (; this.#head < this.#queue.length; this.#head++) {
      const entry = this.#queue[this.#head]!;
      if (this.#valid(entry)) return entry.address;
    }
    return undefined;
  }

  #valid({ address, ticket }: { address: bigint; ticket: number }): boolean {
    return this.#tickets.get(address) === ticket;
  }

  #compact(): void {
    this.#queue = this.#queue.filter((entry) => this.#valid(entry));
    this.#head = 0;
  }
}

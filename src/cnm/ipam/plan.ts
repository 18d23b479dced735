/** What a request for a pool comes to once its subnet is known: range, gateway and auxiliary addresses, checked. */
import type { Pool, PoolRequest } from './ipam.js';
import {
  contains,
  hostsOf,
  intersect,
  optionError,
  type Prefix,
  parsePrefix,
  parseWithin,
  prefixText,
  type Span,
  toText,
} from './prefix.js';

/** A pool, and the same as numbers. */
export interface Plan {
  pool: Pool;
  /** What may be handed out unasked. */
  span: Span;
  /** Gateway and auxiliary addresses, with what they are. */
  fixed: Map<bigint, string>;
}

/**
 * Docker gives a network with a range the first address of that range as gateway, even one such as 10.1.4.0 of
 * 10.1.4.0/24: right within 10.1.0.0/16, but it looks like a network address, and some stacks treat it as a broadcast
 * address. So here it is the first address behind it.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`.
 */
export function planPool(request: PoolRequest, subnet: Prefix): Plan {
  const range = request.range === undefined ? undefined : parseRange(request.range, subnet);
  const span = handedOut(subnet, range ?? subnet);
  const fixed = new Map<bigint, string>();
  const aux = Object.entries(request.aux ?? {}).map(([name, text]) => {
    const what = `the auxiliary address ${JSON.stringify(name)}`;
    const address = parseHost(text, subnet, what);
    claim(fixed, subnet, address, what);
    return [name, toText(subnet.family, address)] as const;
  });
  const gateway = chooseGateway(request, subnet, range ?? subnet, fixed);
  if (gateway !== undefined) claim(fixed, subnet, gateway, 'the gateway');
  const pool = {
    id: `${request.space}:${prefixText(subnet)}`,
    space: request.space,
    family: subnet.family,
    subnet: prefixText(subnet),
    range: range ? prefixText(range) : null,
    gateway: gateway === undefined ? null : toText(subnet.family, gateway),
    aux: Object.fromEntries(aux),
  };
  return { pool, span, fixed };
}

/**
 * An address of the subnet that a host may have.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`.
 */
export function parseHost(text: string, subnet: Prefix, what: string): bigint {
  const address = parseWithin(text, subnet, what);
  const hosts = hostsOf(subnet);
  if (contains(hosts, address)) return address;
  const kind = subnet.family === 6 ? 'subnet-router anycast' : address < hosts.first ? 'network' : 'broadcast';
  throw optionError(`${what} ${text} is the ${kind} address of ${prefixText(subnet)}; choose another one`);
}

function parseRange(text: string, subnet: Prefix): Prefix {
  const range = parsePrefix(text, 'the range', 'refuse');
  if (range.family === subnet.family && contains(subnet, range.first) && contains(subnet, range.last)) return range;
  throw optionError(`the range ${text} is not within the subnet ${prefixText(subnet)}; choose a part of it`);
}

function handedOut(subnet: Prefix, range: Prefix): Span {
  const span = intersect(hostsOf(subnet), range);
  if (span.first <= span.last) return span;
  throw optionError(`the range ${prefixText(range)} has no address that a host may have; choose a larger one`);
}

function chooseGateway({ gateway }: PoolRequest, subnet: Prefix, range: Prefix, fixed: Map<bigint, string>) {
  if (gateway === 'none') return undefined;
  if (gateway !== undefined) return parseHost(gateway, subnet, 'the gateway');
  const { first, last } = intersect(hostsOf(subnet), hostsOf(range));
  for (let address = first; address <= last; address++) if (!fixed.has(address)) return address;
  throw optionError(`auxiliary addresses leave no gateway in ${prefixText(range)}; name one, or say "none"`);
}

function claim(fixed: Map<bigint, string>, subnet: Prefix, address: bigint, what: string): void {
  const other = fixed.get(address);
  if (other !== undefined) {
    throw optionError(`${what} is ${toText(subnet.family, address)}, and so is ${other}; choose another one`);
  }
  fixed.set(address, what);
}

/** Whether nft and the kernel have what our rules are made of. */
import { OverlaneError } from '../errors.js';
import type { Nft } from './nft.js';
import { baseScript, netdevScript, type RulesetOptions } from './ruleset.js';

/** What a kernel can be built without, tried singly when the whole is refused. */
const FEATURES: readonly [words: string, body: string][] = [
  ['tables of the family inet (CONFIG_NF_TABLES_INET)', ''],
  ['connection tracking (CONFIG_NFT_CT)', 'chain c { ct state established accept; }'],
  [
    'translation of addresses (CONFIG_NFT_NAT)',
    'chain c { type nat hook prerouting priority -100; dnat ip to 192.0.2.1; }',
  ],
  ['masquerading (CONFIG_NFT_MASQ)', 'chain c { type nat hook postrouting priority 100; masquerade; }'],
  ['look-ups of routes (CONFIG_NFT_FIB_INET)', 'chain c { fib daddr type local accept; }'],
  [
    'sets of pairs with ranges (Linux 5.6)',
    'set s { type ipv4_addr . ifname; flags interval; elements = { 192.0.2.0/24 . "lo" }; }',
  ],
];

/** The oldest kernel on which the rules mean what they say. */
const OLDEST: readonly [number, number] = [5, 8];

export interface Kernel {
  /** Whether interfaces have an ingress hook. */
  netdev: boolean;
}

/**
 * Asks nft and the kernel without changing anything.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` naming what is missing; `ERR_OVERLANE_PERMISSION`; `ERR_OVERLANE_OPTION` for the namespace.
 */
export async function probe(nft: Nft, options: RulesetOptions, release: string): Promise<Kernel> {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const message = `Linux ${release} does not know the incoming interface where masquerading is decided; Linux ${OLDEST.join('.')} or newer does`;
    throw new OverlaneError('ERR_OVERLANE_MISSING', message);
  }
  const refused = await refusal(nft, baseScript(options));
  if (refused !== null) throw await explained(nft, refused);
  const netdev = nft.apply(netdevScript(options.table, true), true);
  return {
    netdev: await netdev.then(
      () => true,
      () => false,
    ),
  };
}

async function explained(nft: Nft, refused: OverlaneError): Promise<OverlaneError> {
  const lacking: string[] = [];
  for (const [words, body] of FEATURES) {
    if ((await refusal(nft, `table inet overlane-probe { ${body}\n}\n`)) !== null) lacking.push(words);
  }
  const what = lacking.length > 0 ? `lack ${lacking.join(', ')}` : 'do not take the rules of overlane';
  const message = `nft or this kernel ${what}; use nft 1.0.6 or newer on a kernel that is built with it (${refused.message})`;
  return new OverlaneError('ERR_OVERLANE_MISSING', message, { cause: refused });
}

/** Errors that are not about the script are thrown. */
async function refusal(nft: Nft, script: string): Promise<OverlaneError | null> {
  try {
    await nft.apply(script, true);
    return null;
  } catch (error) {
    if (error instanceof OverlaneError && error.code === 'ERR_OVERLANE_SYSTEM') return error;
    throw error;
  }
}

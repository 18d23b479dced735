/** What keeps our rules from working although nft took them. */
import type { Nft } from './nft.js';

export interface Trouble {
  kind:
    | 'forward-policy' // another firewall drops what is forwarded, unless it accepts it itself
    | 'legacy-iptables' // there is a firewall that nft does not show
    | 'unseen' // the other firewalls could not be listed
    | 'rewritten' // our table had been changed or removed by another program, and is whole again
    | 'ingress'; // a parent interface has no filter, because the kernel refused it
  /** What is wrong and what to do. */
  message: string;
}

interface Chain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}

/** Base chains of others that drop forwarded packets by policy: an accept of ours does not overrule them. */
export async function findTroubles(nft: Nft, own: string): Promise<Trouble[]> {
  const legacy = await nft.proc('/proc/net/ip_tables_names');
  return [...(await nftTroubles(nft, own)), ...legacyTroubles(legacy)];
}

async function nftTroubles(nft: Nft, own: string): Promise<Trouble[]> {
  let chains: Chain[];
  try {
    chains = chainsOf(await nft.ask('-j', 'list', 'chains'));
  } catch (error) {
    const message = `the firewalls of this host could not be listed (${(error as Error).message}); look for a forward chain with policy drop in: nft list ruleset`;
    return [{ kind: 'unseen', message }];
  }
  const others = chains.filter(({ family, table, hook }) => hook === 'forward' && isIp(family) && table !== own);
  return others.flatMap((chain) => {
    const name = `${chain.family} ${chain.table} ${chain.name}`;
    if (chain.policy === 'drop') {
      return [
        {
          kind: 'forward-policy',
          message: `chain ${name} drops what it does not accept, and no accept of overlane overrules it; let overlane's interfaces pass there, its own table still decides: nft insert rule ${name} iifname IFACE accept; nft insert rule ${name} oifname IFACE accept`,
        },
      ];
    }
    if (chain.table !== 'firewalld') return [];
    return [
      {
        kind: 'forward-policy',
        message: `firewalld rejects what it does not know (chain ${name}); let overlane's interfaces pass, its own table still decides: firewall-cmd --zone=trusted --add-interface=IFACE`,
      },
    ];
  });
}

function isIp(family: string): boolean {
  return family === 'ip' || family === 'ip6' || family === 'inet';
}

function chainsOf(json: string): Chain[] {
  const { nftables } = JSON.parse(json) as { nftables: { chain?: Chain }[] };
  return nftables.flatMap(({ chain }) => (chain === undefined ? [] : [chain]));
}

function legacyTroubles(tables: string | null): Trouble[] {
  if (!tables?.split('\n').includes('filter')) return [];
  const message =
    'the legacy iptables filter is loaded, which nft does not show; if iptables-legacy -S FORWARD begins with "-P FORWARD DROP", add: iptables-legacy -I FORWARD -i IFACE -j ACCEPT; iptables-legacy -I FORWARD -o IFACE -j ACCEPT';
  return [{ kind: 'legacy-iptables', message }];
}

/**
 * The text of our nftables tables. Rules are written once; what changes are the elements of sets and maps that they look into, so that
 * the last network of many costs as much as the first. nftables(8); needs Linux 5.8: iifname in postrouting, ranges in concatenated sets.
 */

/** Sets and maps with elements of ours. `ingress` is no set: each key is a chain on that interface's ingress hook. */
export type SetName =
  | 'bridges'
  | 'internal'
  | 'same'
  | 'looped'
  | 'to'
  | 'masq4'
  | 'masq6'
  | 'at4'
  | 'at6'
  | 'any4'
  | 'any6'
  | 'untracked'
  | 'dropped4'
  | 'dropped6'
  | 'ingress';

/** One element, in the syntax of nft: only text made by `element.ts` gets here. */
export interface Element {
  set: SetName;
  key: string;
  /** Of maps. */
  value?: string;
}

export interface RulesetOptions {
  /** Name of the table; a plain word. */
  table: string;
  /** Whether 127.0.0.0/8 is translated on output, or left to a proxy. */
  loopback: 'nat' | 'proxy';
}

const NETDEV: ReadonlySet<SetName> = new Set(['dropped4', 'dropped6', 'ingress']);

/** The whole inet table without elements, in place of any that is there. */
export function baseScript({ table, loopback }: RulesetOptions): string {
  return `add table inet ${table}
delete table inet ${table}
table inet ${table} {
  set bridges { type ifname; }
  set internal { type ifname; }
  set same { type ifname . ifname; }
  set looped { type ifname . ifname; }
  map to { type ifname : verdict; }
  set masq4 { type ipv4_addr . ifname; flags interval; }
  set masq6 { type ipv6_addr . ifname; flags interval; }
  map at4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }
  map at6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . inet_service; }
  map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  set untracked { type ifname; }

  chain raw_prerouting {
    type filter hook prerouting priority -300; policy accept;
    ip daddr 127.0.0.0/8 iifname @bridges drop comment "route_localnet is for the host only"
    iifname @untracked notrack
  }
  chain raw_output {
    type filter hook output priority -300; policy accept;
    oifname @untracked notrack
  }
  chain deliver {
    ct state established,related accept
    ct status dnat accept
    iifname . oifname @looped accept
    drop
  }
  chain enclosed {
    iifname . oifname @looped accept
    drop
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname @internal iifname . oifname != @looped drop
    oifname vmap @to
  }
  chain published {
    dnat ip to meta l4proto . ip daddr . th dport map @at4
    dnat ip6 to meta l4proto . ip6 daddr . th dport map @at6
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @any4
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @any6
  }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    fib daddr type local jump published
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return comment "IPv6 has no route_localnet"
${loopback === 'proxy' ? '    ip daddr 127.0.0.0/8 return\n' : ''}    fib daddr type local jump published
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    ct status dnat iifname . oifname @same masquerade
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip saddr . iifname @masq4 iifname . oifname != @same masquerade
    ip6 saddr . iifname @masq6 iifname . oifname != @same masquerade
  }
}
`;
}

/** The netdev table without elements; with `anew` in place of any that is there. */
export function netdevScript(table: string, anew: boolean): string {
  const clean = anew ? `add table netdev ${table}\ndelete table netdev ${table}\n` : '';
  return `${clean}add table netdev ${table}
add set netdev ${table} dropped4 { type ifname . ipv4_addr; }
add set netdev ${table} dropped6 { type ifname . ipv6_addr; }
`;
}

/** Takes both tables away, whether they are there or not. */
export function removeScript(table: string, netdev: boolean): string {
  const families = netdev ? ['inet', 'netdev'] : ['inet'];
  return families.map((family) => `add table ${family} ${table}\ndelete table ${family} ${table}\n`).join('');
}

/** Elements taken away, then elements added, a command for each set. */
export function changeScript(table: string, removed: readonly Element[], added: readonly Element[]): string {
  const before = added.some(({ set }) => NETDEV.has(set)) ? netdevScript(table, false) : '';
  return before + commands('delete', table, removed) + commands('add', table, added);
}

function commands(verb: 'add' | 'delete', table: string, elements: readonly Element[]): string {
  const bySet = new Map<SetName, Element[]>();
  for (const element of elements) bySet.set(element.set, [...(bySet.get(element.set) ?? []), element]);
  return [...bySet]
    .map(([set, members]) => {
      if (set === 'ingress') return members.map(({ key }) => (verb === 'add' ? hook : unhook)(table, key)).join('');
      const family = NETDEV.has(set) ? 'netdev' : 'inet';
      const texts = members.map(({ key, value }) =>
        verb === 'add' && value !== undefined ? `${key} : ${value}` : key,
      );
      return `${verb} element ${family} ${table} ${set} { ${texts.join(', ')} }\n`;
    })
    .join('');
}

/** Also right when the chain is there, or was taken away by the kernel along with its interface. */
function hook(table: string, quoted: string): string {
  const chain = `netdev ${table} ${chainOf(quoted)}`;
  return `add chain ${chain} { type filter hook ingress device ${quoted} priority 0; policy accept; }
flush chain ${chain}
add rule ${chain} iifname . ip daddr @dropped4 drop
add rule ${chain} iifname . ip6 daddr @dropped6 drop
`;
}

function unhook(table: string, quoted: string): string {
  const chain = `netdev ${table} ${chainOf(quoted)}`;
  return `add chain ${chain}\nflush chain ${chain}\ndelete chain ${chain}\n`;
}

/** Interface names may have characters that names of chains may not. */
function chainOf(quoted: string): string {
  return `ingress_${Buffer.from(quoted.slice(1, -1)).toString('hex')}`;
}

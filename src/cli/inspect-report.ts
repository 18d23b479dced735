/** What `overlane inspect` prints: tables. */
import type { BridgeView, InspectView, PortView } from './daemon-types.js';
import { formatCount, formatTable, paint } from './terminal.js';

const right = (title: string) => ({ title, align: 'right' as const });

export function inspectionText(view: InspectView): string {
  const bridges = view.networks.flatMap(({ name, bridges }) => bridges.map((bridge): Placed => [name, bridge]));
  return [
    bridgeTable(view),
    ...fdbTable(bridges),
    ...neighborTable(bridges),
    ...vtepTable(bridges),
    ...portTables(view.ports),
    accountingLine(view.counters),
  ].join('\n\n');
}

/** A bridge, and the name of its network. */
type Placed = [network: string, bridge: BridgeView];

/** Networks without a bridge are in it, as they are all there is to say of them. */
function bridgeTable({ networks }: InspectView): string {
  const rows = networks.flatMap(({ name, driver, bridges }) => {
    if (bridges.length === 0) return [[name, driver]];
    return bridges.map((bridge) => [
      name,
      driver,
      bridge.name,
      String(bridge.mtu),
      bridge.vnis.map(({ vlan, vni }) => (vlan === null ? vni : `VLAN ${vlan}: ${vni}`)).join(', '),
      bridge.underlay ?? '',
      bridge.encryption ? 'yes' : '',
      bridge.ports.join(', '),
    ]);
  });
  return formatTable(['network', 'driver', 'bridge', right('MTU'), 'VNIs', 'underlay', 'encrypted', 'ports'], rows);
}

function fdbTable(bridges: Placed[]): string[] {
  const rows = bridges.flatMap(([, { name, fdb }]) =>
    fdb.map((entry) => [
      name,
      entry.mac,
      vlanText(entry.vlan),
      entry.port ?? '',
      entry.vtep ?? '',
      entry.static ? 'static' : `${Math.floor(entry.age)} s`,
    ]),
  );
  return optional(['FDB of', 'MAC', right('VLAN'), 'port', 'VTEP', right('age')], rows);
}

function neighborTable(bridges: Placed[]): string[] {
  const rows = bridges.flatMap(([, { name, neighbors }]) =>
    neighbors.map((entry) => [name, entry.ip, entry.mac, vlanText(entry.vlan), entry.static ? 'static' : 'learned']),
  );
  return optional(['neighbors of', 'IP', 'MAC', right('VLAN'), 'kind'], rows);
}

/** Other nodes, by what is behind them. */
function vtepTable(bridges: Placed[]): string[] {
  const rows = bridges.flatMap(([network, { name, fdb }]) => {
    const macs = new Map<string, number>();
    for (const { vtep } of fdb) if (vtep !== null) macs.set(vtep, (macs.get(vtep) ?? 0) + 1);
    return [...macs].map(([vtep, count]) => [vtep, network, name, formatCount(count)]);
  });
  return optional(['VTEP', 'network', 'bridge', right('MACs')], rows);
}

function portTables(ports: PortView[]): string[] {
  const traffic = ['rx_packets', 'rx_bytes', 'tx_packets', 'tx_bytes'];
  const rows = ports.map(({ name, type, interface: link, netns, mtu, counters, error }) => [
    name,
    type,
    link ?? '',
    netns ?? '',
    String(mtu),
    ...traffic.map((counter) => countText(counters[counter])),
    error === null ? '' : paint('red', error),
  ]);
  const figures = ['rx packets', 'rx bytes', 'tx packets', 'tx bytes'].map(right);
  const others = ports.flatMap(({ name, counters }) =>
    Object.entries(counters)
      .filter(([counter]) => !traffic.includes(counter))
      .map(([counter, count]) => [name, counter, countText(count)]),
  );
  return [
    ...optional(['port', 'type', 'interface', 'namespace', right('MTU'), ...figures, 'trouble'], rows),
    ...optional(['port', 'counter', right('count')], others),
  ];
}

function accountingLine(counters: InspectView['counters']): string {
  const { received, originated, cloned, segmented, transmitted, consumed, coalesced, waiting, dropped } = counters;
  const sum = (parts: Record<string, string>) =>
    Object.entries(parts)
      .map(([word, count]) => `${word} ${countText(count)}`)
      .join(' + ');
  const came = sum({ received, originated, cloned, segmented });
  const went = sum({ transmitted, consumed, coalesced, waiting, dropped });
  const verdict = counters.balanced
    ? paint('green', 'balanced: every packet is accounted for')
    : paint('yellow', 'not balanced: packets are under way, or, if it stays so, it is a defect to report');
  return `${came} = ${went}; ${verdict}`;
}

function optional(columns: Parameters<typeof formatTable>[0], rows: string[][]): string[] {
  return rows.length === 0 ? [] : [formatTable(columns, rows)];
}

function vlanText(vlan: number | null): string {
  return vlan === null ? '' : String(vlan);
}

function countText(count = '0'): string {
  return /^\d{1,30}$/.test(count) ? formatCount(BigInt(count)) : count;
}

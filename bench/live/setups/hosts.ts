/** What the overlay setups have in common: two hosts joined by a veth pair, and a container beside each. */
import type { Lab, Namespace } from '../lab.js';
import { HOSTS, UNDERLAY_MTU } from '../setup.js';

/** The underlay's device on either host. */
export const UNDERLAY = 'under0';

export interface Host {
  host: Namespace;
  container: Namespace;
}

/** `withAddresses` false: the hosts' kernels stay out of the underlay's IP. */
export async function twoHosts(lab: Lab, withAddresses = true): Promise<[Host, Host]> {
  const one = { host: await lab.namespace('h1'), container: await lab.namespace('c1') };
  const other = { host: await lab.namespace('h2'), container: await lab.namespace('c2') };
  const end = ({ host }: Host, ip: string) => ({
    at: host,
    name: UNDERLAY,
    addresses: withAddresses ? [`${ip}/24`] : [],
  });
  await lab.veth(end(one, HOSTS[0]), end(other, HOSTS[1]), UNDERLAY_MTU);
  return [one, other];
}

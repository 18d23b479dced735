/** Which gateway, range and reserved addresses belong to which subnet: the way of Docker's client. */
import { inSubnet, parseCidr, withoutPrefix } from '../address.js';
import { OverlaneError } from '../errors.js';

/** A subnet of `POST /networks/create`. */
export interface IpamConfig {
  Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

export interface IpamArguments {
  subnet?: string[];
  ipRange?: string[];
  gateway?: string[];
  /** Name → address. */
  auxAddress: Record<string, string>;
}

/**
 * The subnets, each with what is in it.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`, in Docker's words.
 */
export function ipamConfigs({ subnet = [], ipRange = [], gateway = [], auxAddress }: IpamArguments): IpamConfig[] {
  if (subnet.length < ipRange.length || subnet.length < gateway.length) {
    throw optionError('every ip-range or gateway must have a corresponding subnet');
  }
  const configs: IpamConfig[] = [];
  for (const one of subnet) {
    parse(`subnet ${one}`, () => parseCidr(one));
    if (configs.some((other) => holds(other.Subnet, one) || holds(one, other.Subnet))) {
      throw optionError('multiple overlapping subnet configuration is not supported');
    }
    configs.push({ Subnet: one });
  }
  for (const range of ipRange) {
    parse(`ip-range ${range}`, () => parseCidr(range));
    const config = find(configs, 'range', range);
    if (config.IPRange !== undefined) {
      const both = `(${range}, ${config.IPRange})`;
      throw optionError(`cannot configure multiple ranges ${both} on the same subnet (${config.Subnet})`);
    }
    config.IPRange = range;
  }
  for (const ip of gateway) {
    const config = find(configs, 'gateway', ip);
    if (config.Gateway !== undefined) {
      const both = `(${ip}, ${config.Gateway})`;
      throw optionError(`cannot configure multiple gateways ${both} for the same subnet (${config.Subnet})`);
    }
    config.Gateway = ip;
  }
  for (const [name, ip] of Object.entries(auxAddress)) {
    const config = find(configs, 'aux-address', ip);
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: ip };
  }
  return configs;
}

function find(configs: IpamConfig[], what: string, text: string): IpamConfig {
  const found = configs.find(({ Subnet }) => holds(Subnet, text));
  if (found === undefined) throw optionError(`no matching subnet for ${what} ${text}`);
  return found;
}

/** Whether the address that `text` begins with is in the subnet. */
function holds(subnet: string, text: string): boolean {
  try {
    return inSubnet(withoutPrefix(text), subnet);
  } catch {
    return false;
  }
}

function parse(what: string, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    throw optionError(`invalid ${what}: ${(error as Error).message}`);
  }
}

function optionError(message: string): OverlaneError {
  return new OverlaneError('ERR_OVERLANE_OPTION', message);
}

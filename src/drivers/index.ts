/** The drivers that there are. */
import { bridgeDriver } from './bridge.js';
import type { Driver, DriverContext } from './driver.js';
import { hostDriver } from './host.js';
import { nullDriver } from './null.js';

/** Settings of drivers, for all networks of a controller. */
export interface DriverSettings {
  /** Further drivers, or others in place of ours. */
  more?: ((context: DriverContext) => Driver)[];
}

export function makeDrivers(context: DriverContext, { more = [] }: DriverSettings): ReadonlyMap<string, Driver> {
  const makers = [bridgeDriver, hostDriver, nullDriver, ...more];
  return new Map(makers.map((make) => make(context)).map((driver) => [driver.name, driver]));
}

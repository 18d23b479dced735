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
  const own = [bridgeDriver(context), hostDriver(), nullDriver()];
  const drivers = [...own, ...more.map((make) => make(context))];
  return new Map(drivers.map((driver) => [driver.name, driver]));
}

/** Options of drivers: text by dotted names, as Docker has them. */
import { OverlaneError } from '../errors.js';
import { suggestion } from '../suggest.js';

export const MTU_OPTION = 'com.docker.network.driver.mtu';

/** Reads the options of one network; an option that the driver does not know is an error that names the nearest known one. */
export class OptionReader {
  readonly #given: Record<string, string>;
  readonly #driver: string;

  /** `known`: every name that the driver takes. */
  constructor(driver: string, given: Record<string, string>, known: readonly string[]) {
    this.#given = given;
    this.#driver = driver;
    for (const name of Object.keys(given)) {
      if (!known.includes(name))
        throw this.#wrong(`unknown option '${name}' of driver ${driver}${suggestion(name, known)}`);
    }
  }

  text(name: string): string | undefined {
    return this.#given[name];
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.#given[name];
    if (value === undefined) return otherwise;
    if (/^(true|1|t)$/i.test(value)) return true;
    if (/^(false|0|f)$/i.test(value)) return false;
    throw this.#wrong(`option '${name}' of driver ${this.#driver} is '${value}'; write true or false`);
  }

  whole(name: string, minimum: number, maximum: number): number | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= minimum && number <= maximum) return number;
    throw this.#wrong(
      `option '${name}' of driver ${this.#driver} is '${value}'; write a whole number from ${minimum} to ${maximum}`,
    );
  }

  oneOf<T extends string>(name: string, values: readonly T[], otherwise: T): T {
    const value = this.#given[name];
    if (value === undefined) return otherwise;
    const found = values.find((one) => one === value);
    if (found !== undefined) return found;
    throw this.#wrong(`option '${name}' of driver ${this.#driver} is '${value}'; write ${values.join(', ')}`);
  }

  #wrong(message: string): OverlaneError {
    return new OverlaneError('ERR_OVERLANE_OPTION', message);
  }
}

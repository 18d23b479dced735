/** test/vectors/esp.json: whole ESP packets that scapy agreed with, for these tests and the native ones. */
import { readFileSync } from 'node:fs';

export interface EspVector {
  name: string;
  profile: 'strong' | 'docker';
  /** Hex, as all bytes here: of epoch 0. */
  secret: string;
  /** Steps of the ratchet from `secret` to `epochSecret`; profile `strong`. */
  epoch?: number;
  epochSecret?: string;
  /** Profile `docker`. */
  tag?: number;
  source: string;
  destination: string;
  keyBits: 128 | 256;
  spi: number;
  /** The top 8 bits of the SPI; profile `strong`. */
  hint?: number;
  key: string;
  salt: string;
  /** Decimal, 64 bits, as are `counter` and `sequence`; profile `strong`. */
  ivMask?: string;
  /** The IV before the mask. */
  counter: string;
  icvLength: 8 | 16;
  esn: boolean;
  sequence: string;
  iv: string;
  /** The UDP datagram inside, without padding. */
  plaintext: string;
  /** From the SPI to the ICV. */
  packet: string;
  /** With Ethernet, IP and, for profile `strong`, UDP 52001 → 4500. */
  frame: string;
}

export const ESP_VECTORS: readonly EspVector[] = JSON.parse(
  readFileSync(new URL('../vectors/esp.json', import.meta.url), 'utf8'),
);

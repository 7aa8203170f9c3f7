import { randomInt } from 'node:crypto';

/** Without characters that look like each other on a label: 0 O 1 I l. */
const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const DIGITS = '23456789';
const GROUPS = 3;
const GROUP_LENGTH = 4;

/**
 * A password for the label: three groups of four, e.g. `Xk7u-Pq3m-Rt9w`; 69 bits from the system's random source, so
 * it cannot be told from serial number or MAC (ETSI EN 303 645, 5.1-2). Has an upper-case letter, a lower-case letter,
 * a digit and a special character, as the password policy asks.
 */
export function makeInitialPassword(): string {
  for (;;) {
    const groups = Array.from({ length: GROUPS }, () =>
      Array.from({ length: GROUP_LENGTH }, () => {
        const alphabet = LETTERS + DIGITS;
        return alphabet.charAt(randomInt(alphabet.length));
      }).join(''),
    );
    const password = groups.join('-');
    if (/[A-Z]/.test(password) && /[a-z]/.test(password) && /\d/.test(password)) return password;
  }
}

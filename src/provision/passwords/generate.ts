import { randomInt } from 'node:crypto';

/** Without characters that are mistaken for each other on a label or over the telephone. */
const LOWER = 'abcdefghijkmnpqrstuvwxyz';
const UPPER = 'ABCDEFGHJKLMNPQRSTUVWXYZ';
const DIGITS = '23456789';
const SPECIAL = '-+=_.!';
const ALL = LOWER + UPPER + DIGITS + SPECIAL;
/** 20 characters of 61: about 118 bits. */
const LENGTH = 20;

const pick = (set: string): string => set[randomInt(set.length)] ?? '';

/** A password that fits ThingsPro Edge's policy: upper and lower case, a digit, a special character. */
export function generatePassword(): string {
  const characters = [LOWER, UPPER, DIGITS, SPECIAL, ...Array<string>(LENGTH - 4).fill(ALL)].map(pick);
  for (let i = characters.length - 1; i > 0; i -= 1) {
    const j = randomInt(i + 1);
    [characters[i], characters[j]] = [characters[j] ?? '', characters[i] ?? ''];
  }
  return characters.join('');
}

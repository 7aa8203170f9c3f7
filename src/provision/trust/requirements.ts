/** Evidence that an operator may insist on. */
export const REQUIREMENTS = ['ekCertificate', 'possession'] as const;
export type Requirement = (typeof REQUIREMENTS)[number];

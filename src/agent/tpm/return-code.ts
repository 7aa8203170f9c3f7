/** Who answered, by the layer byte of a TSS2_RC (TCG TSS 2.0 Overview and Common Structures, 3). */
export type Layer = 'tpm' | 'resource-manager' | 'esys' | 'sys' | 'mu' | 'tcti' | 'other';

/** A TSS2_RC taken apart (TPM 2.0 Part 2, 6.6: TPM_RC). */
export interface ReturnCode {
  readonly rc: number;
  /** E.g. `0x9A2`. */
  readonly hex: string;
  readonly layer: Layer;
  /** TPM_RC without handle, session or parameter number, e.g. 0x9F for 0x1DF; other layers: their own code. */
  readonly base: number;
  /** Name of the specification, e.g. `TPM_RC_BAD_AUTH`; `0x…` when it is not one that we name. */
  readonly name: string;
  /** Which argument of the command the TPM objects to. */
  readonly argument?: { readonly kind: 'handle' | 'session' | 'parameter'; readonly number: number };
  /** A warning that says "the same command may succeed later". */
  readonly retryable: boolean;
}

const LAYERS: Readonly<Record<number, Layer>> = {
  0: 'tpm',
  7: 'esys',
  8: 'sys',
  9: 'mu',
  10: 'tcti',
  11: 'resource-manager',
  12: 'resource-manager',
};

export const RC = {
  INITIALIZE: 0x100,
  FAILURE: 0x101,
  AUTH_MISSING: 0x125,
  NV_SPACE: 0x14b,
  NV_UNINITIALIZED: 0x14a,
  ATTRIBUTES: 0x82,
  VALUE: 0x84,
  HIERARCHY: 0x85,
  HANDLE: 0x8b,
  AUTH_FAIL: 0x8e,
  SIZE: 0x95,
  TAG: 0x97,
  POLICY_FAIL: 0x9d,
  INTEGRITY: 0x9f,
  BAD_AUTH: 0xa2,
  OBJECT_MEMORY: 0x902,
  SESSION_MEMORY: 0x903,
  MEMORY: 0x904,
  SESSION_HANDLES: 0x905,
  YIELDED: 0x908,
  TESTING: 0x90a,
  REFERENCE_H0: 0x910,
  NV_RATE: 0x920,
  LOCKOUT: 0x921,
  RETRY: 0x922,
  NV_UNAVAILABLE: 0x923,
} as const;

const NAMES = new Map<number, string>(Object.entries(RC).map(([name, code]) => [code, `TPM_RC_${name}`]));

const RETRYABLE = new Set<number>([
  RC.OBJECT_MEMORY,
  RC.SESSION_MEMORY,
  RC.MEMORY,
  RC.SESSION_HANDLES,
  RC.YIELDED,
  RC.TESTING,
  RC.NV_RATE,
  RC.LOCKOUT,
  RC.RETRY,
  RC.NV_UNAVAILABLE,
]);

const hexOf = (value: number): string => `0x${value.toString(16).toUpperCase()}`;

/** @param rc unsigned 32-bit TSS2_RC. */
export function decodeReturnCode(rc: number): ReturnCode {
  const layer = LAYERS[(rc >>> 16) & 0xff] ?? 'other';
  const code = rc & 0xffff;
  const ofTpm = layer === 'tpm' || (layer === 'resource-manager' && ((rc >>> 16) & 0xff) === 12);
  if (!ofTpm)
    return { rc, hex: hexOf(rc), layer, base: code, name: hexOf(code), retryable: layer === 'tcti' };
  // Format one: bit 7 set; bit 6 tells parameter from handle or session, whose number is in bits 8 to 11.
  const formatOne = (code & 0x80) !== 0;
  const base = formatOne ? code & 0xbf : code & 0xfff;
  const number = (code >>> 8) & 0xf;
  const argument = formatOne ? argumentOf((code & 0x40) !== 0, number) : undefined;
  return {
    rc,
    hex: hexOf(rc),
    layer,
    base,
    name: NAMES.get(base) ?? hexOf(base),
    ...(argument ? { argument } : {}),
    retryable: RETRYABLE.has(base),
  };
}

function argumentOf(parameter: boolean, number: number): ReturnCode['argument'] {
  if (parameter) return { kind: 'parameter', number };
  if (number >= 8) return { kind: 'session', number: number - 8 };
  return number === 0 ? undefined : { kind: 'handle', number };
}

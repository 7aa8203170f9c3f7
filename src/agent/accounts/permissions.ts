/** ThingsPro Edge's two permissions, and ours for reading. `SYS_MAINTENANCE_RW` includes `SYS_MAINTENANCE_R`. */
export const PERMISSIONS = ['SYS_MAINTENANCE_R', 'SYS_MAINTENANCE_RW', 'SYS_USER_RW'] as const;
export type Permission = (typeof PERMISSIONS)[number];

export interface Role {
  readonly id: number;
  readonly name: string;
  readonly permissions: readonly Permission[];
}

const administrator: Role = {
  id: 1,
  name: 'Administrator',
  permissions: ['SYS_MAINTENANCE_RW', 'SYS_USER_RW'],
};

/** The roles; they are part of the product, so they cannot be edited. */
export const ROLES: readonly Role[] = [
  administrator,
  { id: 2, name: 'Operator', permissions: ['SYS_MAINTENANCE_RW'] },
  { id: 3, name: 'Viewer', permissions: ['SYS_MAINTENANCE_R'] },
];

export const ADMINISTRATOR = administrator.id;

export function rolesOf(ids: readonly number[]): Role[] {
  return ROLES.filter((role) => ids.includes(role.id));
}

/** Of every set of roles; the bits of the index are the ids. Every request asks. */
const GRANTED: readonly (readonly Permission[])[] = Array.from(
  { length: 2 ** (ROLES.length + 1) },
  (_each, set) => [
    ...new Set(ROLES.filter(({ id }) => (set & (1 << id)) !== 0).flatMap((role) => role.permissions)),
  ],
);

export function permissionsOf(ids: readonly number[]): readonly Permission[] {
  return GRANTED[rolesOf(ids).reduce((set, { id }) => set | (1 << id), 0)] ?? [];
}

export function grants(held: readonly Permission[], needed: Permission): boolean {
  return held.includes(needed) || (needed === 'SYS_MAINTENANCE_R' && held.includes('SYS_MAINTENANCE_RW'));
}

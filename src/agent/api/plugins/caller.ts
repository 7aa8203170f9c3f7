import type { Permission } from '../../accounts/permissions';
import type { StoredUser } from '../../accounts/schema';
import type { Session } from '../../accounts/sessions';

/** Who makes a request, and what they may do. */
export interface Caller {
  readonly session: Session;
  readonly user: StoredUser;
  readonly permissions: readonly Permission[];
}

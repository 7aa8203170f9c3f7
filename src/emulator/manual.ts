import type { ManualPage } from '../common/manual';

export const manual: ManualPage = {
  section: 1,
  description: `Prints one JSON line with its addresses, ID scope, CA file and policy key when it is ready, and logs to stderr. Faults are
switched at run time through its admin API. For development and tests only: it listens on loopback unless told otherwise.`,
  exitStatus: '0 ended by SIGTERM or SIGINT, 1 something failed, 2 wrong usage.',
  files:
    'The state folder holds the CA, keys, enrollments and twins, the policy key, and the token of the admin API (admin-token).',
  seeAlso: 'tpe-agent(8), tpe-provision(1)',
};

import { type Static, Type } from '@sinclair/typebox';

/** `/system/provision`; the window in seconds. */
export const ProvisionWindow = Type.Object({
  enable: Type.Boolean(),
  schedule: Type.Object({
    enable: Type.Boolean(),
    disableAfterSec: Type.Integer({ minimum: 60, maximum: 604_800 }),
  }),
});
export type ProvisionWindow = Static<typeof ProvisionWindow>;

import { agentctlErrors } from './agentctl-errors';
import { apiErrors } from './api-errors';
import { commonErrors } from './common-errors';
import { configErrors } from './config-errors';
import type { ErrorDefinition } from './define';
import { deviceErrors } from './device-errors';
import { discoveryErrors } from './discovery-errors';
import { dpsErrors } from './dps-errors';
import { emulatorErrors } from './emulator-errors';
import { hubErrors } from './hub-errors';
import { provisionErrors } from './provision-errors';
import { servicesErrors } from './services-errors';
import { tpmErrors } from './tpm-errors';

/** Every error of every program, by area. docs/reference/errors.md is generated from it. */
export const errorAreas = {
  common: commonErrors,
  config: configErrors,
  device: deviceErrors,
  tpm: tpmErrors,
  discovery: discoveryErrors,
  api: apiErrors,
  services: servicesErrors,
  dps: dpsErrors,
  hub: hubErrors,
  provision: provisionErrors,
  emulator: emulatorErrors,
  agentctl: agentctlErrors,
};

type Areas = typeof errorAreas;
type CodesOf<T> = T extends unknown ? keyof T & string : never;

/** One of the registered error codes. */
export type ErrorCode = CodesOf<Areas[keyof Areas]>;

const definitions = new Map<string, ErrorDefinition>(
  Object.values(errorAreas).flatMap((area) => Object.entries(area) as [string, ErrorDefinition][]),
);

/** The definition of a registered code; `undefined` for a string that is none. */
export function errorDefinition(code: string): ErrorDefinition | undefined {
  return definitions.get(code);
}

import { type Static, Type } from '@sinclair/typebox';
import { ProvisioningStatus } from '../../protocol/api-types';

/** An error of the registry, as it is shown. */
export const Problem = Type.Object({
  code: Type.String(),
  message: Type.String(),
  advice: Type.String(),
});
export type Problem = Static<typeof Problem>;

const Identity = Type.Object({
  serialNumber: Type.String(),
  modelName: Type.String(),
  mac: Type.String(),
  firmwareVersion: Type.String(),
  deviceId: Type.String(),
});

const Discovery = Type.Object({ enabled: Type.Boolean(), port: Type.Integer() });
const Api = Type.Object({ address: Type.String(), port: Type.Integer(), keySha256: Type.String() });

/** `tpe-agentctl status`. */
export const StatusReport = Type.Object({
  running: Type.Boolean(),
  version: Type.String(),
  pid: Type.Optional(Type.Integer()),
  uptimeSec: Type.Optional(Type.Integer({ minimum: 0 })),
  identity: Identity,
  /** Only from a running agent. */
  provisioning: Type.Optional(ProvisioningStatus),
  discovery: Type.Optional(Discovery),
  api: Type.Optional(Api),
  tpm: Type.Object({ available: Type.Boolean(), problem: Type.Optional(Problem) }),
  /** What is wrong with the settings file; the agent runs with those that it read before. */
  settings: Type.Optional(Problem),
});
export type StatusReport = Static<typeof StatusReport>;

/** `tpe-agentctl ek`: what an enrollment needs. Binary values are base64, the name is hexadecimal. */
export const EkReport = Type.Object({
  registrationId: Type.String(),
  /** Whole TPM2B_PUBLIC (TPM 2.0 Part 2, 12.2.5). */
  endorsementKey: Type.String(),
  name: Type.String(),
  template: Type.Optional(Type.Union([Type.Literal('tcg'), Type.Literal('azure-legacy')])),
  persistent: Type.Boolean(),
  /** DER of the EK certificate, where the TPM has one. */
  certificate: Type.Optional(Type.String()),
});
export type EkReport = Static<typeof EkReport>;

const TpmFacts = Type.Object({
  manufacturer: Type.String(),
  vendor: Type.String(),
  firmwareVersion: Type.String(),
  specRevision: Type.String(),
  lockout: Type.Object({ active: Type.Boolean(), counter: Type.Integer(), maxTries: Type.Integer() }),
  ownerAuthSet: Type.Boolean(),
  endorsementAuthSet: Type.Boolean(),
  tcti: Type.String(),
  tssVersion: Type.String(),
});

/** What `check` needs and only the owner of TPM and state can say. */
export const AgentFacts = Type.Object({
  version: Type.String(),
  nodeVersion: Type.String(),
  identity: Identity,
  tpm: Type.Union([TpmFacts, Problem]),
  ek: Type.Union([EkReport, Problem]),
  srk: Type.Union([Type.Object({ name: Type.String() }), Problem]),
  azure: Type.Object({
    enable: Type.Boolean(),
    globalEndpoint: Type.String(),
    scopeId: Type.String(),
    registrationId: Type.String(),
  }),
  provisioning: Type.Optional(ProvisioningStatus),
  /** Of a running agent, with the port it really has: the settings may leave the choice to the system. */
  discovery: Type.Optional(Discovery),
  api: Type.Optional(Api),
  /** The administrator still has to choose a password. */
  passwordMustChange: Type.Optional(Type.Boolean()),
  factory: Type.Optional(Type.Object({ serialNumber: Type.String(), ekName: Type.Optional(Type.String()) })),
});
export type AgentFacts = Static<typeof AgentFacts>;

/** True for a problem in the place of a fact. */
export function isProblem(value: object): value is Problem {
  return 'code' in value && 'advice' in value;
}

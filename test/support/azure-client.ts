import { createHmac } from 'node:crypto';
import { type HttpsAnswer, type HttpsCall, httpsCall } from '../../src/common/http/request';
import type { EmulatorAddresses } from './emulator';
import type { SoftTpm } from './soft-tpm';

/** A shared access signature. @param key base64 or bytes */
export function sasToken(
  resource: string,
  key: string | Buffer,
  options: { keyName?: string; expiresInSeconds?: number } = {},
): string {
  const sr = encodeURIComponent(resource);
  const se = Math.floor(Date.now() / 1000) + (options.expiresInSeconds ?? 3600);
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key;
  const sig = createHmac('sha256', bytes).update(`${sr}\n${se}`).digest('base64');
  const skn = options.keyName === undefined ? '' : `&skn=${options.keyName}`;
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}${skn}`;
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: HttpsAnswer['headers'];
  /** Parsed; undefined for an empty body. */
  readonly body: unknown;
}

type Call = Partial<Pick<HttpsCall, 'method' | 'headers' | 'timeoutMs'>> & { body?: unknown };

async function call(port: number, ca: string, path: string, options: Call): Promise<JsonAnswer> {
  const { body, ...rest } = options;
  const answer = await httpsCall({
    host: 'localhost',
    port,
    ca,
    path,
    method: 'GET',
    timeoutMs: 10_000,
    ...rest,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : (body as object) }),
  });
  const json = answer.text === '' ? undefined : (JSON.parse(answer.text) as unknown);
  return { status: answer.status, headers: answer.headers, body: json };
}

/** A call of the DPS service API with the policy's token. */
export async function dpsService(
  emulator: EmulatorAddresses,
  method: HttpsCall['method'],
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<JsonAnswer> {
  const { policyName: keyName, policyKey } = emulator.ready;
  const authorization = sasToken('localhost', policyKey, { keyName });
  const url = `${path}${path.includes('?') ? '&' : '?'}api-version=2021-10-01`;
  const all = { authorization, ...headers };
  return await call(emulator.servicePort, emulator.ca, url, { method, headers: all, body });
}

/** A call of the DPS device API. */
export async function dpsDevice(
  emulator: EmulatorAddresses,
  method: HttpsCall['method'],
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  timeoutMs = 10_000,
): Promise<JsonAnswer> {
  const url = `/${emulator.ready.idScope}${path}?api-version=2021-06-01`;
  return await call(emulator.dpsPort, emulator.ca, url, { method, headers, body, timeoutMs });
}

/** A call of a hub's service API. */
export async function hubService(
  emulator: EmulatorAddresses,
  hub: { hostName: string; policyName: string; policyKey: string },
  method: HttpsCall['method'],
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<JsonAnswer> {
  const authorization = sasToken(hub.hostName, hub.policyKey, { keyName: hub.policyName });
  const url = `${path}?api-version=2021-04-12`;
  const all = { authorization, ...headers };
  return await call(emulator.servicePort, emulator.ca, url, { method, headers: all, body });
}

/** A call of the admin API. */
export async function admin(
  emulator: EmulatorAddresses & { readonly adminToken: string },
  method: HttpsCall['method'],
  path: string,
  body?: unknown,
): Promise<JsonAnswer> {
  const headers = { authorization: `Bearer ${emulator.adminToken}` };
  return await call(emulator.servicePort, emulator.ca, `/admin/v1${path}`, { method, headers, body });
}

export async function enroll(
  emulator: EmulatorAddresses,
  registrationId: string,
  tpm: SoftTpm,
  more: object = {},
): Promise<JsonAnswer> {
  const attestation = { type: 'tpm', tpm: { endorsementKey: tpm.endorsementKey } };
  return await dpsService(emulator, 'PUT', `/enrollments/${registrationId}`, {
    registrationId,
    attestation,
    ...more,
  });
}

export interface RegistrationState {
  readonly status: string;
  readonly substatus?: string;
  readonly assignedHub: string;
  readonly deviceId: string;
  readonly payload?: unknown;
  readonly errorCode?: number;
}

/** Asks for the challenge, opens it, and gives the token that proves it. */
export async function proveTpm(
  emulator: EmulatorAddresses,
  registrationId: string,
  tpm: SoftTpm,
): Promise<{ token: string; challenge: JsonAnswer }> {
  const { endorsementKey, storageRootKey } = tpm;
  const path = `/registrations/${registrationId}/register`;
  const body = { registrationId, tpm: { endorsementKey, storageRootKey } };
  const challenge = await dpsDevice(emulator, 'PUT', path, body);
  const { authenticationKey } = challenge.body as { authenticationKey?: string };
  if (authenticationKey === undefined) throw new Error(`no challenge: ${JSON.stringify(challenge)}`);
  const audience = `${emulator.ready.idScope}/registrations/${registrationId}`;
  return { challenge, token: sasToken(audience, tpm.open(authenticationKey), { keyName: 'registration' }) };
}

/** The whole registration. @returns the final state, and the hub key when there is one */
export async function registerSoftly(
  emulator: EmulatorAddresses,
  registrationId: string,
  tpm: SoftTpm,
  payload?: unknown,
): Promise<{ state: RegistrationState; hubKey: Buffer | undefined; polls: number }> {
  const { token } = await proveTpm(emulator, registrationId, tpm);
  const headers = { authorization: token };
  const { endorsementKey, storageRootKey } = tpm;
  const body = { registrationId, tpm: { endorsementKey, storageRootKey }, payload };
  const started = await dpsDevice(
    emulator,
    'PUT',
    `/registrations/${registrationId}/register`,
    body,
    headers,
  );
  const { operationId } = started.body as { operationId?: string };
  if (started.status !== 202 || operationId === undefined) throw new Error(JSON.stringify(started));
  for (let polls = 1; polls < 500; polls += 1) {
    const path = `/registrations/${registrationId}/operations/${operationId}`;
    const answer = await dpsDevice(emulator, 'GET', path, undefined, headers);
    if (answer.status === 202) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      continue;
    }
    if (answer.status !== 200) throw new Error(JSON.stringify(answer));
    const { registrationState } = answer.body as {
      registrationState: RegistrationState & { tpm?: { authenticationKey: string } };
    };
    const blob = registrationState.tpm?.authenticationKey;
    return { state: registrationState, hubKey: blob === undefined ? undefined : tpm.open(blob), polls };
  }
  throw new Error('the registration never ended');
}

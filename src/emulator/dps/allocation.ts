import { createHash } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import type { Hub } from '../hub/hub';
import { type EnrollmentBody, InitialTwin } from './records';

/** What a custom allocation webhook answers. */
const WebhookAnswer = Type.Object({
  iotHubHostName: Type.String({ minLength: 1, maxLength: 255 }),
  initialTwin: Type.Optional(Type.Union([InitialTwin, Type.Null()])),
  payload: Type.Optional(Type.Unknown()),
});
type WebhookAnswer = Static<typeof WebhookAnswer>;

const WEBHOOK_TIMEOUT_MS = 5000;
const LARGEST_WEBHOOK_ANSWER = 64 * 1024;

export interface Allocation {
  readonly hub?: Hub;
  readonly initialTwin?: InitialTwin | undefined;
  readonly payload?: unknown;
  readonly failure?: { errorCode: number; errorMessage: string };
}

const noHub: Allocation = { failure: { errorCode: 400208, errorMessage: 'IoTHub not found.' } };

/** The hub that this registration ID always gets, whatever the order of the list (rendezvous hashing). */
function byHash(registrationId: string, hubs: readonly Hub[]): Hub | undefined {
  const weight = (hub: Hub): string =>
    createHash('sha256').update(`${registrationId}\0${hub.hostName}`).digest('hex');
  return [...hubs].sort((a, b) => (weight(a) < weight(b) ? 1 : -1))[0];
}

/** The hubs an enrollment may use: its own list, or all that are linked. */
function candidates(body: EnrollmentBody, hubs: ReadonlyMap<string, Hub>): Hub[] {
  const single = body.iotHubHostName ? [body.iotHubHostName] : [];
  const names = body.iotHubs?.length ? body.iotHubs : single;
  if (names.length === 0) return [...hubs.values()];
  return names.map((name) => hubs.get(name.toLowerCase())).filter((hub) => hub !== undefined);
}

/** Chooses the hub by the enrollment's policy; geoLatency chooses like hashed, all hubs being equally near. */
export async function allocate(
  body: EnrollmentBody,
  hubs: ReadonlyMap<string, Hub>,
  request: { registrationId: string; payload?: unknown },
): Promise<Allocation> {
  const eligible = candidates(body, hubs);
  if (body.allocationPolicy === 'custom') return await askWebhook(body, eligible, request);
  const hub =
    body.allocationPolicy === 'static' || body.iotHubHostName
      ? eligible[0]
      : byHash(request.registrationId, eligible);
  return hub === undefined ? noHub : { hub };
}

/** The body, read no further than is allowed: whoever answers may never stop. */
async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body = (response.body ?? []) as AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > LARGEST_WEBHOOK_ANSWER) throw new Error('the webhook answered too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function askWebhook(
  body: EnrollmentBody,
  eligible: readonly Hub[],
  request: { registrationId: string; payload?: unknown },
): Promise<Allocation> {
  const definition = body.customAllocationDefinition;
  if (!definition) return noHub;
  let answer: WebhookAnswer;
  try {
    const response = await fetch(definition.webhookUrl, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        enrollmentGroup: null,
        individualEnrollment: body,
        deviceRuntimeContext: {
          registrationId: request.registrationId,
          currentIotHubHostName: null,
          tpm: {},
          payload: request.payload ?? null,
        },
        linkedHubs: eligible.map((hub) => hub.hostName),
      }),
      redirect: 'error',
      signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
    const parsed: unknown = JSON.parse(await boundedText(response));
    answer = validate(WebhookAnswer, parsed, 'the answer of the allocation webhook');
  } catch (error) {
    return { failure: { errorCode: 400207, errorMessage: `Custom allocation failed: ${reasonOf(error)}` } };
  }
  const hub = eligible.find((candidate) => candidate.hostName === answer.iotHubHostName.toLowerCase());
  if (hub === undefined) return noHub;
  return { hub, initialTwin: answer.initialTwin ?? undefined, payload: answer.payload };
}

import type { Gateway } from '../device';
import type { GatewayClient } from '../gateway/client';
import type { RestStep } from '../settings/job-file';
import { fillDeep, fillTemplate, placeholdersOf } from '../template';

const METHODS = { get: 'GET', put: 'PUT', post: 'POST', patch: 'PATCH', delete: 'DELETE' } as const;

function appliesTo({ models, serials }: RestStep, gateway: Gateway): boolean {
  if (models !== undefined && !models.includes(gateway.modelName)) return false;
  return serials === undefined || serials.includes(gateway.serialNumber);
}

/**
 * Makes the REST calls of a job file, in their order. Returns how many were made.
 * @throws PROVISION_GATEWAY_REFUSED at the first that is refused.
 */
export async function runRestSteps(client: GatewayClient, steps: readonly RestStep[]): Promise<number> {
  const { gateway } = client;
  const values = placeholdersOf(gateway);
  const wanted = steps.filter((step) => appliesTo(step, gateway));
  for (const { path, method, post } of wanted) {
    const filled = fillTemplate(path, values);
    const relative = filled.startsWith(`${gateway.apiBase}/`) ? filled.slice(gateway.apiBase.length) : filled;
    const body = typeof post === 'object' && post !== null ? (fillDeep(post, values) as object) : undefined;
    await client.call(METHODS[method.toLowerCase() as keyof typeof METHODS], relative, body);
  }
  return wanted.length;
}

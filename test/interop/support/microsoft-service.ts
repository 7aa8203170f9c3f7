import { Amqp, Client, Registry } from 'azure-iothub';
import { admin } from '../../support/azure-client';
import type { EmulatorAddresses } from '../../support/emulator';
import { restClientTo } from './dial';

/** azure-iothub's parts that speak REST, led to the emulator's first hub. */
export async function hubServices(
  emulator: EmulatorAddresses,
): Promise<{ registry: Registry; client: Client; hubHostName: string }> {
  const { body } = await admin(emulator, 'GET', '/hubs');
  const [hub] = (body as { hubs: { hostName: string; policyName: string; policyKey: string }[] }).hubs;
  if (hub === undefined) throw new Error('the emulator has no hub');
  const policy = { name: hub.policyName, key: hub.policyKey };
  const { config, client } = restClientTo(emulator.servicePort, emulator.ca, hub.hostName, policy);
  // The AMQP transport is never opened; direct methods go by REST.
  const amqp: unknown = Reflect.construct(Amqp, [{ ...config, keyName: policy.name }]);
  return {
    registry: Reflect.construct(Registry, [config, client]) as Registry,
    client: Reflect.construct(Client, [amqp, client]) as Client,
    hubHostName: hub.hostName,
  };
}

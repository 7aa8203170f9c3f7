import { TpeError } from '../common/errors/tpe-error';
import { type Gateway, nameOf } from './device';

/** Values for the `{placeholders}` of templates. */
export function placeholdersOf(gateway: Gateway): Record<string, string> {
  const { serialNumber, mac, modelName, firmwareVersion, deviceId } = gateway;
  return { serial: serialNumber, mac, model: modelName, version: firmwareVersion, deviceId };
}

/** The text with every known `{placeholder}` filled; unknown ones stay, so that a mistake is seen. */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}

/** Fills the templates in every string of a JSON value. */
export function fillDeep(value: unknown, values: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string') return fillTemplate(value, values);
  if (Array.isArray(value)) return value.map((item) => fillDeep(item, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillDeep(item, values)]));
}

/**
 * The registration ID of a gateway; always lower case, as ThingsPro Edge wants it.
 * @throws PROVISION_REGISTRATION_ID_INVALID
 */
export function registrationIdOf(gateway: Gateway, template: string): string {
  const registrationId = fillTemplate(template, placeholdersOf(gateway)).toLowerCase();
  if (!/^[a-z0-9-]{1,128}$/.test(registrationId)) {
    throw new TpeError('PROVISION_REGISTRATION_ID_INVALID', { registrationId, device: nameOf(gateway) });
  }
  return registrationId;
}

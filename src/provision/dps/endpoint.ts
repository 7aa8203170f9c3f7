import { TpeError } from '../../common/errors/tpe-error';

/**
 * Reads the service endpoint as people write it: `name.azure-devices-provisioning.net`, with or without `https://`
 * and a port.
 * @throws PROVISION_SETTING_INVALID
 */
export function parseEndpoint(text: string): { host: string; port: number } {
  const invalid = (reason: string): TpeError =>
    new TpeError('PROVISION_SETTING_INVALID', { setting: `DPS service endpoint "${text}"`, reason });
  let url: URL;
  try {
    url = new URL(text.includes('://') ? text : `https://${text}`);
  } catch {
    throw invalid('it is not a host name');
  }
  if (url.protocol !== 'https:') throw invalid('only https is spoken');
  if (url.username !== '' || url.search !== '' || (url.pathname !== '/' && url.pathname !== '')) {
    throw invalid('it may hold host name and port only');
  }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 443 : Number(url.port) };
}

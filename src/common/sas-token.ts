/** Signs with HMAC-SHA256; the key stays where it is (the TPM). */
export type SignHmac = (data: Uint8Array) => Promise<Buffer>;

/** encodeURIComponent leaves five signs that Azure's tokens want encoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * An Azure shared access signature: HMAC-SHA256 over `audience "\n" expiry`.
 * @param resource unencoded audience, e.g. `hub.azure-devices.net/devices/gw-1`.
 * @param expirySec seconds since 1970.
 * @param keyName `skn`, e.g. `registration`; absent for device keys.
 */
export async function makeSasToken(
  resource: string,
  expirySec: number,
  sign: SignHmac,
  keyName?: string,
): Promise<string> {
  const audience = encode(resource);
  const signature = (await sign(Buffer.from(`${audience}\n${expirySec}`))).toString('base64');
  const name = keyName === undefined ? '' : `&skn=${encode(keyName)}`;
  return `SharedAccessSignature sr=${audience}&sig=${encode(signature)}&se=${expirySec}${name}`;
}

import type { Socket } from 'node:net';
import type { HttpsProxyAgent } from 'https-proxy-agent';

/** Shorter than the time-outs of those who connect through it, so that the proxy is named as what does not answer. */
const CONNECT_PATIENCE_MS = 15_000;

/**
 * An HTTP proxy whose answer to CONNECT is waited for only so long. Whoever gives up a request cannot reach the socket to
 * a proxy that has not answered yet: each attempt would leave one open. The library is loaded here, because few have a
 * proxy and it would cost each start 4 ms.
 *
 * @param proxy `http://[USER:PASSWORD@]HOST:PORT`, or `https:` for one that is spoken to over TLS itself
 * @param trusted PEM of the authorities that an `https:` proxy is verified with instead of the system's
 */
export async function makeProxyAgent(
  proxy: string,
  trusted: { ca?: string } = {},
  patienceMs = CONNECT_PATIENCE_MS,
): Promise<HttpsProxyAgent<string>> {
  const { HttpsProxyAgent: Base } = await import('https-proxy-agent');

  class PatientProxyAgent extends Base<string> {
    override async connect(...call: Parameters<HttpsProxyAgent<string>['connect']>): Promise<Socket> {
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), patienceMs);
      // Read at once by the call below.
      this.connectOpts.signal = abort.signal;
      try {
        return await super.connect(...call);
      } catch (error) {
        if (!abort.signal.aborted) throw error;
        const reason = `the proxy ${this.proxy.host} did not answer within ${patienceMs / 1000} s`;
        throw new Error(reason, { cause: error });
      } finally {
        clearTimeout(timer);
      }
    }
  }
  return new PatientProxyAgent(proxy, trusted);
}

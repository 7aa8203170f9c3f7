import { X509Certificate } from 'node:crypto';
import { spkiSha256 } from '../../src/common/http/request';
import { chainOf } from '../support/certificates';
import { Gateway } from '../support/gateway';
import { withTempFolder } from '../support/temp';

const KILLS = Number(process.env['TPE_API_KILLS'] ?? 4);

interface Listed {
  readonly data: readonly { readonly name?: string; readonly action?: string; readonly detail?: string }[];
}

/** Everything that the agent said yes to before it was killed. */
class Acknowledged {
  readonly users: string[] = [];
  readonly certificates = new Set<string>();

  /** Makes users and changes the certificate until nobody answers any more. */
  async work(
    gateway: Gateway,
    round: number,
    chains: readonly { key: string; certs: string[] }[],
  ): Promise<void> {
    const makeUsers = async (): Promise<void> => {
      for (let n = 0; ; n += 1) {
        const name = `user-${round}-${n}`;
        const { status } = await gateway.call('POST', '/users', {
          name,
          password: 'Initial-4711!',
          roles: [3],
        });
        if (status === 200) this.users.push(name);
      }
    };
    const changeCertificates = async (): Promise<void> => {
      for (let n = 0; ; n += 1) {
        const chain = chains[n % chains.length];
        const body = { certificate: chain?.certs.join(''), privateKey: chain?.key };
        await gateway.call('PUT', '/system/httpserver/certificate', body);
      }
    };
    await Promise.allSettled([makeUsers(), changeCertificates()]);
  }
}

test('killed while users and certificates change: what was answered holds, and nothing is torn', async () => {
  await withTempFolder(async (folder) => {
    const gateway = new Gateway({ folder, tcti: 'device:/nonexistent' });
    const chains = Array.from({ length: 2 }, () => chainOf(folder, 1));
    const known = chains.map(({ certs }) => spkiSha256(new X509Certificate(certs[0] ?? '')));
    const acknowledged = new Acknowledged();
    for (let round = 0; round <= KILLS; round += 1) {
      await gateway.start();
      try {
        await (round === 0 ? gateway.takeOver() : gateway.login());
        const { text } = await gateway.call('GET', '/users');
        const names = (JSON.parse(text) as Listed).data.map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(acknowledged.users));
        const audits = JSON.parse((await gateway.call('GET', '/audits?limit=1000')).text) as Listed;
        const recorded = audits.data.map(({ detail }) => detail ?? '').join('\n');
        expect(acknowledged.users.filter((name) => !recorded.includes(`"${name}"`))).toEqual([]);
        if (round > 0) {
          const server = JSON.parse((await gateway.call('GET', '/system/httpserver')).text) as {
            data: { keySha256: string };
          };
          expect(known).toContain(server.data.keySha256);
        }
        if (round === KILLS) break;
        const working = acknowledged.work(gateway, round, chains);
        // Another moment each time.
        setTimeout(() => gateway.process?.kill('SIGKILL'), 700 + 37 * round);
        await working;
        await gateway.process?.exited;
      } finally {
        if (gateway.process?.running === true) gateway.process.kill('SIGKILL');
      }
    }
    expect(acknowledged.users.length).toBeGreaterThan(KILLS);
  });
});

import { lateTpm } from '../../../src/agent/tpm/late-tpm';
import { TpeError } from '../../../src/common/errors/tpe-error';
import type { Tpm } from '../../../src/agent/tpm/types';
import { SoftTpm } from '../../support/tpm-double';

describe('a TPM that is opened late', () => {
  it('is not opened before it is needed, and then once for calls that overlap', async () => {
    let opened = 0;
    const tpm = lateTpm(() => {
      opened += 1;
      return Promise.resolve(new SoftTpm());
    });
    expect(opened).toBe(0);
    await Promise.all([tpm.endorsementKey(), tpm.endorsementKey(), tpm.storageRootKey()]);
    expect(opened).toBe(1);
  });

  it('may be awaited itself without being opened', async () => {
    let opened = false;
    const tpm = lateTpm(() => {
      opened = true;
      return Promise.resolve(new SoftTpm());
    });
    await (tpm as unknown as Promise<unknown>);
    expect(opened).toBe(false);
  });

  it('is tried again at the next call when it was not there', async () => {
    let there = false;
    const tpm = lateTpm(() =>
      there
        ? Promise.resolve(new SoftTpm())
        : Promise.reject(new TpeError('TPM_ABSENT', { devices: '/dev/tpm0' })),
    );
    await expect(tpm.endorsementKey()).rejects.toMatchObject({ code: 'TPM_ABSENT' });
    there = true;
    await expect(tpm.endorsementKey()).resolves.toBeDefined();
  });

  it('closes what was opened, and refuses calls from then on', async () => {
    let closed = 0;
    const inner = new SoftTpm();
    inner.close = () => {
      closed += 1;
      return Promise.resolve();
    };
    const tpm = lateTpm(() => Promise.resolve(inner));
    await tpm.endorsementKey();
    await tpm.close();
    expect(closed).toBe(1);
    await expect(tpm.endorsementKey()).rejects.toMatchObject({ code: 'TPM_CLOSED' });
  });

  it('closes without having been opened, and after a failure to open', async () => {
    await lateTpm<Tpm>(() => Promise.reject(new TpeError('TPM_ABSENT', { devices: '' }))).close();
    const tpm = lateTpm<Tpm>(() => Promise.reject(new TpeError('TPM_ABSENT', { devices: '' })));
    await expect(tpm.endorsementKey()).rejects.toMatchObject({ code: 'TPM_ABSENT' });
    await tpm.close();
  });

  it('does not wait for one that stays silent while it is opened, and closes it when it answers', async () => {
    let answer: (tpm: Tpm) => void = () => undefined;
    let closed = false;
    const inner = new SoftTpm();
    inner.close = () => {
      closed = true;
      return Promise.resolve();
    };
    const tpm = lateTpm(() => new Promise<Tpm>((resolve) => (answer = resolve)));
    const call = tpm.endorsementKey();
    const started = performance.now();
    await tpm.close();
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(closed).toBe(false);
    answer(inner);
    await call;
    expect(closed).toBe(true);
  });
});

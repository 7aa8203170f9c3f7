import { startSwtpm } from '../support/swtpm';

test('a software TPM starts on sockets of its own, answers, restarts and stops', async () => {
  const [a, b] = await Promise.all([startSwtpm(), startSwtpm({ ekCert: true })]);
  try {
    expect(a.socket).not.toBe(b.socket);
    expect(await a.transientHandles()).toEqual([]);
    expect(await a.sessions()).toEqual([]);
    expect(await b.persistentHandles()).toContain(0x81010001);
    const before = a.pid;
    await a.restart();
    expect(a.pid).not.toBe(before);
    expect(await a.sessions()).toEqual([]);
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
  await expect(a.transientHandles()).rejects.toThrow();
});

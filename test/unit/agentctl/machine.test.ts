import { thisMachine } from '../../../src/agentctl/machine';

test('of a program that says very much, the end is kept: the newest lines of a journal', async () => {
  const script = 'i=0; while [ $i -lt 6000 ]; do printf "%01000d\\n" $i; i=$((i+1)); done; echo newest';
  const answer = await thisMachine.run('sh', ['-c', script]);
  expect(answer?.status).toBe(0);
  expect(answer?.output.endsWith('newest\n')).toBe(true);
  expect(answer!.output.length).toBeLessThanOrEqual(4 * 1024 * 1024);
});

test('a program that is not installed is no answer, one that fails tells its status', async () => {
  expect(await thisMachine.run('no-such-program-of-ours', [])).toBeUndefined();
  expect(await thisMachine.run('sh', ['-c', 'echo said; exit 3'])).toEqual({ status: 3, output: 'said\n' });
});

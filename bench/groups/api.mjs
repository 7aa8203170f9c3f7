// GET /device/general with a token through the agent, beside a bare fastify + @fastify/jwt route over HTTPS that returns
// the same bytes. Requests per second, interleaved; the ratio is peer ÷ ours, so 1.18 means 0.85 of the peer's rate.
import { generateKeyPairSync } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { Rig, call, median, root, tokenOf } from '../lib/rig.mjs';

const CONNECTIONS = 16;

const bare = (folder, body) => `
const fastify = require(${JSON.stringify(join(root, 'node_modules/fastify'))});
const { readFileSync } = require('node:fs');
const app = fastify({ https: { key: readFileSync(${JSON.stringify(join(folder, 'bare.key'))}), cert: readFileSync(${JSON.stringify(join(folder, 'bare.pem'))}) } });
app.register(require(${JSON.stringify(join(root, 'node_modules/@fastify/jwt'))}), { secret: 'a'.repeat(32) });
const body = ${JSON.stringify(body)};
app.get('/api/v1/device/general', { onRequest: (request) => request.jwtVerify() }, async (request, reply) => reply.type('application/json; charset=utf-8').send(body));
app.listen({ port: 0, host: '127.0.0.1' }).then(() => console.log(JSON.stringify({ port: app.server.address().port, token: app.jwt.sign({ id: 1 }) })));
`;

/** Requests per second over kept-alive connections for about `ms`. */
async function rate(port, token, ms) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const end = performance.now() + ms;
  let done = 0;
  const started = performance.now();
  const client = async () => {
    while (performance.now() < end) {
      const { status } = await call(port, 'GET', '/device/general', { token, agent });
      if (status !== 200) throw new Error(`status ${status}`);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  const perSecond = (done * 1000) / (performance.now() - started);
  agent.destroy();
  return perSecond;
}

export async function run({ quick }) {
  const rig = new Rig();
  try {
    const agent = await rig.agent({ config: rig.agentConfig({ tcti: await rig.swtpm() }) });
    const token = await tokenOf(agent.apiPort);
    const { body } = await call(agent.apiPort, 'GET', '/device/general', { token });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(join(rig.folder, 'bare.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const subject = ['-subj', '/CN=localhost', '-days', '2', '-out', join(rig.folder, 'bare.pem')];
    execFileSync('openssl', ['req', '-x509', '-key', join(rig.folder, 'bare.key'), ...subject], {
      stdio: 'ignore',
    });
    const script = join(rig.folder, 'bare.cjs');
    writeFileSync(script, bare(rig.folder, JSON.stringify(body)));
    const child = rig.spawn(process.execPath, [script]);
    const peer = await rig.line(child, (line) => JSON.parse(line));
    const [ours, theirs] = [[], []];
    const rounds = quick ? 3 : 8;
    await rate(agent.apiPort, token, 1000);
    await rate(peer.port, peer.token, 1000);
    for (let round = 0; round < rounds; round += 1) {
      ours.push(await rate(agent.apiPort, token, 1500));
      theirs.push(await rate(peer.port, peer.token, 1500));
    }
    const ratio = median(theirs.map((value, i) => value / ours[i]));
    return {
      'api.general': { value: median(ours), unit: 'requests/s', peer: median(theirs), ratio, bar: 1 / 0.85 },
    };
  } finally {
    await rig.close();
  }
}

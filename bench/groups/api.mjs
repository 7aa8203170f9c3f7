// GET /device/general with a token through the agent, beside a bare fastify + @fastify/jwt route over HTTPS that returns
// the same bytes. Requests per second, interleaved; the ratio is peer ÷ ours, so 1.18 means 0.85 of the peer's rate.
import { generateKeyPairSync } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { httpsRate } from '../lib/https-load.mjs';
import { Rig, call, cpuMs, median, root, tokenOf } from '../lib/rig.mjs';

const PATH = '/api/v1/device/general';

const bare = (folder, body) => `
const fastify = require(${JSON.stringify(join(root, 'node_modules/fastify'))});
const { readFileSync } = require('node:fs');
const app = fastify({ https: { key: readFileSync(${JSON.stringify(join(folder, 'bare.key'))}), cert: readFileSync(${JSON.stringify(join(folder, 'bare.pem'))}) } });
app.register(require(${JSON.stringify(join(root, 'node_modules/@fastify/jwt'))}), { secret: 'a'.repeat(32) });
const body = ${JSON.stringify(body)};
app.get('/api/v1/device/general', { onRequest: (request) => request.jwtVerify() }, async (request, reply) => reply.type('application/json; charset=utf-8').send(body));
app.listen({ port: 0, host: '127.0.0.1' }).then(() => console.log(JSON.stringify({ port: app.server.address().port, token: app.jwt.sign({ id: 1 }) })));
`;

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
    const measure = async (port, bearer, pid) => {
      const before = cpuMs(pid);
      const { perSecond, answered } = await httpsRate(port, PATH, bearer);
      return { perSecond, cpu: ((cpuMs(pid) - before) * 1000) / answered };
    };
    const rounds = [];
    for (let round = 0; round < (quick ? 4 : 13); round += 1) {
      rounds.push([
        await measure(agent.apiPort, token, agent.pid),
        await measure(peer.port, peer.token, child.pid),
      ]);
    }
    // V8 compiles what is hot in the first.
    rounds.shift();
    const of = (what) => [
      median(rounds.map(([ours]) => ours[what])),
      median(rounds.map(([, bare]) => bare[what])),
    ];
    const [value, other] = of('perSecond');
    const [cpu, otherCpu] = of('cpu');
    return {
      'api.general': {
        value,
        unit: 'requests/s',
        peer: other,
        ratio: median(rounds.map(([ours, bare]) => bare.perSecond / ours.perSecond)),
        bar: 1 / 0.85,
      },
      'api.general.cpu': {
        value: cpu,
        unit: 'µs/request',
        peer: otherCpu,
        ratio: median(rounds.map(([ours, bare]) => ours.cpu / bare.cpu)),
      },
    };
  } finally {
    await rig.close();
  }
}

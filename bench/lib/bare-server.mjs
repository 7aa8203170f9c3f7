// The peer of the REST API's figures: a bare fastify + @fastify/jwt route over HTTPS that returns the same bytes, and beside
// it, in the same process, a bare socket that counts datagrams.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './rig.mjs';

const quoted = JSON.stringify;
const dependency = (name) => quoted(join(root, 'node_modules', name));

const program = (folder, path, body) => `
const { readFileSync } = require('node:fs');
const { once } = require('node:events');
const https = { key: readFileSync(${quoted(join(folder, 'bare.key'))}), cert: readFileSync(${quoted(join(folder, 'bare.pem'))}) };
const app = require(${dependency('fastify')})({ https });
app.register(require(${dependency('@fastify/jwt')}), { secret: 'a'.repeat(32) });
const body = ${quoted(body)};
app.get(${quoted(path)}, { onRequest: (request) => request.jwtVerify() }, async (request, reply) => reply.type('application/json; charset=utf-8').send(body));
let received = 0;
const socket = require('node:dgram').createSocket('udp4').on('message', () => (received += 1));
socket.bind(0, '127.0.0.1');
Promise.all([app.listen({ port: 0, host: '127.0.0.1' }), once(socket, 'listening')]).then(() =>
  console.log(JSON.stringify({ port: app.server.address().port, udpPort: socket.address().port, token: app.jwt.sign({ id: 1 }) })));
`;

/** @returns {Promise<{port: number, udpPort: number, token: string, pid: number}>} */
export async function bareServer(rig, path, body) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(rig.folder, 'bare.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const subject = ['-subj', '/CN=localhost', '-days', '2', '-out', join(rig.folder, 'bare.pem')];
  execFileSync('openssl', ['req', '-x509', '-key', join(rig.folder, 'bare.key'), ...subject], {
    stdio: 'ignore',
  });
  const script = join(rig.folder, 'bare.cjs');
  writeFileSync(script, program(rig.folder, path, body));
  const child = rig.spawn(process.execPath, [script]);
  return { ...(await rig.line(child, (line) => JSON.parse(line))), pid: child.pid };
}

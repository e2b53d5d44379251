// An issuer of access tokens whose keys change: node issuer.mjs
//
// Each line of its input names the groups of keys that it has from then on, the one that signs first. A token is for the algorithm at
// the end of its resource's path.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.env.NODE_BASE, 'package.json'));
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const types = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  Ed25519: ['ed25519', {}],
};
const groups = {};
const group = (name) => (groups[name] ??= Object.entries(types).map(([alg, [type, options]]) => {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${name}-${alg}` };
}));

const algorithms = Object.keys(types);
const provider = (issuer, names) => new Provider(issuer, {
  clients: [{ client_id: 'till', client_secret: 'secret', redirect_uris: [], response_types: [], grant_types: ['client_credentials'] }],
  cookies: { keys: [randomBytes(32).toString('hex')] },
  jwks: { keys: names.flatMap(group) },
  enabledJWA: { idTokenSigningAlgValues: algorithms },
  scopes: ['orders'],
  ttl: { ClientCredentials: 3600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        audience: 'orders',
        scope: 'orders',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: resource.split('/').pop() } },
      }),
    },
  },
});

let current;
const server = createServer((request, response) => current(request, response));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
console.log(issuer);
for await (const line of createInterface({ input: process.stdin })) {
  current = provider(issuer, line.split(' ')).callback();
  console.log('published');
}
process.exit();

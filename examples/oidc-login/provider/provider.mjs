// The providers of a settings file: node provider.mjs ../settings.json
//
// Each accepts any name and any password, and asks whether the application may have them. For the loopback interface only.
import { readFileSync } from 'node:fs';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// The tests install the package in another folder.
const require = createRequire(join(process.env.NODE_BASE ?? import.meta.dirname, 'package.json'));
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const { url, providers } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

for (const { name, issuer, client_id, client_secret } of providers) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const provider = new Provider(issuer, {
    clients: [{
      client_id,
      client_secret,
      redirect_uris: [`${url}/callback/${name}`],
      post_logout_redirect_uris: [`${url}/logged-out`],
      backchannel_logout_uri: `${url}/backchannel-logout/${name}`,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code'],
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
      // auth_time in each ID token, also in those of logins that need no password.
      require_auth_time: true,
    }],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: name }] },
    // Both are on one host, and browsers send cookies to each of its ports.
    cookies: {
      keys: [randomBytes(32).toString('hex')],
      names: { interaction: `${name}_interaction`, resume: `${name}_resume`, session: `${name}_session` },
    },
    acrValues: ['password'],
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: `${sub} of ${name}` }) }),
    claims: { openid: ['sub', 'acr'], profile: ['name'] },
    // ID tokens contain the name, so that the application need not ask for it.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    // By itself it does not connect to this machine, where the application is.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
    features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  });
  provider.on('backchannel.error', (_, error) => console.error(`${name}: back-channel logout:`, error.message));
  provider.on('server_error', (_, error) => console.error(`${name}:`, error));
  const { hostname, port } = new URL(issuer);
  await new Promise((resolve) => provider.listen(port, hostname, resolve));
  console.log(`provider ${name} at ${issuer}`);
}

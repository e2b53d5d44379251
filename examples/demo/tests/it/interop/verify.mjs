// Verifies an access token with jose. Reads the case from standard input, and prints the verified token.
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { token, changed, algorithm, issuer, audience, jwks, secret } = JSON.parse(readFileSync(0, "utf8"));
const key = secret === null ? createRemoteJWKSet(new URL(jwks)) : Buffer.from(secret, "base64");
const options = { issuer, audience, algorithms: [algorithm], typ: "at+jwt", requiredClaims: ["exp", "iat", "sub", "jti"] };

const { payload, protectedHeader } = await jwtVerify(token, key, options);

async function rejected(token, options) {
  try {
    await jwtVerify(token, key, options);
    return false;
  } catch (error) {
    // Other errors are mistakes in this script.
    return error instanceof errors.JOSEError;
  }
}

const changes = {};
for (const [what, token] of Object.entries(changed)) changes[what] = await rejected(token, options);
changes["another audience"] = await rejected(token, { ...options, audience: "another" });
changes["another issuer"] = await rejected(token, { ...options, issuer: "another" });
changes["after the expiry"] = await rejected(token, { ...options, currentDate: new Date(payload.exp * 1000) });
console.log(JSON.stringify({ jose: { header: protectedHeader, claims: payload, rejected: changes } }));

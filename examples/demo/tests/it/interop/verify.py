"""Verifies an access token with PyJWT, joserfc and jwcrypto. Reads the case from standard input, and prints the
verified token of each."""

import base64
import json
import sys
import urllib.request

import joserfc.errors
import joserfc.jwk
import joserfc.jwt
import jwcrypto.common
import jwcrypto.jwk
import jwcrypto.jwt
import jwt

CASE = json.load(sys.stdin)
ALGORITHM, ISSUER, AUDIENCE = CASE["algorithm"], CASE["issuer"], CASE["audience"]
SECRET = None if CASE["secret"] is None else base64.b64decode(CASE["secret"])


def fetch_jwks():
    with urllib.request.urlopen(CASE["jwks"]) as response:
        return response.read().decode()


class PyJWT:
    rejections = (jwt.PyJWTError,)

    def __init__(self):
        self.client = None if SECRET else jwt.PyJWKClient(CASE["jwks"])

    def verify(self, token, audience):
        key = SECRET or self.client.get_signing_key_from_jwt(token).key
        decoded = jwt.decode_complete(
            token, key, algorithms=[ALGORITHM], issuer=ISSUER, audience=audience, options={"require": ["exp", "iat", "sub", "jti"]}
        )
        return decoded["header"], decoded["payload"]


class Joserfc:
    rejections = (joserfc.errors.JoseError,)

    def __init__(self):
        self.key = (
            joserfc.jwk.OctKey.import_key(SECRET)
            if SECRET
            else joserfc.jwk.KeySet.import_key_set(json.loads(fetch_jwks()))
        )

    def verify(self, token, audience):
        decoded = joserfc.jwt.decode(token, self.key, algorithms=[ALGORITHM])
        joserfc.jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
        ).validate(decoded.claims)
        return decoded.header, decoded.claims


class Jwcrypto:
    # It reports some malformed tokens with ValueError.
    rejections = (jwcrypto.common.JWException, ValueError)

    def __init__(self):
        if SECRET:
            self.key = jwcrypto.jwk.JWK(kty="oct", k=jwcrypto.common.base64url_encode(SECRET))
        else:
            self.key = jwcrypto.jwk.JWKSet.from_json(fetch_jwks())

    def verify(self, token, audience):
        claims = {"iss": ISSUER, "aud": audience, "exp": None, "sub": None, "jti": None}
        verified = jwcrypto.jwt.JWT(jwt=token, key=self.key, algs=[ALGORITHM], check_claims=claims)
        return json.loads(verified.header), json.loads(verified.claims)


def rejected(library, token, audience):
    try:
        library.verify(token, audience)
    except library.rejections:
        return True
    return False


def main():
    seen = {}
    for library in (PyJWT(), Joserfc(), Jwcrypto()):
        header, claims = library.verify(CASE["token"], AUDIENCE)
        changes = {what: rejected(library, token, AUDIENCE) for what, token in CASE["changed"].items()}
        changes["another audience"] = rejected(library, CASE["token"], "another")
        seen[type(library).__name__.lower()] = {"header": header, "claims": claims, "rejected": changes}
    print(json.dumps(seen))


main()

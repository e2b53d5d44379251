"""An issuer of access tokens by Authlib, whose keys change: python authlib_issuer.py

Each line of its input names the groups of keys that it has from then on, the one that signs first. A token is for the algorithm at
the end of its resource's path."""

import os
import sys
import threading
import time

# There is no TLS on this machine's own address.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant, ResourceOwnerPasswordCredentialsGrant
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import KeySet, generate_key
from werkzeug.serving import WSGIRequestHandler, make_server

TYPES = {"ES256": ("EC", "P-256"), "RS256": ("RSA", 2048), "PS256": ("RSA", 2048), "EdDSA": ("OKP", "Ed25519")}
GROUPS = {}


def group(name):
    if name not in GROUPS:
        GROUPS[name] = {
            algorithm: generate_key(*key, {"alg": algorithm, "use": "sig", "kid": f"{name}-{algorithm}"})
            for algorithm, key in TYPES.items()
        }
    return GROUPS[name]


class Keys:
    """What it signs with, and what it publishes."""

    signing = {}
    published = {"keys": []}

    @classmethod
    def change(cls, names):
        cls.published = KeySet([key for name in names for key in group(name).values()]).as_dict()
        cls.signing = group(names[0])


class Till(ClientMixin):
    def get_client_id(self):
        return "till"

    def check_client_secret(self, client_secret):
        return client_secret == "secret"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return grant_type in ("client_credentials", "password")

    def get_allowed_scope(self, scope):
        return scope if scope == "orders" else ""


class User:
    def __init__(self, name):
        self.name = name

    def get_user_id(self):
        return self.name


class PasswordGrant(ResourceOwnerPasswordCredentialsGrant):
    def authenticate_user(self, username, password):
        return User(username) if password == f"{username}-password" else None


class Tokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        key = Keys.signing[self.alg]
        # Of a set, the token's header names the key; of a key alone, it names none.
        return key if flask.request.form.get("key") == "unnamed" else KeySet([key])

    def get_audiences(self, client, user, scope):
        return ["orders", "stock"]

    def get_auth_time(self, user):
        return int(time.time()) - 60 if user else None

    def get_acr(self, user):
        return "urn:example:password" if user else None

    def get_amr(self, user):
        return ["pwd"] if user else None


class Quiet(WSGIRequestHandler):
    def log(self, type, message, *args):
        pass


APP = flask.Flask(__name__)
SERVERS = {}


@APP.post("/token")
def token():
    algorithm = flask.request.form["resource"].rsplit("/", 1)[-1]
    return SERVERS[algorithm].create_token_response()


@APP.get("/jwks")
def jwks():
    return Keys.published


def main():
    http = make_server("127.0.0.1", 0, APP, threaded=True, request_handler=Quiet)
    issuer = f"http://127.0.0.1:{http.server_port}"
    for algorithm in TYPES:
        server = AuthorizationServer(APP, lambda client_id: Till() if client_id == "till" else None, lambda token, request: None)
        server.register_token_generator("default", Tokens(issuer, algorithm, expires_generator=lambda client, grant: 3600))
        server.register_grant(ClientCredentialsGrant)
        PasswordGrant.TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]
        server.register_grant(PasswordGrant)
        SERVERS[algorithm] = server
    threading.Thread(target=http.serve_forever, daemon=True).start()
    print(issuer, flush=True)
    for line in sys.stdin:
        Keys.change(line.split())
        print("published", flush=True)


main()

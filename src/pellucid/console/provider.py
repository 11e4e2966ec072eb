"""An OpenID provider: where to send people, and who somebody is that comes back with a code.

    /console/sign-in/oidc → the provider's page → /console/sign-in/oidc/callback?code=…
        code + PKCE verifier → ID token → signature, issuer, audience, times, nonce → scopes by the site's roles → Identity

Authorisation code with PKCE (RFC 7636, RFC 9700), `iss` of the answer (RFC 9207). The ID token is verified as if it had come from
anyone, by keys that the provider publishes, with asymmetric algorithms only. What it says is asked for again at every sign-in.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from pellucid.base.errors import ConfigError, InvalidParameter, ProviderFailed, SignInFailed
from pellucid.base.settings import PREFIX, Settings
from pellucid.console.flow import Flow
from pellucid.console.provider_documents import Documents
from pellucid.records.account import Identity, check_name
from pellucid.records.actor import Roles, Scope, load_roles

CALLBACK = "/console/sign-in/oidc/callback"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
# How far two clocks may differ.
LEEWAY_S = 60
SCOPE = "openid profile email"

log = logging.getLogger(__name__)


class Provider:
    """`of` the settings; safe to be asked by several requests at once."""

    def __init__(self, settings: Settings, client: str, roles: Mapping[str, frozenset[Scope]]) -> None:
        self._settings, self._client, self._roles = settings, client, roles
        self._issuer = settings.oidc_issuer or ""
        self._documents = Documents(self._issuer)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None where the settings name no provider. Raises `ConfigError`."""
        if settings.oidc_issuer is None:
            return None
        if not settings.oidc_client_id or not settings.public_url or not settings.oidc_roles:
            raise ConfigError(
                f"{PREFIX}OIDC_ISSUER is set; it needs {PREFIX}OIDC_CLIENT_ID, {PREFIX}PUBLIC_URL and {PREFIX}OIDC_ROLES as well"
            )
        return cls(settings, settings.oidc_client_id, _scopes_of(settings, load_roles(settings.roles)))

    @property
    def callback(self) -> str:
        """What the provider must know as the redirect URI."""
        return f"{self._settings.public_url}{CALLBACK}"

    async def address(self, flow: Flow) -> str:
        """Where the browser is sent. Raises `ProviderFailed`."""
        asked = {
            "response_type": "code", "client_id": self._client, "redirect_uri": self.callback, "scope": SCOPE,
            "state": flow.state, "nonce": flow.nonce, "code_challenge": flow.challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        page = (await self._documents.discovery()).authorization_endpoint
        return f"{page}{'&' if '?' in page else '?'}{urlencode(asked)}"

    async def identity(self, flow: Flow, answer: Mapping[str, str]) -> Identity:
        """Who came back with `answer`, the query of the callback. Raises `SignInFailed` or `ProviderFailed`."""
        discovery = await self._documents.discovery()
        if answer.get("iss", self._issuer) != self._issuer or ("iss" not in answer and discovery.says_issuer):
            raise SignInFailed("another provider than the one that was asked has answered; begin again")
        if "code" not in answer:
            log.warning("the OpenID provider refused a sign-in: %s", answer.get("error", "no code")[:80])
            raise SignInFailed("the provider did not let you in")
        sent = {
            "grant_type": "authorization_code", "code": answer["code"], "redirect_uri": self.callback, "client_id": self._client,
            "code_verifier": flow.verifier,
        }  # fmt: skip
        found = await self._documents.exchange(*self._credentials(sent, discovery.token_endpoint_auth_methods_supported))
        return self._identity(await self._claims(found, flow.nonce))

    def _credentials(self, form: dict[str, str], methods: list[str]) -> tuple[dict[str, str], tuple[str, str] | None]:
        """The form with the secret, or the secret apart for HTTP Basic, whichever the provider takes (RFC 6749, 2.3.1)."""
        if self._settings.oidc_client_secret is None:
            return form, None
        secret = self._settings.oidc_client_secret.get_secret_value()
        if "client_secret_basic" in methods or "client_secret_post" not in methods:
            return form, (quote(self._client, safe=""), quote(secret, safe=""))
        return {**form, "client_secret": secret}, None

    async def _claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        try:
            claims = await self._signed(id_token)
            self._registry(nonce).validate(claims)
        except (JoseError, ValueError) as error:
            # By the kind alone: a message may quote the token.
            log.warning("an ID token of the OpenID provider was refused: %s", type(error).__name__)
            raise SignInFailed("what the provider says of you does not hold: begin again") from None
        alone = claims["aud"] in (self._client, [self._client])
        if claims.get("azp", self._client if alone else None) != self._client:
            log.warning("an ID token of the OpenID provider was refused: it is for another client")
            raise SignInFailed("what the provider says of you is for another service")
        return claims

    def _registry(self, nonce: str) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._client},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )

    async def _signed(self, id_token: str) -> dict[str, Any]:
        """The claims, if one of the published keys signed them; keys may have been exchanged since they were last read."""
        try:
            return jwt.decode(id_token, _keys(await self._documents.keys()), list(ALGORITHMS)).claims
        except InvalidKeyIdError:
            return jwt.decode(id_token, _keys(await self._documents.keys(anew=True)), list(ALGORITHMS)).claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        name, said = claims.get(self._settings.oidc_name_claim), claims.get(self._settings.oidc_scopes_claim)
        try:
            check_name(str(name or ""))
        except InvalidParameter as error:
            raise SignInFailed(
                f"the claim {self._settings.oidc_name_claim} of the provider does not fit: {error.detail}"
            ) from None
        if self._settings.oidc_name_claim == "email" and claims.get("email_verified", True) is not True:
            raise SignInFailed("the provider has not verified your address")
        values = said if isinstance(said, list) else str(said or "").split()
        scopes = frozenset[Scope]().union(*(self._roles.get(value, frozenset()) for value in values if isinstance(value, str)))
        if not scopes:
            raise SignInFailed("the provider knows you, and nothing that it says of you allows anything here")
        return Identity(self._issuer, claims["sub"], str(name), scopes)


def _scopes_of(settings: Settings, roles: Roles) -> dict[str, frozenset[Scope]]:
    try:
        return {value: roles.scopes(role) for value, role in settings.oidc_roles.items()}
    except InvalidParameter as error:
        raise ConfigError(f"{PREFIX}OIDC_ROLES: {error.detail}") from error


def _keys(published: list[dict[str, Any]]) -> KeySet:
    """Those that sign, of kinds that have a public half: a secret that was published by mistake signs nothing."""
    found = [each for each in published if each.get("kty") in ("RSA", "EC") and each.get("use", "sig") == "sig"]
    if not found:
        raise ProviderFailed("the OpenID provider publishes no key that signs")
    return KeySet.import_key_set({"keys": found})

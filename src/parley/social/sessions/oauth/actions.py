"""OAuth: registering apps, asking a member's consent, exchanging codes for tokens, revoking them.

Functions that take `instance` open their own short transactions, because a failure must be counted (tries) or have
a lasting effect (a replayed code revokes its tokens) although it raises. Tokens and secrets are stored as hashes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import timedelta
from urllib.parse import unquote, urlencode, urlsplit

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.ids import new_token, token_hash
from parley.kit.instance import Instance
from parley.kit.limits import bucket_of, count_try
from parley.screening import Content, Facts
from parley.social.accounts.views import Viewer
from parley.social.sessions.names import get_member_id
from parley.social.sessions.oauth import rules, store
from parley.social.sessions.oauth.errors import AuthorizationRefused, OAuthError
from parley.social.sessions.oauth.reads import app_view
from parley.social.sessions.scopes import ALL_SCOPES, are_known_scopes, split_scopes
from parley.social.sessions.tokens import publish_revoked
from parley.social.sessions.views import ConsentRequest, GrantedCode, IssuedToken, NewApp, RegisteredApp
from parley.social.verdicts.actions import judge_safely

CODE_LIFE = timedelta(minutes=10)
MAX_REDIRECT_URIS = 20
MAX_URI = 2000
# What a browser would run or open in our own name, were it sent there.
REFUSED_SCHEMES = frozenset(
    {"javascript", "data", "vbscript", "about", "blob", "file", "filesystem", "mailto", "tel", "ws", "wss"}
)


async def register_app(instance: Instance, new: NewApp, *, address: str) -> RegisteredApp:
    """Register an app; its secret is in the answer and nowhere else. Raises Invalid with Mastodon's sentences."""
    bucket = bucket_of("register_app", address)
    await count_try(instance.db, instance.settings, bucket, 30, timedelta(minutes=10))
    name = new.name.strip()
    website = (new.website or "").strip() or None
    scopes = split_scopes(new.scopes) or ("read",)
    if not name or "\0" in name:
        raise Invalid("Validation failed: Name can't be blank")
    if len(name) > 60:
        raise Invalid("Validation failed: Application name is too long (maximum is 60 characters)")
    if website is not None and not _is_page(website):
        raise Invalid("Validation failed: Website must be a valid http or https address")
    if not are_known_scopes(scopes):
        raise Invalid("Validation failed: Scopes doesn't match configured on the server.")
    redirect_uris = tuple(dict.fromkeys(uri.strip() for uri in new.redirect_uris if uri.strip()))
    if not redirect_uris or len(redirect_uris) > MAX_REDIRECT_URIS:
        raise Invalid("Validation failed: Redirect URI can't be blank, and at most 20 may be given")
    for uri in redirect_uris:
        check_redirect_uri(uri)
    _judge_name(name, website)
    secret = new_token()
    async with instance.db.write() as tx:
        row = await store.insert_app(
            tx,
            name=name,
            website=website,
            client_id=new_token(),
            secret_hash=token_hash(secret),
            redirect_uris=list(redirect_uris),
            scopes=list(scopes),
        )
    return RegisteredApp(app_view(row), secret)


def _judge_name(name: str, website: str | None) -> None:
    """Refuse what policy would not let stand on a profile: readers see it below every post made with the app.

    Nobody in particular registers an app, so it is judged without regard to who does.
    """
    texts = {"display_name": name} | ({"website": website} if website else {})
    content = Content(kind="profile", texts=texts, links=(website,) if website else ())
    verdict = judge_safely(content, Facts(now=now(), trust="trusted"))
    if not verdict.outcome.published:
        raise Invalid("Validation failed: The rules of this instance do not let this name or website be shown.")


def _is_page(website: str) -> bool:
    try:
        return len(website) <= MAX_URI and urlsplit(website).scheme in ("http", "https")
    except ValueError:
        return False


def check_redirect_uri(uri: str) -> None:
    """Raise Invalid unless codes may be sent to `uri`: absolute, no fragment, and no scheme that a browser runs."""
    if uri == rules.OUT_OF_BAND:
        return
    plain = uri.isascii() and uri.isprintable() and not set(uri) & set(' "<>\\^`{|}')
    try:
        parts = urlsplit(uri)
        sound = plain and len(uri) <= MAX_URI and bool(parts.scheme) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise Invalid("Validation failed: Redirect URI must be an absolute URI.")
    if "#" in uri:
        raise Invalid("Validation failed: Redirect URI cannot contain a fragment.")
    scheme = parts.scheme.lower()
    if scheme in REFUSED_SCHEMES or (scheme in ("http", "https") and not parts.hostname):
        raise Invalid("Validation failed: Redirect URI is forbidden by the server.")


async def authorization_request(tx: Tx, params: Mapping[str, str]) -> ConsentRequest:
    """Check what an app asks of a member, before the consent page is shown and again when it is answered.

    `params` are those of RFC 6749 (4.1.1) with PKCE's, and Mastodon's `force_login`. Raises AuthorizationRefused.
    """
    row = await _find_app(tx, params.get("client_id", ""))
    if row is None:
        raise AuthorizationRefused("invalid_client")
    redirect_uri = params.get("redirect_uri", "")
    if redirect_uri not in row.redirect_uris:
        raise AuthorizationRefused("invalid_redirect_uri")
    state = params.get("state") or None
    asked = {name: value for name, value in params.items() if value}
    try:
        consent = rules.check_authorization(rules.Known(now(), app=row), asked)
    except OAuthError as error:
        raise AuthorizationRefused(error.code, error.text, detail=error.detail) from error
    return ConsentRequest(
        app=app_view(row),
        redirect_uri=consent.redirect_uri,
        scopes=consent.scopes,
        state=state,
        code_challenge=asked.get("code_challenge"),
        force_login=params.get("force_login", "").lower() in ("true", "1", "on"),
    )


async def grant_authorization(tx: Tx, viewer: Viewer, request: ConsentRequest) -> GrantedCode:
    """The member says yes: make a code. Only from the member's own browser, never by an API token.

    `request` must come from `authorization_request` over what the form posted, in the same transaction.
    """
    if viewer.session_id is None:
        raise Forbidden
    code = new_token()
    await store.insert_code(
        tx,
        token_hash(code),
        app_id=request.app.id,
        account_id=viewer.account_id,
        redirect_uri=request.redirect_uri,
        scopes=list(request.scopes),
        challenge=request.code_challenge,
        until=now() + CODE_LIFE,
    )
    return GrantedCode(code, _back_to(request.redirect_uri, {"code": code}, request.state))


def deny_authorization(request: ConsentRequest) -> str | None:
    """The member says no: where to send the browser; None when the app waits out of band (just say so)."""
    refused = OAuthError("access_denied")
    answer = {"error": refused.code, "error_description": refused.text}
    return _back_to(request.redirect_uri, answer, request.state)


def _back_to(redirect_uri: str, answer: dict[str, str], state: str | None) -> str | None:
    if redirect_uri == rules.OUT_OF_BAND:
        return None
    # Put together by hand: taking it apart would change what the app registered (`app://` would lose its slashes).
    query = urlencode([*answer.items(), *([("state", state)] if state is not None else [])])
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"


async def _find_app(tx: Tx, client_id: str) -> store.AppRow | None:
    if not client_id.isascii() or not client_id.isprintable():
        return None
    return await store.get_app_by_client(tx, client_id)


def _client_id_of(params: Mapping[str, str], authorization: str) -> str:
    """Which app the request says it is, from the Basic header (RFC 6749, 2.3.1) or the parameters."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return unquote(base64.b64decode(encoded).decode().partition(":")[0])
        except (binascii.Error, ValueError):
            return ""
    return params.get("client_id", "")


def _checked(params: Mapping[str, object], authorization: str) -> dict[str, str]:
    """The parameters that are text; anything else, or a header that is not ASCII, is not a request of OAuth."""
    if not authorization.isascii():
        raise OAuthError("invalid_client")
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise OAuthError("invalid_client") from error
    return {name: value for name, value in params.items() if isinstance(value, str) and value}


async def exchange_token(
    instance: Instance, params: Mapping[str, object], *, authorization: str = "", address: str
) -> IssuedToken:
    """RFC 6749's token endpoint: a code, or the app's own credentials, for a bearer token that does not expire.

    `authorization` is the request's header (client_secret_basic). Raises OAuthError. A code that comes a second time
    revokes what the first time gave.
    """
    bucket = bucket_of("token", address)
    await count_try(instance.db, instance.settings, bucket, 60, timedelta(minutes=5))
    asked = _checked(params, authorization)
    if not asked.get("grant_type"):
        raise OAuthError("invalid_request", "Missing required parameter: grant_type.")
    known = rules.Known(now())
    async with instance.db.write() as tx:
        known.app = await _find_app(tx, _client_id_of(asked, authorization))
        if asked["grant_type"] == "authorization_code" and "code" in asked:
            known.code = await store.get_code(tx, token_hash(asked["code"]))
        try:
            decision = rules.decide_token(known, asked, authorization)
        except OAuthError as error:
            if not known.replayed:
                raise
            decision, failure = None, error
        if decision is not None and decision.code is not None:
            if await store.update_code_used(tx, decision.code.code_hash, known.moment):
                return await _store_token(tx, decision)
            decision, failure = None, OAuthError("invalid_grant")
        if decision is not None:
            return await _store_token(tx, decision)
        if known.code is not None:
            await _revoke_replayed(tx, known.code)
    raise failure


async def _store_token(tx: Tx, decision: rules.Decision) -> IssuedToken:
    row = await store.insert_token(
        tx,
        token_hash(decision.access_token),
        app_id=decision.app.id,
        account_id=decision.code.account_id if decision.code else None,
        code_hash=decision.code.code_hash if decision.code else None,
        scopes=list(decision.scopes),
    )
    scope = " ".join(decision.scopes)
    return IssuedToken(decision.access_token, "Bearer", scope, int(row.created_at.timestamp()))


async def _revoke_replayed(tx: Tx, code: store.CodeRow) -> None:
    owners = await store.update_tokens_of_code_revoked(tx, code.code_hash)
    await publish_revoked(tx, [owner.id for owner in owners], code.account_id)


async def revoke_token(
    instance: Instance, params: Mapping[str, object], *, authorization: str = "", address: str
) -> None:
    """RFC 7009: void the token that the request names; nothing happens when it is void already. Raises OAuthError."""
    bucket = bucket_of("revoke", address)
    await count_try(instance.db, instance.settings, bucket, 60, timedelta(minutes=5))
    asked = _checked(params, authorization)
    known = rules.Known(now())
    async with instance.db.write() as tx:
        known.app = await _find_app(tx, _client_id_of(asked, authorization))
        known.token = await store.get_token_owner(tx, token_hash(asked.get("token", "")))
        owner = rules.decide_revocation(known, asked, authorization)
        if owner is not None:
            await store.update_token_revoked(tx, owner.id)
            await publish_revoked(tx, [owner.id], owner.account_id)


async def issue_token(tx: Tx, account_id: int | None, app_id: int | None, scopes: Iterable[str]) -> IssuedToken:
    """A token without a code: for the person who just signed up through an app, and for the command line."""
    wanted = set(scopes)
    held = [scope for scope in ALL_SCOPES if scope in wanted]
    if len(held) != len(wanted) or not held:
        raise Invalid("Unknown scope. The scopes are listed at /.well-known/oauth-authorization-server.")
    token = new_token()
    row = await store.insert_token(
        tx, token_hash(token), app_id=app_id, account_id=account_id, code_hash=None, scopes=held
    )
    return IssuedToken(token, "Bearer", " ".join(held), int(row.created_at.timestamp()))


async def create_token(tx: Tx, account_id: int, scopes: Iterable[str], app_name: str) -> str:
    """A token of the member for a new app called `app_name`, without asking anybody. Returns the token."""
    held = list(dict.fromkeys(scopes))
    app = await store.insert_app(
        tx,
        name=app_name[:60] or "Command line",
        website=None,
        client_id=new_token(),
        secret_hash=token_hash(new_token()),
        redirect_uris=[rules.OUT_OF_BAND],
        scopes=held,
    )
    return (await issue_token(tx, account_id, app.id, held)).access_token


async def create_token_for(tx: Tx, username: str, scopes: Iterable[str], *, app_name: str) -> str:
    """The operator's command: a token of the member with this name. Raises NotFound with a sentence."""
    return await create_token(tx, await get_member_id(tx, username), scopes, app_name)


async def revoke_app(tx: Tx, viewer: Viewer, app_id: int) -> None:
    """Take back everything that the viewer ever allowed the app. Raises NotFound when that is nothing."""
    owners = await store.update_tokens_of_app_revoked(tx, viewer.account_id, app_id)
    if not owners:
        raise NotFound
    await publish_revoked(tx, [owner.id for owner in owners], viewer.account_id)


async def revoke_all_tokens(tx: Tx, account_id: int) -> None:
    """Void every token of the member (after a password reset, or when staff must shut an account's apps out)."""
    owners = await store.update_tokens_of_account_revoked(tx, account_id)
    await publish_revoked(tx, [owner.id for owner in owners], account_id)

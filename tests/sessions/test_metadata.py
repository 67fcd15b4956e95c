"""The server says where everything is."""

from __future__ import annotations

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from parley.social.sessions.scopes import ALL_SCOPES
from tests.conftest import World


async def test_the_metadata_is_valid_by_rfc_8414_and_every_endpoint_exists(world: World) -> None:
    answer = await world.anonymous.get("/.well-known/oauth-authorization-server")
    assert answer.status_code == 200
    found = answer.json()
    AuthorizationServerMetadata(found).validate()
    assert found["issuer"] == world.settings.base_url
    assert found["scopes_supported"] == list(ALL_SCOPES)
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert "password" not in found["grant_types_supported"]
    for name, url in found.items():
        if name.endswith("_endpoint"):
            assert (await world.anonymous.get(url)).status_code != 404, name

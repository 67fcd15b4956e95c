"""Nothing about a member's graph without that member's token and the right scope."""

from __future__ import annotations

import pytest

from tests.conftest import World

PERSONAL = [
    ("GET", "/api/v1/accounts/relationships", "read:follows", "read:accounts"),
    ("GET", "/api/v1/accounts/familiar_followers", "read:follows", "read:accounts"),
    ("GET", "/api/v1/accounts/{id}/lists", "read:lists", "read:accounts"),
    ("GET", "/api/v1/endorsements", "read:accounts", "read:lists"),
    ("GET", "/api/v1/follow_requests", "read:follows", "read:blocks"),
    ("GET", "/api/v1/blocks", "read:blocks", "read:mutes"),
    ("GET", "/api/v1/mutes", "read:mutes", "read:blocks"),
    ("GET", "/api/v1/domain_blocks", "read:blocks", "read:mutes"),
    ("GET", "/api/v1/lists", "read:lists", "read:follows"),
    ("GET", "/api/v1/lists/{id}", "read:lists", "read:follows"),
    ("GET", "/api/v1/lists/{id}/accounts", "read:lists", "read:follows"),
    ("GET", "/api/v1/suggestions", "read", "write"),
    ("GET", "/api/v2/suggestions", "read", "write"),
    ("DELETE", "/api/v1/suggestions/{id}", "read", "write"),
    ("POST", "/api/v1/accounts/{id}/follow", "write:follows", "read write:blocks"),
    ("POST", "/api/v1/accounts/{id}/unfollow", "write:follows", "read write:blocks"),
    ("POST", "/api/v1/accounts/{id}/remove_from_followers", "write:follows", "read write:blocks"),
    ("POST", "/api/v1/accounts/{id}/block", "write:blocks", "read write:follows"),
    ("POST", "/api/v1/accounts/{id}/unblock", "write:blocks", "read write:follows"),
    ("POST", "/api/v1/accounts/{id}/mute", "write:mutes", "read write:blocks"),
    ("POST", "/api/v1/accounts/{id}/unmute", "write:mutes", "read write:blocks"),
    ("POST", "/api/v1/accounts/{id}/note", "write:accounts", "read write:follows"),
    ("POST", "/api/v1/accounts/{id}/endorse", "write:accounts", "read write:follows"),
    ("POST", "/api/v1/accounts/{id}/unendorse", "write:accounts", "read write:follows"),
    ("POST", "/api/v1/accounts/{id}/pin", "write:accounts", "read write:follows"),
    ("POST", "/api/v1/accounts/{id}/unpin", "write:accounts", "read write:follows"),
    ("POST", "/api/v1/follow_requests/{id}/authorize", "write:follows", "read write:blocks"),
    ("POST", "/api/v1/follow_requests/{id}/reject", "write:follows", "read write:blocks"),
    ("POST", "/api/v1/domain_blocks", "write:blocks", "read write:follows"),
    ("DELETE", "/api/v1/domain_blocks", "write:blocks", "read write:follows"),
    ("POST", "/api/v1/lists", "write:lists", "read write:follows"),
    ("PUT", "/api/v1/lists/{id}", "write:lists", "read write:follows"),
    ("DELETE", "/api/v1/lists/{id}", "write:lists", "read write:follows"),
    ("POST", "/api/v1/lists/{id}/accounts", "write:lists", "read write:follows"),
    ("DELETE", "/api/v1/lists/{id}/accounts", "write:lists", "read write:follows"),
    ("POST", "/api/v1/reports", "write:reports", "read write:follows"),
]


async def test_every_personal_door_asks_for_a_token_and_for_its_scope(world: World) -> None:
    bob = await world.account("bob")
    for method, template, right, wrong in PERSONAL:
        path = template.replace("{id}", str(bob))
        signed_out = await world.anonymous.request(method, path)
        assert signed_out.status_code == 401, path
        assert signed_out.json() == {"error": "The access token is invalid"}
        refused = await (await world.client("alice", scopes=wrong)).request(method, path)
        assert refused.status_code == 403, path
        assert refused.json() == {"error": "This action is outside the authorized scopes"}
        allowed = await (await world.client("alice", scopes=right)).request(method, path)
        assert allowed.status_code in (200, 404, 422), (path, allowed.text)


@pytest.mark.parametrize("scopes", ["read", "follow"])
async def test_older_broad_scopes_still_read_lists_of_people(world: World, scopes: str) -> None:
    client = await world.client("alice", scopes=scopes)
    for path in ("/api/v1/blocks", "/api/v1/mutes", "/api/v1/follow_requests", "/api/v1/domain_blocks"):
        assert (await client.get(path)).status_code == 200


async def test_what_is_public_is_open_to_everybody(world: World) -> None:
    bob = await world.account("bob")
    for path in ("followers", "following", "endorsements"):
        assert (await world.anonymous.get(f"/api/v1/accounts/{bob}/{path}")).status_code == 200
        assert (await world.anonymous.get(f"/api/v1/accounts/12345/{path}")).status_code == 404

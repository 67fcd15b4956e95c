"""The viewer's preferences: https://docs.joinmastodon.org/methods/preferences/"""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from parley.api.access import need_viewer
from parley.kit.http import instance_of
from parley.social.sessions.reads import get_preferences


@get("/api/v1/preferences", scope="read:accounts")
async def show_preferences(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Defaults for posting and reading."""
    async with instance_of(request).db.read() as tx:
        chosen = await get_preferences(tx, need_viewer(request))
    return {
        "posting:default:visibility": chosen.visibility,
        "posting:default:sensitive": chosen.sensitive,
        "posting:default:language": chosen.language,
        "posting:default:quote_policy": chosen.quote_policy,
        "reading:expand:media": chosen.expand_media,
        "reading:expand:spoilers": chosen.expand_spoilers,
        "reading:autoplay:gifs": False,
    }


routes = [show_preferences]

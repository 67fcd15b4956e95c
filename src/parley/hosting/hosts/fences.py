"""The signed word with which a host stops writing: made, and checked by the host that is to go on."""

from __future__ import annotations

import msgspec

from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.views import Fence
from parley.kit.settings import Settings
from parley.kit.signing import is_signed_by, public_key_of, sign

PURPOSE = b"parley fence 1\n"


def sign_fence(settings: Settings, fence: Fence) -> Fence:
    """The same with the instance's signature."""
    return msgspec.structs.replace(fence, signature=sign(settings, _said(fence)).hex())


def check_fence(settings: Settings, fence: Fence) -> None:
    """Raise HostError unless this instance's key has signed exactly this."""
    try:
        signature = bytes.fromhex(fence.signature)
    except ValueError:
        signature = b""
    if not is_signed_by(public_key_of(settings), signature, _said(fence)):
        raise HostError("The fence is not signed by this instance's key: the two hosts do not belong together.")


def _said(fence: Fence) -> bytes:
    return PURPOSE + msgspec.json.encode(msgspec.structs.replace(fence, signature=""), order="deterministic")

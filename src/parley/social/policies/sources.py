"""What a ruleset is made of, so that other processes, and other machines, can make the very same one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.screening import PolicyError
from parley.screening.extending import BankItem
from parley.screening.sources import policy_files
from parley.screening.yaml_files import Problem
from parley.social.policies import store, store_banks
from parley.social.policies.models import live_model_folder


class RulesetSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """The files of a policy, the entries of banks that are not in files, and the folder of another text model."""

    files: dict[str, bytes]
    items: tuple[BankItem, ...] = ()
    model: str = ""


async def get_live_source(tx: Tx) -> RulesetSource:
    """Of the live ruleset. Raises NotFound when this instance never was started.

    `model` is that of this process, which must have loaded the live ruleset (`load_live`).
    """
    live = await store.get_live(tx)
    if live.policy_sha256 is None:
        raise NotFound("No policy is live yet. Start the instance once with `parley up`.")
    return await _source(tx, live.policy_sha256, live.bank_revision)


async def get_ruleset_source(tx: Tx, sha256: str) -> RulesetSource:
    """Of a ruleset that was live once. Raises NotFound."""
    made_of = await store.get_ruleset(tx, sha256)
    if made_of is None:
        raise NotFound("This ruleset was never live here.")
    return await _source(tx, made_of[0], made_of[1])


async def get_policy_source(tx: Tx, policy: str) -> tuple[RulesetSource, str]:
    """Of a draft: a folder, or (the beginning of) the SHA-256 of a kept version; with the banks as they are now.

    The second value is the version's SHA-256, empty for a folder that was not proposed. Raises NotFound, Invalid.
    """
    revision = (await store.get_live(tx)).bank_revision
    folder = Path(policy)
    if await asyncio.to_thread(folder.is_dir):
        files = await asyncio.to_thread(policy_files, folder)
        if isinstance(files, Problem):
            raise Invalid(str(PolicyError([files])))
        items = await store_banks.list_items(tx, revision) if revision else []
        return RulesetSource(files, tuple(items), live_model_folder()), ""
    if not policy or set(policy) - set("0123456789abcdef"):
        raise NotFound(f"{policy!r} is neither a folder nor the SHA-256 of a version (`parley policy versions`).")
    versions = await store.list_versions(tx, policy, limit=2)
    if len(versions) != 1:
        many = "Several versions begin" if versions else "No version begins"
        raise NotFound(f"{many} with {policy}: see `parley policy versions`.")
    return await _source(tx, versions[0].sha256, revision), versions[0].sha256


async def _source(tx: Tx, policy_sha256: str, revision: int) -> RulesetSource:
    files = await store.list_files(tx, policy_sha256)
    if not files:
        raise NotFound("There is no such version of the policy. `parley policy versions` lists them.")
    items = await store_banks.list_items(tx, revision) if revision else []
    return RulesetSource(files, tuple(items), live_model_folder())

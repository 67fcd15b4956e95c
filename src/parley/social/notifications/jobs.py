"""Telling people: each job hears one kind of fact and writes who is to be told.

A job may run twice, nobody is told twice. Nothing is ever told of a status that is held or removed.
"""

from __future__ import annotations

from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.live import Message, publish
from parley.social.notifications import store
from parley.social.notifications.store import NewNotification, Subject
from parley.social.verdicts.reads import get_results

CHUNK = 1000
GROUP_HOURS = 12


def _group_key(*parts: object) -> str:
    bucket = int(now().timestamp()) // (GROUP_HOURS * 3600)
    return "-".join(str(part) for part in (*parts, bucket))


async def _tell(tx: Tx, recipient_ids: list[int], new: NewNotification) -> None:
    if not recipient_ids:
        return
    for told in await store.insert_notifications(tx, recipient_ids, new):
        if not told.filtered:
            await publish(tx, Message("notification", ids=(told.id,), account_ids=(told.account_id,)))


async def _tell_audience(instance: Instance, audience: str, thing_id: int, new: NewNotification) -> None:
    after = 0
    while True:
        async with instance.db.write() as tx:
            ids = await store.list_audience(tx, audience, thing_id, after=after, limit=CHUNK)
            await _tell(tx, ids, new)
        if len(ids) < CHUNK:
            return
        after = ids[-1]


async def notify_of_status(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusPosted: those mentioned or quoted, and followers who asked to be told of every post."""
    async with instance.db.read() as tx:  # most posts concern nobody, and then there is nothing to write
        subject = await store.get_subject(tx, payload["status_id"])
    if subject is None or not subject.concerns_somebody:
        return
    async with instance.db.write() as tx:
        subject = await store.get_subject(tx, payload["status_id"])
        if subject is None or not subject.open:
            return
        await _tell_named(tx, subject)
    if subject.has_subscribers and subject.visibility != "direct" and not subject.is_reply:
        new = NewNotification(type="status", from_account_id=subject.author_id, status_id=subject.id)
        await _tell_audience(instance, "notified_followers", subject.author_id, new)


async def _tell_named(tx: Tx, subject: Subject) -> None:
    mention = NewNotification(
        type="mention",
        from_account_id=subject.author_id,
        status_id=subject.id,
        conversation_id=subject.conversation_id,
        private=subject.visibility == "direct",
        answers=subject.reply_to_id,
    )
    await _tell(tx, list(subject.mentioned_ids), mention)
    if subject.quoted_author_id is not None:
        quote = NewNotification(type="quote", from_account_id=subject.author_id, status_id=subject.id)
        await _tell(tx, [subject.quoted_author_id], quote)


async def notify_of_reblog(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusReblogged: the author of what was boosted."""
    async with instance.db.write() as tx:
        subject = await store.get_subject(tx, payload["status_id"])
        if subject is None or not subject.open or subject.original_author_id is None:
            return
        new = NewNotification(
            type="reblog",
            from_account_id=subject.author_id,
            status_id=subject.original_id,
            conversation_id=subject.original_conversation_id or 0,
            group_key=_group_key("reblog", subject.original_id),
        )
        await _tell(tx, [subject.original_author_id], new)


async def notify_of_favourite(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusFavourited: the author."""
    async with instance.db.write() as tx:
        subject = await store.get_subject(tx, payload["status_id"])
        if subject is None or not subject.open:
            return
        new = NewNotification(
            type="favourite",
            from_account_id=payload["account_id"],
            status_id=subject.id,
            conversation_id=subject.conversation_id,
            group_key=_group_key("favourite", subject.id),
        )
        await _tell(tx, [subject.author_id], new)


async def notify_of_follow(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after Followed: who is followed now; a request that was granted was told of already."""
    follower_id, target_id = payload["account_id"], payload["target_id"]
    async with instance.db.write() as tx:
        if await store.delete_told(tx, follower_id, ["follow_request"], account_id=target_id):
            return
        new = NewNotification(type="follow", from_account_id=follower_id, group_key=_group_key("follow"))
        await _tell(tx, [target_id], new)


async def notify_of_follow_request(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after FollowRequested: who is asked."""
    async with instance.db.write() as tx:
        new = NewNotification(type="follow_request", from_account_id=payload["account_id"])
        await _tell(tx, [payload["target_id"]], new)


async def notify_of_edit(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusEdited: those newly named, those who boosted it, those who quoted it."""
    async with instance.db.write() as tx:
        subject = await store.get_subject(tx, payload["status_id"])
        if subject is None or not subject.open:
            return
        await _tell_named(tx, subject)
    for kind, audience in (("update", "boosters"), ("quoted_update", "quoters")):
        new = NewNotification(
            type=kind,
            from_account_id=subject.author_id,
            status_id=subject.id,
            conversation_id=subject.conversation_id,
            detail={"revision": payload["revision"]},
        )
        await _tell_audience(instance, audience, subject.id, new)


async def notify_of_poll(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after PollClosed: its author, and everybody who voted."""
    async with instance.db.write() as tx:
        subject = await store.get_subject(tx, payload["status_id"])
        if subject is None or not subject.open:
            return
        own = NewNotification(type="poll", from_account_id=subject.author_id, status_id=subject.id, about_self=True)
        await _tell(tx, [subject.author_id], own)
    new = NewNotification(
        type="poll",
        from_account_id=subject.author_id,
        status_id=subject.id,
        conversation_id=subject.conversation_id,
    )
    await _tell_audience(instance, "voters", payload["poll_id"], new)


async def notify_of_hold(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusHeld: the author alone, with the sentence of the verdict."""
    if payload.get("told"):
        return
    async with instance.db.write() as tx:
        held = await store.get_held(tx, payload["status_id"], payload["revision"])
        new = NewNotification(
            type="moderation_warning",
            from_account_id=payload["account_id"],
            status_id=payload["status_id"],
            detail={
                "revision": payload["revision"],
                "sentence": held.sentence if held else "",
                "clause": held.clause if held else None,
            },
            about_self=True,
        )
        await _tell(tx, [payload["account_id"]], new)


async def notify_of_withdrawal(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after RevisionWithdrawn: its author alone, with the sentence of the verdict."""
    async with instance.db.write() as tx:
        result = (await get_results(tx, [payload["screening_id"]])).get(payload["screening_id"])
        what = {"profile": "Your profile", "media": "The description of a file"}[payload["subject_type"]]
        new = NewNotification(
            type="moderation_warning",
            from_account_id=payload["account_id"],
            detail={
                "sentence": f"{what} is hidden for now. {result.sentence if result else ''}".strip(),
                "clause": result.clause if result else None,
                "screening_id": payload["screening_id"],
            },
            about_self=True,
        )
        await _tell(tx, [payload["account_id"]], new)


async def notify_of_sign_up(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after AccountCreated: the instance's staff."""
    async with instance.db.write() as tx:
        new = NewNotification(
            type="admin.sign_up",
            from_account_id=payload["account_id"],
            group_key=_group_key("admin.sign_up"),
        )
        await _tell(tx, await store.list_staff(tx), new)


async def notify_of_report(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after ReportFiled: the instance's staff, but for whoever of them is reported."""
    async with instance.db.write() as tx:
        new = NewNotification(
            type="admin.report",
            from_account_id=payload["account_id"],
            detail={"report_id": payload["report_id"]},
        )
        staff = [one for one in await store.list_staff(tx) if one != payload.get("target_id")]
        await _tell(tx, staff, new)


async def unnotify_of_favourite(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusUnfavourited."""
    async with instance.db.write() as tx:
        await store.delete_told(tx, payload["account_id"], ["favourite"], status_id=payload["status_id"])


async def unnotify_of_reblog(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusUnreblogged."""
    async with instance.db.write() as tx:
        await store.delete_told(tx, payload["account_id"], ["reblog"], status_id=payload["original_id"])


async def unnotify_of_follow(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after Unfollowed and FollowRequestDeleted."""
    async with instance.db.write() as tx:
        await store.delete_told(
            tx, payload["account_id"], ["follow", "follow_request"], account_id=payload["target_id"]
        )

"""Speaks to programmes that share hashes, through the clients of `threatexchange` (extra `exchanges`).

Everything here blocks and is called in a thread. Nothing here knows the database. What may be configured, and which
credentials each programme gives out: docs/operators/exchanges.md.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from parley.kit.errors import Invalid

APIS = ("stopncii", "ncmec", "fb_threatexchange", "tat", "local_file", "sample")
"""Programmes that are known by name. `local_file` reads a list on this machine, `sample` is for trying it out."""
_FEEDBACK = frozenset({"stopncii", "ncmec", "fb_threatexchange"})
_KINDS = {"pdq": "pdq", "video_md5": "md5", "video_sha256": "sha256", "video_s_h_a256": "sha256"}
_NCMEC_KINDS = {"pdq": "pdq", "md5": "md5", "sha1": "sha1"}


class Shared(msgspec.Struct, frozen=True):
    """One hash of a programme. `disputed`: its members disagree. `external` is what feedback needs."""

    kind: str
    hash: bytes
    tags: tuple[str, ...]
    disputed: bool
    external: dict[str, Any]


class Delta(msgspec.Struct, frozen=True):
    """One step of a fetch: by key what is shared now (nothing: withdrawn), and where to go on from."""

    updates: dict[str, tuple[Shared, ...]]
    checkpoint: dict[str, Any]


class Unsupported(Exception):
    """The programme has no way to be told."""


class _Parts(NamedTuple):
    api: type[Any]
    config: type[Any]
    checkpoint: type[Any]
    credentials: type[Any] | None


def is_installed() -> bool:
    """Whether the extra is there."""
    return importlib.util.find_spec("threatexchange") is not None


def _parts(name: str) -> _Parts:
    if name not in APIS:
        raise Invalid(f"{name!r} is not a programme that Parley knows. Known are {', '.join(APIS)}.")
    if not is_installed():
        raise Invalid("This takes the extra `exchanges`: pip install 'parley[exchanges]'.")
    from threatexchange.exchanges.impl import (
        fb_threatexchange_api,
        file_api,
        ncmec_api,
        static_sample,
        stop_ncii_api,
        techagainstterrorism_api,
    )

    classes: dict[str, Any] = {
        "stopncii": stop_ncii_api.StopNCIISignalExchangeAPI,
        "ncmec": ncmec_api.NCMECSignalExchangeAPI,
        "fb_threatexchange": fb_threatexchange_api.FBThreatExchangeSignalExchangeAPI,
        "tat": techagainstterrorism_api.TATSignalExchangeAPI,
        "local_file": file_api.LocalFileSignalExchangeAPI,
        "sample": static_sample.StaticSampleSignalExchangeAPI,
    }
    api = classes[name]
    credentials = api.get_credential_cls() if hasattr(api, "get_credential_cls") else None
    if name == "local_file":
        return _Parts(api, file_api.FileCollaborationConfig, api.get_checkpoint_cls(), None)
    return _Parts(api, api.get_config_cls(), api.get_checkpoint_cls(), credentials)


class Client:
    """One programme, ready to be asked. Blocks."""

    def __init__(self, name: str, config: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        """Raises Invalid with a sentence when something is missing or wrong. Asks nothing yet."""
        self.name = name
        self._parts = _parts(name)
        self._base_url = config.get("base_url")
        self._reason = config.get("negative_reason")
        self._credentials = dict(credentials)
        self._collab = self._make_config(config)
        self._api = self._make_api()

    def _make_config(self, config: Mapping[str, Any]) -> Any:
        wanted = {name: value for name, value in config.items() if name not in ("base_url", "negative_reason")}
        try:
            if self.name == "ncmec":
                from threatexchange.exchanges.clients.ncmec.hash_api import NCMECEnvironment

                wanted["environment"] = NCMECEnvironment[wanted["environment"]]
                wanted["only_esp_ids"] = {int(one) for one in wanted.get("only_esp_ids", ())}
            if self.name == "fb_threatexchange":
                wanted["privacy_group"] = int(wanted["privacy_group"])
            if self._parts.config.__name__ == "CollaborationConfigBase":
                return self._parts.config(name=self.name, api=self.name, enabled=True, **wanted)
            return self._parts.config(name=self.name, **wanted)
        except (KeyError, TypeError, ValueError) as error:
            raise Invalid(f"The configuration of {self.name} is incomplete or wrong: {error}.") from error

    def _make_api(self) -> Any:
        api, given = self._parts.api, dict(self._credentials)
        if self._parts.credentials is None:
            return api.for_collab(self._collab)
        fields = {field.name for field in dataclasses.fields(self._parts.credentials)}
        try:
            made = self._parts.credentials(**{name: value for name, value in given.items() if name in fields})
        except TypeError as error:
            raise Invalid(f"{self.name} needs the credentials {', '.join(sorted(fields))}.") from error
        if not made._are_valid():
            raise Invalid(f"The credentials of {self.name} are incomplete: it needs {', '.join(sorted(fields))}.")
        if self.name == "stopncii":
            return api(self._collab, self._stopncii())
        ready = api.for_collab(self._collab, made)
        if self._base_url and self.name == "fb_threatexchange":
            ready.client._base_url = self._base_url
        if self.name == "ncmec":
            client = ready.get_client(self._collab.environment)
            client._base_url = self._base_url or client._base_url
            ready.get_client = lambda _environment: client
        return ready

    def _stopncii(self) -> Any:
        from threatexchange.exchanges.clients.stopncii.api import StopNCIIAPI, StopNCIIEndpoint

        feedback = self._credentials.get("feedback_function_key")
        return StopNCIIAPI(
            self._credentials["subscription_key"],
            self._credentials["fetch_function_key"],
            {StopNCIIEndpoint.SubmitFeedback: feedback} if feedback else None,
            base_url_override=self._base_url or self._credentials.get("base_url_override"),
        )

    def restore(self, checkpoint: Mapping[str, Any] | None) -> Any:
        """The checkpoint as the programme's client wants it; None to begin anew, which an old one asks for."""
        if checkpoint is None:
            return None
        import dacite

        try:
            found = dacite.from_dict(self._parts.checkpoint, dict(checkpoint))
        except dacite.DaciteError:
            return None
        return None if found.is_stale() else found

    def fetch(self, checkpoint: Any) -> Iterator[Delta]:
        """Everything since `checkpoint`, in steps that may be stored one by one."""
        from threatexchange.signal_type.md5 import VideoMD5Signal
        from threatexchange.signal_type.pdq.signal import PdqSignal
        from threatexchange.signal_type.sha256 import VideoSHA256Signal

        types: list[Any] = [PdqSignal, VideoMD5Signal, VideoSHA256Signal]
        if self.name == "stopncii":
            yield from self._fetch_stopncii(checkpoint)
            return
        for delta in self._api.fetch_iter(types, checkpoint):
            updates = {_key(key): self._convert(types, key, value) for key, value in delta.updates.items()}
            yield Delta(updates, _plain(delta.checkpoint))

    def _fetch_stopncii(self, checkpoint: Any) -> Iterator[Delta]:
        """By the status of each hash, so that one which somebody withdrew is forgotten."""
        from threatexchange.exchanges.clients.stopncii.api import StopNCIIAPI, StopNCIICaseStatus, StopNCIISignalType
        from threatexchange.exchanges.impl.stop_ncii_api import StopNCIICheckpoint, StopNCIISignalMetadata

        kinds = {StopNCIISignalType.ImagePDQ: "pdq", StopNCIISignalType.VideoMD5: "md5"}
        gone = (StopNCIICaseStatus.Withdrawn, StopNCIICaseStatus.Deleted)
        start = checkpoint.update_time if checkpoint is not None else StopNCIIAPI.DEFAULT_START_TIME
        for response in self._api.api.fetch_hashes_iter(start_timestamp=start):
            updates: dict[str, tuple[Shared, ...]] = {}
            for one in response.hashRecords:
                kind = kinds.get(one.signalType)
                if kind is None:
                    continue
                shared = (
                    ()
                    if one.hashStatus in gone
                    else _shared(
                        kind, one.hashValue, StopNCIISignalMetadata(one.CSPFeedbacks), {"type": one.signalType.value}
                    )
                )
                updates[f"{kind} {one.hashValue}"] = shared
            yield Delta(updates, _plain(StopNCIICheckpoint.from_stopncii_fetch(response)))

    def _convert(self, types: list[Any], key: Any, value: Any) -> tuple[Shared, ...]:
        merged = None if value is None else self._api.fetch_value_merge(None, value)
        if merged is None:
            return ()
        if self.name == "ncmec":
            return self._convert_ncmec(merged)
        found: list[Shared] = []
        by_type = self._api.naive_convert_to_signal_type(types, self._collab, {key: merged})
        for signal_type, signals in by_type.items():
            kind = _KINDS.get(signal_type.get_name())
            for text, metadata in signals.items() if kind else ():
                found += _shared(kind or "", text, metadata, _external(metadata))
        return tuple(found)

    def _convert_ncmec(self, entry: Any) -> tuple[Shared, ...]:
        """All kinds of hash that we can look for; the library's own conversion leaves out MD5 and SHA-1 of pictures."""
        if self._collab.only_esp_ids and entry.member_id not in self._collab.only_esp_ids:
            return ()
        from threatexchange.exchanges.impl.ncmec_api import NCMECSignalMetadata

        tags = {entry.classification} if entry.classification else set()
        found: list[Shared] = []
        for name, text in entry.fingerprints.items():
            kind = _NCMEC_KINDS.get(name.lower())
            if kind is not None:
                external = {"esp_id": entry.member_id, "entry_id": entry.id}
                found += _shared(kind, text, NCMECSignalMetadata({entry.member_id: tags}), external)
        return tuple(found)

    def report_false_positive(self, kind: str, hash_bytes: bytes, external: Mapping[str, Any]) -> None:
        """Tell the programme that a hash of its found something innocent here. Raises Unsupported or its own."""
        if self.name not in _FEEDBACK:
            raise Unsupported(f"{self.name} takes no feedback")
        if self.name == "stopncii":
            self._report_stopncii(external, hash_bytes)
        elif self.name == "ncmec":
            self._report_ncmec(kind, external)
        elif external.get("descriptor_id"):
            _, error, answer = self._api.client.react_downvote_threat_descriptor(external["descriptor_id"])
            if error is not None or "error" in answer:
                raise RuntimeError("the programme refused the reaction")
        else:
            raise Unsupported("this hash has no descriptor that we could react to")

    def _report_stopncii(self, external: Mapping[str, Any], hash_bytes: bytes) -> None:
        from threatexchange.exchanges.clients.stopncii.api import StopNCIICSPFeedbackValue, StopNCIISignalType

        if not self._credentials.get("feedback_function_key"):
            raise Unsupported("feedback to StopNCII takes the credential feedback_function_key")
        kind = StopNCIISignalType(external.get("type", "ImagePDQ"))
        self._api.api.submit_feedback(kind, hash_bytes.hex(), StopNCIICSPFeedbackValue.NotBlocked)

    def _report_ncmec(self, kind: str, external: Mapping[str, Any]) -> None:
        from threatexchange.exchanges.clients.ncmec.hash_api import FeedbackType, FingerprintType

        client = self._api.get_client(self._collab.environment)
        client.submit_feedback(
            external["esp_id"], external["entry_id"], FingerprintType[kind], FeedbackType.downvote, self._reason
        )


def _key(key: Any) -> str:
    return key if isinstance(key, str) else " ".join(map(str, key))


def _plain(checkpoint: Any) -> dict[str, Any]:
    return dataclasses.asdict(checkpoint) if dataclasses.is_dataclass(checkpoint) else {}  # type: ignore[arg-type]


def _external(metadata: Any) -> dict[str, Any]:
    ids = [getattr(opinion, "descriptor_id", None) for opinion in metadata.get_as_opinions()]
    known = [one for one in ids if one is not None and one > 0]
    return {"descriptor_id": known[0]} if known else {}


def _shared(kind: str, text: str, metadata: Any, external: dict[str, Any]) -> tuple[Shared, ...]:
    """A hash, unless it is malformed or the programme's members agree that it is innocent."""
    from threatexchange.exchanges.fetch_state import AggregateSignalOpinionCategory as Category

    from parley.screening.hash_formats import read_hash

    try:
        bits = read_hash(text.strip().lower(), kind)
    except ValueError:
        return ()
    opinion = metadata.get_as_aggregate_opinion()
    if opinion.category is Category.NEGATIVE_CLASS:
        return ()
    tags = tuple(sorted(str(tag)[:100] for tag in opinion.tags))[:20]
    return (Shared(kind, bits, tags, opinion.category is Category.DISPUTED, external),)

"""Adds entries that stand in no file to a policy's banks: what an instance's staff put there.

Pure: the entries come from the caller. This file must not know where they are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from parley.screening import banks
from parley.screening.account_banks import AccountBank, AccountBankName, AccountEntry, Network, read_network
from parley.screening.banks import TIERS, LinkBank, LinkEntry, Tier, WordBank, WordEntry, compile_phrases
from parley.screening.documents import State
from parley.screening.phrases import PhraseError
from parley.screening.ruleset import Ruleset

BankName = Literal["words", "links", "emails", "addresses", "names"]
BANKS: tuple[BankName, ...] = get_args(BankName)
OWN = "own:"
"""What the names of such entries begin with in matches, so that none is taken for one of the files."""
MOST_ITEMS = 1000
"""How many items one entry may hold."""


_WIDEST = {4: 8, 6: 16}


class BankItem(Struct, frozen=True, kw_only=True):
    """One entry as it is written down. `items` are phrases, domains or networks; `patterns` are RE2, for whole URLs or
    user names; `unless` are phrases or domains that are no match."""

    bank: BankName
    name: str
    tier: Tier
    clause: str
    title: str = ""
    state: State = "LIVE"
    items: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    expires: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether the judge looks for it: LIVE decides, BACKGROUND is only logged."""
        return self.state in ("LIVE", "BACKGROUND")


def normalise_item(item: BankItem, ruleset: Ruleset) -> BankItem:
    """Return the entry as banks hold it, or raise ValueError with a sentence that says what is wrong."""
    if item.clause not in ruleset.clauses:
        raise ValueError(f"there is no clause {item.clause!r}. Clauses: {', '.join(ruleset.clauses)}.")
    if item.tier not in TIERS:
        raise ValueError(f"{item.tier!r} is no tier. Tiers: {', '.join(TIERS)}.")
    if item.bank not in BANKS:
        raise ValueError(f"{item.bank!r} is no bank. Banks: {', '.join(BANKS)}.")
    if not item.items and not item.patterns:
        raise ValueError("an entry needs something to look for.")
    if len(item.items) + len(item.patterns) + len(item.unless) > MOST_ITEMS:
        raise ValueError(f"an entry holds at most {MOST_ITEMS} items. Make several entries of it.")
    if item.patterns and item.bank not in ("links", "names"):
        raise ValueError(f"only links and names have patterns, {item.bank} have not.")
    if item.items and item.bank == "names":
        raise ValueError("names are looked for by patterns, such as ^admin[0-9]*$.")
    if item.unless and item.bank in ("addresses", "names"):
        raise ValueError(f"{item.bank} know no exceptions (unless).")
    for pattern in item.patterns:
        if fault := banks.check_pattern(pattern):
            raise ValueError(f"{pattern!r} is not a pattern in RE2 syntax: {fault}.")
    return msgspec.structs.replace(
        item,
        items=_normalise(item.bank, item.items, ruleset),
        unless=_normalise(item.bank, item.unless, ruleset),
    )


def _normalise(bank: BankName, written: Sequence[str], ruleset: Ruleset) -> tuple[str, ...]:
    if bank == "words":
        try:
            compile_phrases(written, ruleset.words.spellings)
        except PhraseError as error:
            raise ValueError(str(error)) from None
        return tuple(text.strip() for text in written)
    if bank == "addresses":
        return tuple(str(_narrow(read_network(text))) for text in written)
    return tuple(banks.normalise_domain(text) for text in written)


def _narrow(network: Network) -> Network:
    """Return the network, or raise ValueError when so many people share it that it can only be a mistake."""
    widest = _WIDEST[network.version]
    if network.prefixlen < widest:
        raise ValueError(f"{network} covers too many addresses. The widest that is taken is /{widest}.")
    return network


def extend_ruleset(base: Ruleset, items: Iterable[BankItem]) -> Ruleset:
    """Return the ruleset with these entries besides; their digest becomes part of its hash.

    `base` must come from a policy's files alone. Entries must be normalised; those that do not count are left out.
    """
    counting = sorted((item for item in items if item.counts), key=lambda item: (item.bank, item.name))
    if not counting:
        return base
    digest = hashlib.sha256(base.sha256.encode())
    for item in counting:
        digest.update(msgspec.json.encode(item))
        digest.update(b"\n")
    by_bank = {bank: [item for item in counting if item.bank == bank] for bank in BANKS}
    changes: dict[str, Any] = {"sha256": digest.hexdigest()}
    if by_bank["words"]:
        spellings = base.words.spellings
        words = [_word(item, spellings) for item in by_bank["words"]]
        changes["words"] = WordBank([*base.words.entries, *words], spellings)
    if by_bank["links"]:
        links = [LinkEntry(**_common(item), domains=item.items, patterns=item.patterns, unless=item.unless)
                 for item in by_bank["links"]]  # fmt: skip
        changes["links"] = LinkBank([*base.links.entries, *links], base.links.shorteners)
    names: tuple[AccountBankName, ...] = ("emails", "addresses", "names")
    if accounts := [_account(item, bank) for bank in names for item in by_bank[bank]]:
        changes["accounts"] = AccountBank([*base.accounts.entries, *accounts])
    return replace(base, **changes)


def _common(item: BankItem) -> dict[str, Any]:
    return {
        "id": OWN + item.name,
        "tier": item.tier,
        "clause": item.clause,
        "title": item.title,
        "background": item.state == "BACKGROUND",
        "expires": item.expires,
    }


def _word(item: BankItem, spellings: dict[str, tuple[str, ...]]) -> WordEntry:
    return WordEntry(
        **_common(item),
        phrases=compile_phrases(item.items, spellings),
        unless=compile_phrases(item.unless, spellings),
    )


def _account(item: BankItem, bank: AccountBankName) -> AccountEntry:
    return AccountEntry(
        **_common(item),
        bank=bank,
        domains=item.items if bank == "emails" else (),
        networks=item.items if bank == "addresses" else (),
        patterns=item.patterns,
        unless=item.unless,
    )

"""Which groups of people a text speaks of, by plain words. For measuring errors per group, never for judging."""

from __future__ import annotations

import re

GROUPS: dict[str, re.Pattern[str]] = {
    name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for name, words in {
        "women": "women|woman|girls?|females?|wives|feminists?|bitch(?:es)?|hoes?|sluts?|whores?",
        "Muslims": "muslims?|islam(?:ic|ists?)?|mosques?|muzzies?|moslems?",
        "Jews": "jews?|jewish|zionists?|kikes?|synagogues?|judaism",
        "Black people": "blacks?|black (?:people|men|women)|africans?|niggers?|niggas?|negroe?s?",
        "white people": "whites?|white (?:people|men|women)|caucasians?|whitey|rednecks?",
        "gay and lesbian people": "gays?|lesbians?|homosexuals?|queers?|fag(?:got)?s?|dykes?|homos?",
        "transgender people": "trans|transgender|trann(?:y|ies)|transsexuals?",
        "immigrants and refugees": "immigrants?|immigration|migrants?|refugees?|illegals?|aliens?|foreigners?",
        "Latinos": "mexicans?|latin[oax]s?|hispanics?|spics?|wetbacks?|beaners?",
        "Asians": "asians?|chinese|chinks?|indians?|pakis?|japanese|koreans?|gooks?",
        "disabled people": "disabled|disabilit(?:y|ies)|retard(?:s|ed)?|cripples?|autistic|autism|wheelchairs?",
        "Christians": "christians?|catholics?|churches|jesus",
    }.items()
}


def groups_in(text: str) -> list[str]:
    """Return the groups whose words stand in the text."""
    return [name for name, pattern in GROUPS.items() if pattern.search(text)]

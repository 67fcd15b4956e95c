"""Language detection: what it costs and how often it is right, on labelled German and ordinary English tweets.

    python -m bench.language [--data ../shared/data/moderation]

Prints the share of texts (8 characters or more) whose language is found and is right, and the share that is found and
is wrong, at the certainty that posting asks for; memory and time to load; microseconds for a text.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from pathlib import Path

import psutil

from parley.social.statuses import text

FILES = {"de": "germeval26_c2a.jsonl.gz", "en": "tweeteval_emotion.jsonl.gz"}
MOST = 1000


def read_texts(file: Path) -> list[str]:
    """The first thousand texts of the file without mentions, links and hashtags."""
    found = []
    with gzip.open(file, "rt") as lines:
        for line in lines:
            words = re.sub(r"@user|http\S*|#\w+|RT\b", "", json.loads(line)["text"]).replace("\n", " ").strip()
            if len(words) >= 8:
                found.append(words)
            if len(found) == MOST:
                break
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.language", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/moderation"))
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(
            f"{arguments.data} is not there: this measurement needs labelled texts; name their folder with --data."
        )
    process = psutil.Process()
    memory, begun = process.memory_info().rss, time.process_time()
    detect = text._load_model()
    print(f"load: {time.process_time() - begun:.2f} s, {(process.memory_info().rss - memory) / 2**20:.0f} MiB")
    for language, name in FILES.items():
        texts = read_texts(arguments.data / name)
        begun = time.process_time()
        best = [detect(words, model="lite", k=1)[0] for words in texts]
        cost = (time.process_time() - begun) / len(texts) * 1e6
        sure = [answer["lang"] for answer in best if answer["score"] >= text._CERTAIN]
        right = sure.count(language) / len(texts)
        print(f"{language}: {right:.1%} right, {len(sure) / len(texts) - right:.1%} wrong, {cost:.0f} µs a text")


if __name__ == "__main__":
    main()

"""PDQ hashes, their index, videos by frames, and lists of hashes in others' formats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from parley.screening import Content, Facts, Outcome, image_hash, judge
from parley.screening.cases import NOW
from parley.screening.content import MediaMatch
from parley.screening.hash_formats import BadLine, ListedHash, read_hash_list, write_hash_list
from parley.screening.image_hash import MATCH_DISTANCE, HashIndex, count_differing, turned_forms
from parley.screening.media_signals import WAITING, wait_for_media
from parley.screening.video_hash import FrameHash, distinct_frames, sample_times, share_frames
from tests.media.known import jpeg, scene


def hash_of(picture: Image.Image) -> bytes:
    return image_hash.hash_pixels(np.asarray(picture.convert("RGB"))).bits


def near(one: bytes, other: bytes) -> bool:
    return min(count_differing(form, other) for form in turned_forms(one)) <= MATCH_DISTANCE


SCENES = [scene(seed) for seed in range(12)]


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.resize((320, 240)),
        lambda one: one.filter(ImageFilter.GaussianBlur(2)),
        lambda one: ImageEnhance.Brightness(one).enhance(0.7),
        lambda one: one.convert("L"),
        ImageOps.mirror,
        ImageOps.flip,
        lambda one: one.rotate(90, expand=True),
        lambda one: one.rotate(180),
        lambda one: one.rotate(270, expand=True),
        lambda one: one.transpose(Image.Transpose.TRANSPOSE),
        lambda one: one.transpose(Image.Transpose.TRANSVERSE),
    ],
    ids=["half", "blurred", "darker", "grey", "mirrored", "flipped", "left", "round", "right", "transposed", "crossed"],
)
def test_a_changed_picture_is_found_by_its_hash(change) -> None:
    assert all(near(hash_of(change(picture)), hash_of(picture)) for picture in SCENES)


def test_different_pictures_have_different_hashes() -> None:
    hashes = [hash_of(picture) for picture in SCENES]
    assert not any(near(one, other) for at, one in enumerate(hashes) for other in hashes[at + 1 :])


def test_a_picture_without_detail_says_so() -> None:
    assert not image_hash.hash_pixels(np.full((64, 64, 3), 200, np.uint8)).is_useful


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(0, 400), flips=st.integers(0, 60))
def test_the_index_finds_exactly_what_a_look_at_every_hash_finds(seed: int, size: int, flips: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.integers(0, 256, (size, 32), dtype=np.uint8)
    asked = rows[0].copy() if size else random.integers(0, 256, 32, dtype=np.uint8)
    bits = np.unpackbits(asked)
    bits[random.choice(256, flips, replace=False)] ^= 1
    one = np.packbits(bits).tobytes()
    expected = {
        (at, distance)
        for at, row in enumerate(rows)
        if (distance := count_differing(row.tobytes(), one)) <= MATCH_DISTANCE
    }
    assert set(HashIndex(rows.tobytes()).find(one)) == expected


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.sets(st.integers(0, 255), max_size=31))
def test_hashes_within_the_distance_share_a_key_of_the_bands(one: bytes, flipped: set[int]) -> None:
    other = (int.from_bytes(one) ^ sum(1 << bit for bit in flipped)).to_bytes(32)
    own = {band << 16 | int.from_bytes(other[2 * band : 2 * band + 2]) for band in range(16)}
    assert own & set(image_hash.band_keys([one]))


def test_eight_forms_turn_back_into_each_other() -> None:
    one = bytes(range(32))
    forms = turned_forms(one)
    assert len(set(forms)) == 8
    assert forms[0] == one
    assert all(set(turned_forms(form)) == set(forms) for form in forms)


def test_frames_are_taken_each_second_and_never_too_many() -> None:
    assert sample_times(0.4) == [0.0]
    assert sample_times(3.9) == pytest.approx([0.0, 1.3, 2.6])
    assert len(sample_times(4 * 3600)) == 60
    assert max(sample_times(4 * 3600)) < 4 * 3600


def test_black_frames_and_long_stills_do_not_count() -> None:
    still, other = bytes(32), bytes([255] * 32)
    frames = [FrameHash(still, 100), FrameHash(still, 100), FrameHash(other, 20), FrameHash(other, 100)]
    assert [frame.bits for frame in distinct_frames(frames)] == [still, other]


def test_videos_are_alike_when_half_of_one_is_in_the_other() -> None:
    assert share_frames([(0, 5), (1, 6)], asked=4, known=60).alike
    assert share_frames([(0, 0), (9, 1)], asked=40, known=3).alike
    assert not share_frames([(0, 5)], asked=4, known=60).alike
    assert not share_frames([], asked=0, known=0).alike


def test_lists_of_others_are_read() -> None:
    pdq, md5 = "f8" * 32, "ab" * 16
    cases = {
        f"hash,type,tags\n{pdq},pdq,a b\n": [("pdq", pdq, ("a", "b"))],
        f"type,signal\nHASH_VIDEO_MD5,{md5}\n": [("md5", md5, ())],
        f"{pdq},12345,6789,2026-01-01,tag1 tag2\n": [("pdq", pdq, ("tag1", "tag2"))],
        f"# a list\n\n{md5.upper()}\nsha256 {pdq}\n": [("md5", md5, ()), ("sha256", pdq, ())],
    }
    for text, expected in cases.items():
        read = list(read_hash_list(text.splitlines(True), kind="pdq" if "12345" in text else None))
        assert [(one.kind, one.hash.hex(), one.tags) for one in read if isinstance(one, ListedHash)] == expected


def test_a_line_that_is_no_hash_is_named_and_left_out() -> None:
    read = list(read_hash_list(["hash,type\n", "zz,md5\n", f"{'a' * 64}\n", f"{'a' * 32},md5\n"]))
    assert [type(one) for one in read] == [BadLine, BadLine, ListedHash]
    assert "32 hexadecimal digits" in read[0].why
    assert "which kind" in read[1].why


def test_what_is_written_is_read_back() -> None:
    hashes = [ListedHash("pdq", bytes(32), ("a", "b"), 80), ListedHash("frame", bytes([1] * 32), (), 100, "7")]
    assert list(read_hash_list(write_hash_list(hashes))) == hashes


def known(tier: str, **params) -> MediaMatch:
    return MediaMatch(bank="b", entry=1, tier=tier, clause="4.2", kind="pdq", place="media_1", **params)


@pytest.mark.parametrize(
    ("tier", "outcome"),
    [("quarantine", "quarantine"), ("reject", "reject"), ("hold", "hold"), ("flag", "allow_flag")],
)
def test_the_tier_of_a_bank_decides_and_the_verdict_says_how_the_file_is_alike(tier: str, outcome: str) -> None:
    content = Content(kind="status", texts={"text": "look"}, media_count=1, media_matches=(known(tier, distance=4),))
    facts = Facts(now=NOW, account_age_days=90, published_statuses=50)
    verdict = judge(content, facts)
    assert verdict.outcome == outcome
    assert verdict.clause == "4.2"
    assert "4 of 256 bits differ" in verdict.because[0]


def test_a_background_match_is_logged_and_decides_nothing() -> None:
    content = Content(kind="status", texts={"text": "look"}, media_matches=(known("reject", background=True),))
    verdict = judge(content, Facts(now=NOW, account_age_days=90, published_statuses=50))
    assert verdict.outcome == "allow"
    assert verdict.matches[0].background


def test_nothing_lets_a_file_through_that_was_not_judged_yet() -> None:
    content = Content(kind="status", texts={"text": "look"}, media_count=1, media_waiting=1)
    verdict = wait_for_media(judge(content, Facts(now=NOW, role="owner")), content)
    assert verdict.outcome is Outcome.HOLD
    assert verdict.sentence == WAITING


def test_a_jpeg_of_low_quality_is_found() -> None:
    import io

    for picture in SCENES:
        opened = Image.open(io.BytesIO(jpeg(picture, quality=30)))
        assert near(hash_of(opened), hash_of(picture))

"""Cleans videos and sounds: their packets are copied into a new container that carries nothing else.

Runs only inside the decoding process. What browsers cannot play is encoded anew, within limits. Tags,
positions, chapters, data tracks and user data inside H.264 and AV1 streams are left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container import Flags
from av.stream import Disposition
from PIL import Image

from parley.kit.errors import Invalid
from parley.social.media.formats import (
    FLAC,
    MAX_AREA,
    MAX_DURATION,
    MP3,
    OGG,
    WEBM,
    Format,
    check_pixels,
    sniff,
)
from parley.social.media.hashing import hash_picture, hash_sound, hash_video
from parley.social.media.pictures import clean_thumbnail, describe, fit_area, hash_of, opaque, write_preview
from parley.social.media.results import FileMade, Result

BROKEN = "This file is broken or incomplete. Open and save it again with another program, then retry."
TOO_LONG = f"This recording is too long: at most {MAX_DURATION / 3600:.0f} hours are accepted."
TOO_SLOW = (
    "This video would take too long to convert. Save it as MP4 (H.264 with AAC sound), "
    "or make it shorter or smaller, and try again."
)
NO_TRACK = "This file has neither a picture nor a sound track that can be played."

CONVERTED_AREA = 1920 * 1080
MAX_CONVERTED_PIXELS = 40_000_000_000
"""Pixels of all frames of a video that is encoded anew: about ten minutes at 1080p and 30 frames a second."""
DECODERS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,mpeg4,prores,mjpeg,png,aac,mp3,mp3float,opus,libopus,"
    "vorbis,flac,alac,pcm_s16le,pcm_s16be,pcm_s24le,pcm_f32le"
)
"""The only decoders that a hostile file can reach."""

BITEXACT: Any = Flags.bitexact.value
"""No word about the program that wrote a file."""

COPIED_VIDEO = {"mp4": {"h264"}, "webm": {"vp8", "vp9", "av1"}}
COPIED_AUDIO = {
    "mp4": {"aac", "mp3"},
    "m4a": {"aac"},
    "webm": {"opus"},
    "mp3": {"mp3"},
    "ogg": {"opus", "vorbis", "flac"},
    "flac": {"flac"},
}
ENCODERS = {
    "mp4": "aac",
    "m4a": "aac",
    "webm": "libopus",
    "mp3": "libmp3lame",
    "ogg": "libopus",
    "flac": "flac",
}
MUXERS = {"mp4": "mp4", "m4a": "ipod", "webm": "webm", "mp3": "mp3", "ogg": "ogg", "flac": "flac"}
MUXER_OPTIONS = {
    "mp4": {"movflags": "+faststart"},
    "m4a": {"movflags": "+faststart"},
    "mp3": {"id3v2_version": "0", "write_id3v1": "0"},
}
FILTERS = {"h264": "filter_units=remove_types=6", "av1": "filter_units=remove_types=5"}
"""Drop what a camera wrote into the stream itself (SEI, metadata units), where some keep positions."""


def open_recording(path: Path, expected: Format) -> Any:
    """Open with one demuxer and the allowed decoders; no other file can be reached from inside it."""
    options = {"codec_whitelist": DECODERS, "protocol_whitelist": "file", "max_streams": "64"}
    try:
        return av.open(str(path), "r", format=expected.decoder, options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Invalid(BROKEN) from error


def clean_attachment(path: Path, expected: Format, folder: Path) -> Result:
    """A video or sound as it is attached to a post."""
    try:
        with open_recording(path, expected) as source:
            video = next((one for one in source.streams.video if not _is_cover(one)), None)
            audio = next(iter(source.streams.audio), None)
            _check_duration(source)
            if video is not None and expected.family == "video":
                made = _copy_video(source, video, audio, expected, folder)
            elif audio is not None:
                return _clean_sound(source, audio, expected, folder)
            else:
                raise Invalid(NO_TRACK)
        return _describe_video(made, folder)
    except MemoryError:
        raise
    except (av.FFmpegError, StopIteration, OSError, ValueError, ArithmeticError) as error:
        raise Invalid(BROKEN) from error


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _check_duration(source: Any) -> None:
    if source.duration is not None and source.duration / av.time_base > MAX_DURATION:
        raise Invalid(TOO_LONG)


class _Track:
    """One track on its way into the new file: its packets are copied, or decoded and encoded anew."""

    def __init__(self, target: Any, source: Any, *, encoder: str | None, size: tuple[int, int] | None = None) -> None:
        self.target = target
        self.encoder = encoder
        self.size = size
        self.filter: Any = None
        self.end = 0.0
        if encoder is None:
            self.out = target.add_stream_from_template(source, opaque=True)
            self.out.metadata.clear()
            if source.codec.canonical_name in FILTERS:
                self.filter = BitStreamFilterContext(FILTERS[source.codec.canonical_name], source, self.out)
        elif size is not None:
            self._add_video(source, size)
        else:
            self.out = target.add_stream(encoder, rate=48_000 if encoder != "flac" else source.rate)
            self.out.codec_context.layout = "mono" if source.codec_context.channels == 1 else "stereo"
            self.out.codec_context.bit_rate = 160_000

    def _add_video(self, source: Any, size: tuple[int, int]) -> None:
        options = {"preset": "veryfast", "crf": "23", "profile": "main"}
        self.out = self.target.add_stream("libx264", rate=_frame_rate(source) or 30, options=options)
        self.out.width, self.out.height = size
        self.out.pix_fmt = "yuv420p"
        self.out.codec_context.time_base = Fraction(1, 90_000)
        self.out.codec_context.thread_count = 2
        source.codec_context.thread_count = 2

    def take(self, packet: Any) -> None:
        """Pass one packet on; raises Invalid when the recording turns out to be too long."""
        if packet.pts is not None and packet.time_base is not None:
            self.end = max(self.end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if self.end > MAX_DURATION:
                raise Invalid(TOO_LONG)
        if self.encoder is None:
            if packet.dts is None:
                return
            for one in self.filter.filter(packet) if self.filter is not None else [packet]:
                one.stream = self.out
                self.target.mux(one)
            return
        for frame in packet.decode():
            self._encode(frame)

    def _encode(self, frame: Any) -> None:
        if self.size is not None:
            frame = frame.reformat(width=self.size[0], height=self.size[1], format="yuv420p")
            frame.pict_type = 0
        self.target.mux(self.out.encode(frame))

    def finish(self) -> None:
        """Write what the filter or the encoder still holds."""
        if self.encoder is not None:
            self.target.mux(self.out.encode(None))
        elif self.filter is not None:
            for one in self.filter.filter(None):
                one.stream = self.out
                self.target.mux(one)


def _rotation_of(path: Path, expected: Format) -> int:
    """How the first frame asks to be turned, in degrees; the header of a new file must say it before any frame."""
    with open_recording(path, expected) as source:
        return int(next(source.decode(video=0)).rotation)


def _frame_rate(stream: Any) -> Fraction | None:
    """Frames per second, within what makes sense."""
    rate = stream.average_rate or stream.guessed_rate
    return Fraction(rate) if rate and 0 < rate <= 240 else None


def _open_target(path: Path, extension: str) -> Any:
    target: Any = av.open(str(path), "w", format=MUXERS[extension], container_options=MUXER_OPTIONS.get(extension, {}))
    target.flags = target.flags | BITEXACT
    return target


def _copy_video(source: Any, video: Any, audio: Any, expected: Format, folder: Path) -> FileMade:
    context = video.codec_context
    check_pixels(context.width, context.height)
    codec = video.codec.canonical_name
    extension = "webm" if expected is WEBM and codec in COPIED_VIDEO["webm"] else "mp4"
    plain = context.pix_fmt in ("yuv420p", "yuvj420p") and context.width * context.height <= MAX_AREA
    size: tuple[int, int] | None = None
    rotation = 0
    if not plain or codec not in COPIED_VIDEO[extension]:
        extension = "mp4"
        size = _even(fit_area((context.width, context.height), CONVERTED_AREA))
        seconds = float(source.duration or 0) / av.time_base
        if seconds * float(_frame_rate(video) or 30) * size[0] * size[1] > MAX_CONVERTED_PIXELS:
            raise Invalid(TOO_SLOW)
        rotation = _rotation_of(Path(source.name), expected)
    made = FileMade(f"file.{extension}", extension)
    with _open_target(made.path_in(folder), extension) as target:
        tracks = {video.index: _Track(target, video, encoder="libx264" if size else None, size=size)}
        if rotation:
            tracks[video.index].out.set_display_rotation(rotation)
        if audio is not None:
            tracks[audio.index] = _Track(target, audio, encoder=_sound_encoder(audio, extension))
        _run(source, tracks, [stream for stream in (video, audio) if stream is not None])
    _check_whole(source, expected, max(track.end for track in tracks.values()))
    return made


def _sound_encoder(audio: Any, extension: str) -> str | None:
    return None if audio.codec.canonical_name in COPIED_AUDIO[extension] else ENCODERS[extension]


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2)


def _run(source: Any, tracks: dict[int, _Track], streams: list[Any]) -> None:
    for packet in source.demux(streams):
        tracks[packet.stream.index].take(packet)
    for track in tracks.values():
        track.finish()


def _check_whole(source: Any, expected: Format, end: float) -> None:
    """Raise when less came than the header promised: the file was cut off. An MP3's length is only estimated."""
    promised = 0.0 if expected is MP3 else float(source.duration or 0) / av.time_base
    if end <= 0 or end < promised * 0.9 - 1:
        raise Invalid(BROKEN)


def _describe_video(made: FileMade, folder: Path) -> Result:
    """Meta, poster and blurhash of the finished file, which proves that it can be played."""
    path = made.path_in(folder)
    with av.open(str(path), metadata_errors="replace") as container:
        video = container.streams.video[0]
        frame = next(container.decode(video))
        picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        if frame.rotation:
            picture = picture.rotate(frame.rotation, expand=True)
        duration = float(container.duration or 0) / av.time_base
        rate = video.average_rate
        meta: dict[str, Any] = {
            **_describe_length(duration),
            "fps": round(float(rate)) if rate else None,
            **describe(picture.size),
            "original": {
                "width": picture.width,
                "height": picture.height,
                "frame_rate": f"{rate.numerator}/{rate.denominator}" if rate else None,
                "duration": duration,
                "bitrate": int(path.stat().st_size * 8 / duration) if duration else 0,
            },
        }
        if container.streams.audio:
            meta |= _describe_sound(container.streams.audio[0])
    preview, size = write_preview(picture, folder)
    meta["small"] = describe(size)
    hashes = (hash_picture(picture), *hash_video(path), *hash_sound(path))
    return Result(type="video", file=made, preview=preview, meta=meta, blurhash=hash_of(picture), hashes=hashes)


def _describe_length(seconds: float) -> dict[str, Any]:
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    return {
        "length": f"{hours}:{minutes:02d}:{rest // 100:02d}.{rest % 100:02d}",
        "duration": round(seconds, 2),
    }


def _describe_sound(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    return {
        "audio_encode": stream.codec.canonical_name,
        "audio_bitrate": f"{context.sample_rate} Hz",
        "audio_channels": context.layout.name,
    }


def _clean_sound(source: Any, audio: Any, expected: Format, folder: Path) -> Result:
    extension = {MP3: "mp3", OGG: "ogg", FLAC: "flac", WEBM: "ogg"}.get(expected, "m4a")
    made = FileMade(f"file.{extension}", extension)
    covers = [stream for stream in source.streams.video if _is_cover(stream)]
    cover = folder / "cover"
    with _open_target(made.path_in(folder), extension) as target:
        track = _Track(target, audio, encoder=_sound_encoder(audio, extension))
        for packet in source.demux([audio, *covers[:1]]):
            if packet.stream.index == audio.index:
                track.take(packet)
            elif packet.size and not cover.exists():
                cover.write_bytes(bytes(packet))
        track.finish()
    _check_whole(source, expected, track.end)
    path = made.path_in(folder)
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.audio[0]
        next(container.decode(stream))
        duration = max(float(container.duration or 0) / av.time_base, 0.0) or track.end
        meta: dict[str, Any] = {
            **_describe_length(duration),
            **_describe_sound(stream),
            "original": {
                "duration": duration,
                "bitrate": int(path.stat().st_size * 8 / duration) if duration else 0,
            },
        }
    hashes = hash_sound(path)
    shown = _clean_cover(cover, folder)
    if shown is None:
        return Result(type="audio", file=made, meta=meta, hashes=hashes)
    meta["small"] = shown.meta["small"]
    hashes = (*hashes, *shown.hashes)
    return Result(type="audio", file=made, preview=shown.file, meta=meta, blurhash=shown.blurhash, hashes=hashes)


def _clean_cover(cover: Path, folder: Path) -> Result | None:
    """The picture that a sound carries; one that is broken or of no known kind is left out."""
    if not cover.exists():
        return None
    try:
        with cover.open("rb") as file:
            expected = sniff(file.read(4096))
        return clean_thumbnail(cover, expected, folder) if expected.family == "image" else None
    except Invalid:
        return None


def write_animation(
    frames: Iterator[tuple[Image.Image, int]], folder: Path
) -> tuple[FileMade, Image.Image, dict[str, Any]]:
    """Frames with durations in milliseconds as a silent, looping video; also its first frame and its meta."""
    made = FileMade("file.mp4", "mp4")
    first: Image.Image | None = None
    moment = count = 0
    with _open_target(made.path_in(folder), "mp4") as target:
        stream = target.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "20"})
        for picture, lasts in frames:
            if first is None:
                stream.width, stream.height = _even(fit_area(picture.size, CONVERTED_AREA))
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
                stream.codec_context.thread_count = 2
                first = opaque(picture)
            plain = opaque(picture).resize((stream.width, stream.height))
            frame = av.VideoFrame.from_image(plain)  # type: ignore[no-untyped-call]
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            target.mux(stream.encode(frame))
            moment += lasts
            count += 1
        if first is None:
            raise Invalid(BROKEN)
        target.mux(stream.encode(None))
    seconds = moment / 1000
    size = _even(fit_area(first.size, CONVERTED_AREA))
    rate = Fraction(count * 1000, moment).limit_denominator(1001)
    meta: dict[str, Any] = {
        **_describe_length(seconds),
        "fps": max(1, round(float(rate))),
        **describe(size),
        "original": {
            "width": size[0],
            "height": size[1],
            "frame_rate": f"{rate.numerator}/{rate.denominator}",
            "duration": seconds,
            "bitrate": int(made.path_in(folder).stat().st_size * 8 / seconds),
        },
    }
    return made, first, meta

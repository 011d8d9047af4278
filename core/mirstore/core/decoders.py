"""The two decoders: PyAV, which is FFmpeg's libraries, and soundfile for the few formats that only it knows.

PyAV comes first for every format: it reads to the end of the file, whatever a header says; it goes on after a damaged
packet; its lengths are those of FFmpeg's command line, encoder delay and padding included; it names the channels; and
it is no slower. Both read through `Source`, a file object of ours, so that odd names cannot hurt, no other file is
ever opened, and an error of the disk is not mistaken for the end of the music.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np

from mirstore.core.downmix import name_channels
from mirstore.core.errors import AudioError
from mirstore.core.frames import Frames, Losses, clock, join, milliseconds, most_samples, unite
from mirstore.core.headers import asf_seconds, container_name, cut_seconds, has_duration, mp3_seconds, ogg_is_cut
from mirstore.core.recording import Audio, frozen

_block = 1 << 20  # samples
_buffer = 1 << 17  # bytes that PyAV asks for at once
_rates = range(1_000, 384_001)

# Containers whose demuxers read the file itself and nothing else; concat, hls, dash and sdp would open others.
# Their lengths are counted by the writer, so fewer samples mean that something is missing …
_counted = frozenset("aiff ape au caf dsf flac iff mov mp4 m4a mpc mpc8 ogg shn tak tta voc w64 wav wv wavarc".split())
# … or guesses, or counted in some files only (`mirstore.core.headers`).
_streamed = frozenset(
    "aac ac3 act adx aea amr amrnb amrwb asf avi bonk dts dtshd eac3 flv gsm ircam iss latm loas matroska mlp mp3 mpeg "
    "mpegts nistsphere nut oma osq paf pvf qcp qoa rm sol sox truehd webm wve xwma".split()
)
_exact = frozenset("aiff flac tta wav w64 wv".split())  # to the sample; elsewhere padding is counted, or not
_checksummed = frozenset("ac3 eac3 flac tak tta wavpack".split())
_late = 0.05  # [s] that an Ogg file may begin after 0
_options = {
    "format_whitelist": ",".join(sorted(_counted | _streamed)),
    "protocol_whitelist": "",
}


class Source:
    """A file that answers errors as C libraries expect it, and remembers the disk's."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def read(self, size: int = -1, /) -> bytes:
        """Return bytes, none at the end or after an error.

        Parameters
        ----------
        size : int
            Most bytes; -1 means all.
        """
        try:
            return self._file.read(size)
        except OSError as error:
            self.error = error
            return b""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Return the new place, -1 where there is no such place: damaged files name some before their beginning.

        Parameters
        ----------
        offset : int
        whence : int
            0 from the beginning, 1 from where it is, 2 from the end.
        """
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()


def decode_by_av(file: Source, max_duration: float) -> Audio:
    """Decode by PyAV, packet by packet: a broken one is left out and told, the rest is kept.

    Parameters
    ----------
    file : Source
    max_duration : float > 0 [s]
        Longer audio is refused.

    Raises
    ------
    AudioError
        If nothing could be decoded, or less than half of what the header promises.
    Exception
        Whatever PyAV raises.
    """
    import av

    av.logging.set_level(av.logging.PANIC)
    promised = cut_seconds(file) or mp3_seconds(file)  # where FFmpeg's own answer is another
    whole, states = asf_seconds(file), has_duration(file)
    ogg, cut = container_name(file) == "Ogg", ogg_is_cut(file)
    file.seek(0)
    with av.open(file, mode="r", options=_options, buffer_size=_buffer) as container:
        streams = container.streams.audio
        if not streams:
            raise AudioError("not audio", "has no audio stream")
        stream = streams[0]
        if stream.codec_context is None:
            raise AudioError("not audio", "its codec is not known, or protected")
        _check_format(stream.rate or 0, stream.channels)
        if not promised and len(container.streams) == 1:  # else the length may be the picture's
            promised = whole or (_seconds(container, stream) if states else None)
        if not promised and not _counted.isdisjoint(container.format.name.split(",")):
            promised = _own_seconds(stream)
            if promised and promised > max_duration:
                _refuse_long(promised, max_duration)
        if stream.codec_context.name in _checksummed:  # a damaged frame is lost, and told, instead of a burst of noise
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        frames, losses = _read(container, stream, max_duration)
        codec, exact = str(stream.codec_context.codec.canonical_name), container.format.name in _exact
        others = len(streams) - 1
    runs = frames.finish()
    warnings = losses.warnings(frames.seconds)
    if ogg and (before := losses.before) > _late:
        warnings.append(f"begins at {clock(before)} by its own clock: what was before is missing")
    if not runs:
        raise AudioError("corrupt" if warnings else "empty", "; ".join(warnings) or "has no audio samples")
    padding = 0.0005 if exact else max(0.1, 3 * 1152 / runs[0].sr)
    warnings += _missing(frames.seconds, losses.seconds, promised, padding)
    if cut:
        warnings.append("its last Ogg page is missing: it was probably cut short")
    if others:
        warnings.append(f"only the first of its {others + 1} audio streams is read")
    samples, ruling, converted = unite(runs)
    _check_format(ruling.sr, len(ruling.layout))
    layout, unnamed = name_channels(ruling.layout)
    warnings += [*converted, *filter(None, [unnamed])]
    return Audio(frozen(samples), ruling.sr, codec, f"PyAV {version('av')}", layout, tuple(warnings))


def _seconds(container: Any, stream: Any) -> float | None:
    own = _own_seconds(stream)
    return own if own is not None or container.duration is None else container.duration / 1e6


def _own_seconds(stream: Any) -> float | None:
    return None if stream.duration is None else float(stream.duration * stream.time_base)


def _read(container: Any, stream: Any, max_duration: float) -> tuple[Frames, Losses]:
    import av

    expected = min(_seconds(container, stream) or 0, max_duration)
    frames, losses = Frames(expected), Losses(stream.time_base)
    for decode in _packets(container, stream, losses):
        try:
            decoded = decode()
        except av.FFmpegError:
            losses.damaged += 1
            continue
        for frame in decoded:
            losses.frame(frame.pts, frames.seconds)
            frames.add(frame)
        if frames.seconds > max_duration:
            _refuse_long(frames.seconds, max_duration)
        _refuse_large(frames.samples)
    return frames, losses


def _packets(container: Any, stream: Any, losses: Losses) -> Iterator[Callable[[], list[Any]]]:
    """Yield what decodes each packet; the last one empties the decoder, also where the container breaks off."""
    import av

    read = False
    try:
        for packet in container.demux(stream):
            read = True
            yield packet.decode
    except av.FFmpegError as error:
        if not read:
            raise
        losses.stopped = str(error.strerror).lower()
        yield stream.codec_context.decode


def _missing(seconds: float, lost: float, promised: float | None, padding: float) -> list[str]:
    """Return what is missing of a promise beside what is known to be lost; lossy codecs count padding, or do not."""
    if not promised or promised - seconds - lost < padding:
        return []
    what = f"has {seconds:.3f} s of the {promised:.3f} s that its header promises"
    if seconds < 0.5 * promised:
        raise AudioError("truncated", what)
    return [f"{what}: {milliseconds(promised - seconds)} are missing"]


def decode_by_soundfile(file: Source, max_duration: float) -> Audio:
    """Decode by soundfile what only libsndfile knows: MATLAB, Sound Designer II, HTK and their like.

    Parameters
    ----------
    file : Source
    max_duration : float > 0 [s]
        Longer audio is refused.

    Raises
    ------
    AudioError
        If nothing could be decoded.
    Exception
        Whatever soundfile raises.
    """
    import soundfile

    file.seek(0)
    if file.read(4).startswith((b"ID3", b"OggS", b"\xff")):  # MP3 and Ogg: it stops at what it takes for the length
        raise AudioError("not audio", "no decoder knows it")
    file.seek(0)
    with soundfile.SoundFile(file) as sound:
        _check_format(sound.samplerate, sound.channels)
        blocks: list[np.ndarray] = []
        frames, problem = 0, ""
        while True:
            try:
                block = sound.read(max(1, _block // sound.channels), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                problem = f"ends at {frames / sound.samplerate:.3f} s: {error.error_string}"
                break
            if not len(block):
                break
            blocks.append(block.T)
            frames += len(block)
            if frames > max_duration * sound.samplerate:
                _refuse_long(frames / sound.samplerate, max_duration)
            _refuse_large(frames * sound.channels)
        sr, codec = sound.samplerate, f"{sound.format}/{sound.subtype}".lower()
        layout, unnamed = name_channels(["NONE"] * sound.channels)
    if not problem and frames < sound.frames < 1 << 50:
        problem = f"has {frames} of the {sound.frames} frames that its header promises"
    if not frames:
        raise AudioError("corrupt" if problem else "empty", problem or "has no audio samples")
    library = soundfile.__libsndfile_version__.removeprefix("libsndfile-")
    decoder = f"soundfile {soundfile.__version__} (libsndfile {library})"
    return Audio(frozen(join(blocks)), sr, codec, decoder, layout, tuple(filter(None, [problem, unnamed])))


def _check_format(sr: int, channels: int) -> None:
    if not 1 <= channels <= 8:
        raise AudioError("channels", f"has {channels} channels; 1 to 8 can be used")
    if sr not in _rates:
        raise AudioError("sampling rate", f"sampling rate {sr} Hz is outside {_rates[0]} to {_rates[-1]} Hz")


def _refuse_long(seconds: float, limit: float) -> None:
    raise AudioError("too long", f"is at least {seconds:.0f} s long; the limit is {limit:.0f} s")


def _refuse_large(samples: int) -> None:
    if samples > most_samples:
        raise AudioError("too long", f"has more than {most_samples} samples; cut it, or mix it down to mono")

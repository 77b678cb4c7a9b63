"""What an upload is, by its bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.web.contents import check_picture, upload_name, video_kind
from mien.web.refusals import Refusal


def test_clips_are_known(clips):
    assert video_kind(clips["motion"].path.read_bytes()[:512]) == "MP4 or QuickTime"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x1aE\xdf\xa3" + bytes(20), "Matroska or WebM"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0", "animated WebP"),
        (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0", None),
        (b"GIF89a", "GIF"),
        (b"\x47" + bytes(187) + b"\x47" + bytes(20), "MPEG transport stream"),
        (b"\xff\xd8\xff\xe0", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_kinds_of_videos(head, kind):
    assert video_kind(head) == kind


@given(st.binary(max_size=600))
def test_any_bytes_are_a_picture_or_refused(data):
    try:
        check_picture(data, "a", most_megapixels=1)
    except Refusal as refusal:
        assert refusal.status_code in (413, 415, 422)
        assert refusal.detail.startswith("expected ")
        assert "\n" not in refusal.detail
    video_kind(data)


@given(st.text(max_size=300) | st.none())
def test_names_are_names(name):
    kept = upload_name(name)
    assert kept
    assert len(kept) <= 200
    assert not set(kept) & set("/\\\0\n")

"""MMI: what the battery over all readers does not ask."""

import shutil

import numpy as np
import pytest
from layouts.faces import face
from layouts.mmi import sessions

from mien.core.errors import DataError, InputError, UsageError
from mien.datasets.check import check
from mien.datasets.readers.mmi import read_mmi


@pytest.fixture
def root(tmp_path):
    return sessions(tmp_path).root


def session(root, name):
    (folder,) = root.glob(f"*/Sessions/{name}")
    return folder


def row(data, name):
    return data[data.ids.tolist().index(name)]


def bar(image):
    """Which frame of a generated clip this is: how wide the white bar at its top is."""
    return round((image[3, :, 0] > 200).sum() / 8)


def test_frames_are_those_with_their_number(root):
    data = read_mmi(root, clips=True)
    for number in range(1, 10):
        assert bar(row(data, f"mmi-S001-001_{number:05d}").image) == number - 1


def test_a_frontal_clip_on_its_side_is_turned_upright(root):
    data = read_mmi(root)
    for name, label, seed in (("S001-001_00006", "anger", 1), ("S001-002_00004", "happiness", 2)):
        image = row(data, f"mmi-{name}").image
        assert image.shape == (480, 96, 3)
        drawn = face(label, seed=seed, size=96).astype(int)
        shown = image[192:288, :, 0].astype(int)
        assert np.abs(shown - drawn).mean() < 10 < np.abs(shown[::-1] - drawn).mean()


def test_two_views_in_one_picture_are_cut_apart(root):
    left, right = (read_mmi(root, view="frontal", dual=half) for half in ("left", "right"))
    whole = np.hstack([row(left, "mmi-S031-004-left").image, row(right, "mmi-S031-004-right").image])
    assert whole.shape == (96, 192, 3)
    profile = read_mmi(root, view="profile", dual="right")
    np.testing.assert_array_equal(row(profile, "mmi-S031-004-left").image, whole[:, :96])
    assert set(profile.extra["view"]) == {"profile"}
    assert any("the right half is taken for the frontal one" in note for note in read_mmi(root).notes)


def test_the_first_frames_can_count_as_neutral(root):
    data = read_mmi(root, peak=1, neutral=2)
    labels = {each.id: each.labels["mmi"] for each in data if each.id.startswith("mmi-S001-001")}
    assert labels == {
        "mmi-S001-001_00001": "neutral",
        "mmi-S001-001_00002": "neutral",
        "mmi-S001-001_00007": "anger",
    }
    assert data.sources["mmi"].label_set.labels[-1] == "neutral" and len(data.sources["mmi"].label_set) == 7
    assert "its first 2 count as neutral" in data.sources["mmi"].rule


def test_what_is_left_out_is_counted(root):
    notes = read_mmi(root).notes
    expected = (
        "left out of the clips and stills: 1 in another view, 1 with another emotion than the six, 1 without an emotion"
    )
    assert expected in notes


def test_several_downloads_are_read_together(root):
    first = next(root.iterdir())
    second = root / "mmi-facial-expression-database_download_2026-02-01_08_00_00" / "Sessions"
    second.mkdir(parents=True)
    whole = read_mmi(root).ids.tolist()
    shutil.move(first / "Sessions" / "2", second / "2")
    assert read_mmi(root).ids.tolist() == whole
    assert read_mmi(second).ids.tolist() == [f"mmi-S001-002_{number:05d}" for number in (3, 4, 5)]
    shutil.copytree(second / "2", first / "Sessions" / "2")
    with pytest.raises(DataError, match=r"expected each clip once in .*, got .*S001-002\.avi and .*S001-002\.avi"):
        read_mmi(root)


def test_a_clip_that_cannot_be_read_is_one_row_that_says_so(root):
    path = session(root, "1") / "S001-001.avi"
    path.write_bytes(b"no video")
    data = read_mmi(root)
    assert len(data) == 8
    broken = row(data, "mmi-S001-001")
    assert broken.labels["mmi"] == "anger" and broken.extra["clip_id"] == "" and broken.extra["frame"] == -1
    with pytest.raises(InputError, match=r"expected a video in .*S001-001\.avi"):
        broken.image  # noqa: B018


def test_a_clip_without_markers_is_taken_at_its_middle(root):
    (session(root, "1") / "S001-001-oao_aucs.xml").unlink()
    ids = [each for each in read_mmi(root).ids.tolist() if "S001-001" in each]
    assert ids == [f"mmi-S001-001_{number:05d}" for number in (4, 5, 6)]


def test_a_clip_that_its_session_describes_and_does_not_hold(root):
    (session(root, "1") / "S001-001.avi").unlink()
    data = read_mmi(root)
    (absent,) = [each for each in data if each.id == "mmi-S001-001"]
    assert absent.labels == {"mmi": "anger"} and not absent.picture.path.exists()
    with pytest.raises(InputError, match=r"S001-001\.avi, got no such file"):
        absent.image  # noqa: B018
    assert [each.where for each in check(data, decode=False).missing] == [absent.picture.where]


def test_a_folder_without_its_session_file_is_left_out_and_counted(root):
    (session(root, "1") / "session.xml").unlink()
    data = read_mmi(root)
    assert "S001-001" not in data.extra["clip_id"]
    assert any("1 in a folder without session.xml" in note for note in data.notes)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("session.xml", 'view="0"', 'view="7"', r"a track with view=.* in .*session\.xml, got '7'"),
        ("session.xml", "track ", "trick ", r"XML in .*session\.xml, got mismatched tag"),
        ("session.xml", 'view="0"', "", r"a track with view=.* in .*session\.xml, got None"),
        (
            "S001-001.xml",
            'Value="1"/>\n</T',
            'Value="0"/>\n</T',
            r"the number of an emotion in .*S001-001\.xml, from 1,",
        ),
        ("S001-001.xml", 'Value="1"/>\n</T', 'Value="x"/>\n</T', r"the number of an emotion in .*S001-001\.xml, .*'x'"),
        ("S001-001.xml", "</Track>", "", r"XML in .*S001-001\.xml, got no element found"),
        ("S001-001.xml", "utf-8", "utf-99", r"XML in .*S001-001\.xml, got"),
        ("S001-001-oao_aucs.xml", 'Frame="6"', 'Frame="six"', r"the number of a frame in .*-oao_aucs\.xml, .*'six'"),
        ("S001-001-oao_aucs.xml", 'Type="2"', "", r"the type of a marker in .*-oao_aucs\.xml, from 0, got None"),
    ],
)
def test_damaged_xml_is_named(file, old, new, message, root):
    path = session(root, "1") / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=f"expected {message}") as caught:
        read_mmi(root)
    assert "\n" not in str(caught.value) and "handed out by the iBUG group" in str(caught.value)


def test_xml_that_unfolds_without_end_is_refused(root):
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaa">'
    bomb += "".join(f'<!ENTITY {chr(98 + k)} "{f"&{chr(97 + k)};" * 16}">' for k in range(9)) + "]><x>&j;</x>"
    (session(root, "1") / "S001-001.xml").write_text(bomb)
    with pytest.raises(DataError, match=r"expected XML in .*S001-001\.xml"):
        read_mmi(root)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused(encoding, root):
    path = session(root, 1) / "S001-001.xml"
    path.write_bytes(
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE Track [<!ENTITY a "b">]><Track/>'.encode(encoding)
    )
    with pytest.raises(DataError, match=r"expected XML in .*S001-001\.xml, got one with a <!DOCTYPE"):
        read_mmi(root)


def test_no_clip_of_an_emotion(root):
    for path in root.glob("*/Sessions/*/S*.xml"):
        path.write_text("<Track/>")
    with pytest.raises(
        DataError, match=r"expected clips or stills of one of six emotions in .*, got 8 without an emotion"
    ):
        read_mmi(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": "front"}, "expected a view out of frontal, profile, both, got 'front'; did you mean 'frontal'"),
        ({"dual": "top"}, "expected a dual out of left, right, got 'top'"),
        ({"clips": True, "neutral": 1}, "expected either clips"),
    ],
)
def test_options(options, message, root):
    with pytest.raises(UsageError, match=message):
        read_mmi(root, **options)

"""Heat maps lie where the model saw them: in the square that was cut out, turned as it was turned."""

import numpy as np
import pytest

from mien.core.types import Attribution, Faces
from mien.explanation.gallery import ClassGallery
from mien.pipeline.heat import block_sheet, clip_sheet, colored, explained, heated, lay_over, mean_faces
from mien.runtime.card import CropGeometry, InputSpec
from mien.runtime.preprocess import crop_faces

GRAY = (100, 100, 100)


def face(box, points=None):
    marks = np.full((1, 5, 2), np.nan) if points is None else np.asarray(points, np.float32)[None]
    return Faces(np.array([box], np.float32), np.ones(1, np.float32), marks)


def spot(row, column, side=24):
    heat = np.zeros((1, side, side), np.float32)
    heat[0, row - 2 : row + 3, column - 2 : column + 3] = 1
    return heat


def centre_of_change(before, after):
    changed = np.abs(after.astype(int) - before.astype(int)).sum(2).astype(float)
    y, x = np.mgrid[: before.shape[0], : before.shape[1]]
    return (x * changed).sum() / changed.sum(), (y * changed).sum() / changed.sum()


@pytest.mark.parametrize("align", [False, True])
def test_a_spot_in_the_map_is_the_same_spot_in_the_picture(align):
    crop = CropGeometry(scale=0.8, shift_x=0.1, shift_y=-0.05, align=align)
    image = np.full((200, 300, 3), GRAY, np.uint8)
    eyes = [(120, 70), (170, 95)] + [(140, 110)] * 3  # turned by 27 degrees
    faces = face((90, 40, 200, 170), eyes)
    drawn = lay_over(image, faces, spot(6, 15), crop)
    x, y = centre_of_change(image, drawn)
    # Where the change of the picture comes to lie when the face is cut out of it again.
    cut = crop_faces(drawn, faces, InputSpec(24, "rgb", (0,) * 3, (1,) * 3), crop)[0]
    there = np.abs(cut.astype(int) - 100).sum(2)
    assert np.hypot(*np.subtract(np.unravel_index(there.argmax(), there.shape), (6, 15))) <= 2.5
    assert there[14:].sum() == 0
    assert 90 < x < 200 and 40 < y < 170
    assert (image == GRAY).all()  # the picture itself is left alone


def test_a_face_that_reaches_past_the_edge_or_lies_outside():
    image = np.full((60, 60, 3), GRAY, np.uint8)
    over = lay_over(image, face((-30, -30, 30, 30)), np.ones((1, 8, 8), np.float32), CropGeometry(scale=1.0))
    assert (over[:25, :25] != image[:25, :25]).any(2).all()
    assert (over[35:] == image[35:]).all()
    outside = lay_over(image, face((900, 900, 990, 990)), np.ones((1, 8, 8), np.float32), CropGeometry())
    assert (outside == image).all()


def test_a_picture_that_is_a_face_is_covered_as_a_whole():
    image = np.full((40, 20, 3), GRAY, np.uint8)
    heat = np.zeros((1, 8, 8), np.float32)
    heat[0, 6:] = 1
    drawn = lay_over(image, face((0, 0, 20, 40)), heat, CropGeometry(), cuts=False)
    x, y = centre_of_change(image, drawn)
    assert abs(x - 9.5) < 0.5 and y > 30


def test_colours_rise_in_brightness_and_no_heat_leaves_a_face_as_it_is():
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None]
    bright = colored(ramp)[0] @ [0.299, 0.587, 0.114]
    assert (np.diff(bright) > -1).all() and bright[-1] > 200 > 30 > bright[0]
    grey = np.full((8, 8), 90, np.uint8)
    assert (heated(grey, np.zeros((8, 8), np.float32)) == 90).all()
    assert heated(grey, np.ones((8, 8), np.float32))[0, 0, 0] > 150


def test_the_sheet_holds_the_picture_and_two_pictures_of_each_face():
    image = np.full((500, 400, 3), GRAY, np.uint8)
    faces = Faces(
        np.array([[50, 50, 150, 150], [200, 50, 300, 150]], np.float32), np.ones(2), np.full((2, 5, 2), np.nan)
    )
    crops = np.full((2, 24, 24), 100, np.uint8)
    maps = np.concatenate([spot(6, 15), spot(12, 12)])
    sheet = explained(image, faces, crops, maps, ["one", "two"], CropGeometry(), cuts=True)
    assert (sheet[300:500, :400] == 100).all()
    assert sheet.shape[1] > 400 + 2 * 176
    right = sheet[:, 420:]
    assert (right == 100).all(2).sum() > 176 * 176  # the bare faces
    assert (right[:, :, 0].astype(int) - right[:, :, 2] > 80).any()  # the heat


def test_layers_are_stretched_each_by_itself():
    places = np.full((4, 4), 0.50, np.float32)
    places[0, 0] = 0.51
    sheet = block_sheet(np.full((24, 24), 100, np.uint8), [("stages.0", places), ("flat", np.ones((4, 4), np.float32))])
    assert sheet.shape[1] > 3 * 176
    second = sheet[6:182, 6 + 182 : 6 + 182 + 176]
    assert second[5, 5, 0] > 150 and (second[120:, 120:] == 100).all()


def test_each_frame_of_a_clip_stands_bare_over_itself_with_its_map():
    crops = np.full((10, 48, 48), 100, np.uint8)
    maps = np.zeros((10, 48, 48), np.float32)
    maps[9] = 1
    sheet = clip_sheet(crops, maps, [(f"frame {k}", "heat 10%") for k in range(10)], "fear 90%, gradcam")
    tile = 176 + 6
    first, second = sheet[: sheet.shape[0] // 2], sheet[sheet.shape[0] // 2 :]  # eight frames, then two
    assert sheet.shape[1] == 8 * tile + 6
    for frame in range(8):
        assert (first[20:150, frame * tile + 20] == 100).all()
    assert (second[20:150, tile + 20] == 100).all()  # frame 9, bare
    below = second[tile + 60 : tile + 120, tile + 20].astype(int)  # and hot
    assert np.abs(below - 100).sum(1).min() > 60
    assert (second[:, 2 * tile + 6 :] == 255).all()


def test_mean_faces_and_maps_are_stretched_so_that_both_are_seen():
    face = np.repeat(np.linspace(110, 140, 48)[None], 48, 0).astype(np.uint8)
    heat = np.full((48, 48), 0.6, np.float32)
    heat[20:28, 20:28] = 1
    shown = Attribution(np.zeros((0, 48, 48), np.float32), "gradcam", ())
    none = np.empty(0, np.intp)
    gallery = ClassGallery("fear", 3, none, np.empty((0, 48, 48), np.uint8), shown, none, (), face, heat)
    bare, hot = mean_faces(gallery)
    assert bare.min() == 0 and bare.max() == 255
    changed = (bare != hot).any(2)
    assert changed[88, 88] and not changed[:40].any() and not changed[:, :40].any()

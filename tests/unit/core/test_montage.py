"""A montage shows every picture once, whole and in order."""

import numpy as np
import pytest

from mien.core.montage import montage


def squares(n):
    return [np.full((8, 8), 20 * k, np.uint8) for k in range(n)]


def test_pictures_stand_in_rows_in_order():
    sheet = montage(squares(5), columns=3, side=10)
    assert sheet.shape == (2 * 16 + 6, 3 * 16 + 6, 3) and sheet.dtype == np.uint8
    middles = [sheet[6 + 16 * (k // 3) + 5, 6 + 16 * (k % 3) + 5].tolist() for k in range(5)]
    assert middles == [[20 * k] * 3 for k in range(5)]
    assert (sheet[6 + 16 + 5, 6 + 2 * 16 + 5] == 255).all()  # the sixth place is empty


def test_colours_and_proportions_are_kept():
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[..., 0] = 200  # red
    sheet = montage([wide], side=40)
    red = (sheet == [200, 0, 0]).all(2)
    assert red.sum() == 10 * 40 and red[6 + 15 : 6 + 25, 6:46].all()


def test_captions_are_drawn_under_the_picture_and_cut_to_its_width():
    plain, captioned = montage(squares(2), columns=2, side=60), montage(squares(2), ["anger\n> fear", ""], side=60)
    assert captioned.shape[0] == plain.shape[0] + 26
    text = captioned[66:92]
    assert (text[:, 6:66] < 128).any() and (text[:, 72:] == 255).all()
    long = montage(squares(2), ["very long words " * 9, ""], side=60)
    assert (long[66:, 72:] == 255).all()
    assert montage(squares(1), ["naïve"], side=60).shape == montage(squares(1), ["naive"], side=60).shape


def test_no_pictures_and_wrong_captions():
    assert montage([]).shape == (1, 1, 3)
    with pytest.raises(ValueError, match="a caption for each of 2 pictures, got 1"):
        montage(squares(2), ["one"])

"""Notebook 03: grey levels and back, shrinking without aliases, how many films are replaced, patients on both sides of a split."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from ..course import exercise
from ..gratings import contrast_left

SHARES = (0.0, 1.0, 0.25, 0.3, 0.1, 0.0624, 0.99, 0.0625, 0.3125)  # the last two are halves of a film in a batch of 8
TRAINING = ["normal/00000013_005.png", "normal/00000013_006.png", "normal/00000042_000.png", "abnormal/00000130_001.png"]
HELD_OUT = ["normal/00000099_000.png", "normal/00000013_010.png", "normal/00000130_001.png", "normal/00000001_003.png"]


@exercise
def grey_levels(to_network: Callable[[np.ndarray, int], np.ndarray], to_levels: Callable[[np.ndarray, int], np.ndarray]) -> str:
    """to_network(levels, bits): whole numbers 0 .. 2^bits - 1 -> float32 in [-1, 1]; to_levels(values, bits): the way back, uint8 or uint16."""
    for bits, kind in ((8, np.uint8), (12, np.uint16), (16, np.uint16)):
        levels = np.arange(2**bits).astype(kind)
        values = np.asarray(to_network(levels.copy(), bits))
        _there(values, levels, bits)
        _back(np.asarray(to_levels(values.copy(), bits)), levels, bits)
        low, high = np.asarray(to_levels(np.array([-1.03, 1.03], np.float32), bits))
        assert (low, high) == (0, levels[-1]), f"-1.03 and 1.03 become {low} and {high}: clip to 0 and {levels[-1]} before the cast."
    return "8, 12 and 16 bits go to [-1, 1] and come back, every level of them, and what overshoots stays black or white."


def _there(values: np.ndarray, levels: np.ndarray, bits: int) -> None:
    assert values.dtype == np.float32, f"to_network gives {values.dtype}: networks want float32."
    assert values.shape == levels.shape, f"to_network turns shape {levels.shape} into {values.shape}: a film must keep its shape."
    assert (np.diff(values) > 0).all(), f"with {bits} bits the values do not rise with the levels: did integers run over? Make them float32 first."
    top, low, high = int(levels[-1]), float(values[0]), float(values[-1])
    assert low != 0, "black, 0, stays 0 and should become -1: the range of Tanh is [-1, 1], not [0, 1]."
    assert np.isclose(low, -1), f"black, 0, becomes {low:g} and should become -1."
    assert np.isclose(high, 1, rtol=0, atol=0.2 / top), (
        f"white, {top} with {bits} bits, becomes {high:.6g} and should become 1: the highest of {bits} bits is 2^{bits} - 1."
    )
    line = np.linspace(-1, 1, top + 1)
    assert np.allclose(values, line, atol=1e-6), "black and white are right, what lies between is not: the scale is a straight line."


def _back(back: np.ndarray, levels: np.ndarray, bits: int) -> None:
    assert back.dtype == levels.dtype, f"to_levels gives {back.dtype} for {bits} bits and should give {levels.dtype}."
    wrong, apart = int((back != levels).sum()), np.abs(back.astype(int) - levels).max()
    assert not wrong or apart > 1, (
        f"{wrong} of {len(levels)} levels come back one too low or too high: round to the nearest whole number, a cast cuts the fraction off."
    )
    assert not wrong, f"{wrong} of {len(levels)} levels do not come back: to_levels must undo to_network."


@exercise
def shrink(reduce: Callable[[np.ndarray, int], np.ndarray]) -> str:
    """reduce(film, resolution): (side, side) -> (resolution, resolution), each pixel the mean of the block that it stands for."""
    film = np.random.default_rng(3).random((24, 24)).astype(np.float32)
    for resolution in (12, 8, 24):
        small, fold = np.asarray(reduce(film.copy(), resolution)), 24 // resolution
        assert small.shape == (resolution, resolution), f"a film of 24 x 24 comes out as {small.shape} and should be {resolution} x {resolution}."
        starts = range(0, 24, fold)
        right = np.array([[film[top : top + fold, left : left + fold].mean() for left in starts] for top in starts])
        if fold > 1:
            _mistake(small, right, film, fold, reduce)
        assert np.allclose(small, right, atol=1e-5), (
            "these are not the means of the square blocks: reshape to (rows, fold, columns, fold) and average the two axes of length fold."
        )
    left = contrast_left(reduce, 96, 24, 45)
    full = contrast_left(lambda film, r: film[::4, ::4], 96, 24, 45)
    return f"45 stripes at 24 pixels keep {left:.0%} of their contrast; with every fourth pixel {full:.0%}, as 3 stripes that were never there."


def _mistake(small: np.ndarray, right: np.ndarray, film: np.ndarray, fold: int, reduce: Callable) -> None:
    kept = [film[row::fold, column::fold] for row in range(fold) for column in range(fold)]
    assert not any(np.allclose(small, each) for each in kept), (
        f"one pixel of a block is kept, and 45 stripes come back as 3 with {contrast_left(reduce, 96, 24, 45):.0%} of the contrast: take the mean."
    )
    assert not np.allclose(small, right.T), "rows and columns have changed places."
    assert not np.allclose(small, right * fold**2), "this is the sum of each block: divide by its number of pixels, or take the mean."
    assert not np.allclose(small, right * fold), "this is divided by the side of a block, and a block has side x side pixels."


@exercise
def films_replaced(count: Callable[[float, int], int]) -> str:
    """count(share, batch_size): how many films of a batch show their twin, share * batch_size rounded to the nearest, halves up."""
    for share, size in [*((share, 8) for share in SHARES), (0.5, 4), (0.5, 5), (0.5, 1), (1.0, 3)]:
        number, exact = count(share, size), share * size
        right = int(exact + 0.5)
        what = f"a share of {share:g} of {size} films is {exact:g} films; your answer is {number!r}"
        assert type(number) is int or isinstance(number, np.integer), f"{what}, and should be a whole number (int)."
        assert 0 <= number <= size, f"{what}, and it must lie between 0 and {size}."
        if number != right:
            assert number != round(exact), f"{what}: Python's round() goes to the even neighbour at a half; the rule goes up, to {right}."
            assert number != int(exact), f"{what}: this cuts the fraction off, and {right} is nearer."
            assert number != -int(-exact // 1), f"{what}: this always rounds up, and {right} is nearer."
        assert number == right, f"{what} and should be {right}."
    return "this is the count of MixedBatches, halves included: 1 of 8 films from a share of 1/16 on."


@exercise
def patients_on_both_sides(find: Callable[[list[str], list[str]], Collection[str]]) -> str:
    """find(training, held_out): file names like "normal/00000013_005.png" -> the set of patients, "00000013", with films in both."""
    found = find(list(TRAINING), list(HELD_OUT))
    assert isinstance(found, set | frozenset | list | tuple), f"the answer is {found!r}: give a set of patients."
    found = {str(each) for each in found}
    assert found, "nobody is found, yet patient 00000013 has films on both sides: compare what stands before the underscore, not whole names."
    first = min(found)
    assert "/" not in first, f"{first!r} still has its folder, and a patient's films may lie in several: take the file's name alone."
    assert "_" not in first, f"{first!r} is a film, not a patient: take what stands before the underscore."
    assert "13" not in found, "patient 13 has lost the zeros: keep the number as the text that it is."
    missed, more = {"00000013", "00000130"} - found, found - {"00000013", "00000130"}
    assert not missed, f"patient {sorted(missed)[0]} is on both sides and not found: the folders before the name may differ."
    assert not more, f"{sorted(more)[0]} is named, and no such patient has films on both sides."
    for training, held_out in (([], HELD_OUT), (TRAINING, []), (TRAINING[2:3], HELD_OUT[:1]), (["normal/000001_0.png"], ["normal/0000012_0.png"])):
        assert not find(list(training), list(held_out)), f"nobody is on both sides of {training} and {held_out}, and the answer is not empty."
    return "two patients are on both sides, under other film numbers and in other folders; all films of a patient belong on one side."

"""What D sees: changed film by film, repeatably, with gradients, and never turned round unless asked."""

import pytest
import torch

from idcgan.augment import augment
from idcgan.config import PRESETS, preset
from idcgan.errors import InputError
from idcgan.fields import AUGMENTATIONS


def films(count: int = 6, side: int = 32, channels: int = 1) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_draws_are_decided_by_the_generator_alone(kind):
    torch.manual_seed(1)
    one = augment(films(), (kind,), rng(3))
    torch.manual_seed(2)
    assert torch.equal(one, augment(films(), (kind,), rng(3)))
    assert not torch.equal(one, augment(films(), (kind,), rng(4)))
    assert one.shape == films().shape


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_each_film_is_changed_in_its_own_way(kind):
    same = films(1).expand(16, -1, -1, -1)
    changed = augment(same, (kind,), rng())
    assert len({tuple(film.flatten().tolist()) for film in changed}) > 1


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_gradients_flow_back_to_the_films(kind):
    x = films().requires_grad_()
    augment(x, (kind,), rng()).square().sum().backward()
    reached = (x.grad != 0).float().mean((1, 2, 3))
    assert (reached > 0.5).all()


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_the_films_themselves_stay_as_they_are(kind):
    x = films()
    augment(x, (kind,), rng())
    assert torch.equal(x, films())


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_without_strength_nothing_happens(kind):
    assert torch.allclose(augment(films(), (kind,), rng(), strength=0.0), films(), atol=1e-6)


def test_brightness_adds_one_number_per_film_up_to_half():
    shift = augment(films(200, 8), ("brightness",), rng()) - films(200, 8)
    assert shift.std((1, 2, 3)).max() < 1e-6
    means = shift.mean((1, 2, 3))
    assert -0.5 <= means.min() < -0.4
    assert 0.4 < means.max() <= 0.5
    assert abs(means.mean()) < 0.08


def test_a_kind_has_its_own_share_of_the_strength():
    x = films(100, 8)
    assert torch.equal(augment(x, ("brightness:0.25",), rng()), augment(x, ("brightness",), rng(), strength=0.25))
    assert torch.equal(augment(x, ("brightness:0.5",), rng(), strength=0.5), augment(x, ("brightness",), rng(), strength=0.25))


@pytest.mark.parametrize("kind", ["brightness:", "brightness:2", "brightness:-1", "brightness:nan", "brightness:much", "gloss:1", ":1"])
def test_a_kind_or_share_that_makes_no_sense_is_refused(kind):
    with pytest.raises(InputError, match="augment"):
        preset("tiny", augment=(kind, "shift"))


def test_contrast_keeps_the_mean_and_scales_the_rest():
    x = films(200, 8)
    changed = augment(x, ("contrast",), rng())
    assert torch.allclose(changed.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-5)
    scale = changed.std((1, 2, 3)) / x.std((1, 2, 3))
    assert 0.5 - 1e-4 <= scale.min() < 0.6
    assert 1.4 < scale.max() <= 1.5 + 1e-4


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["translation", "shift"])
def test_translation_brings_in_black_and_shift_what_lies_at_the_border(kind, channels):
    """Against a shift done pixel by pixel; every film must be one of the shifts up to an eighth of the side."""
    side, reach = 16, 2
    x = films(40, side, channels)
    moved = augment(x, (kind,), rng())
    found = set()
    for film, got in zip(x, moved, strict=True):
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                expected = torch.full_like(film, -1.0)
                for row in range(side):
                    for column in range(side):
                        there = (min(max(row - down, 0), side - 1), min(max(column - right, 0), side - 1))
                        if kind == "shift" or there == (row - down, column - right):
                            expected[:, row, column] = film[:, there[0], there[1]]
                if torch.equal(got, expected):
                    found.add((down, right))
                    break
            else:
                continue
            break
        else:
            pytest.fail("a film is not a shift of itself")
    assert {down for down, _ in found} == set(range(-reach, reach + 1))
    assert {right for _, right in found} == set(range(-reach, reach + 1))


def test_translation_makes_no_index_grids():
    """The published form indexes with grids of 8 bytes per pixel; pad and slice keeps one padded copy and the result."""
    x = films(4, 128)
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                sizes.append((out.dtype, out.numel()))
            return out

    with Watch():
        augment(x, ("translation",), rng())
    assert max(count for _, count in sizes) <= 4 * (128 + 32) ** 2
    assert not [count for dtype, count in sizes if dtype == torch.int64 and count > 8]


def test_cutout_greys_one_square_of_half_the_side():
    x = films(20, 32) + 3  # no pixel is 0
    hole = augment(x, ("cutout",), rng()) == 0
    assert (hole.sum((1, 2, 3)) == 16 * 16).all()
    for film in hole[:, 0]:
        rows, columns = film.any(1).nonzero().flatten(), film.any(0).nonzero().flatten()
        assert (rows[-1] - rows[0], columns[-1] - columns[0]) == (15, 15)


def test_no_film_is_turned_round_unless_asked():
    """The heart is on one side."""
    for values in PRESETS.values():
        assert "flip" not in values.get("augment", ())
    side = torch.zeros(64, 1, 16, 16)
    side[..., :8] = 1.0
    others = tuple(kind for kind in AUGMENTATIONS if kind not in ("flip", "cutout", "translation"))  # shift moves like it
    changed = augment(side, others, rng())
    left, right = changed[..., 2:-2, 2:6], changed[..., 2:-2, 10:14]  # out of reach of what translation brings in
    assert (left.mean((1, 2, 3)) > right.mean((1, 2, 3))).all()


def test_flip_turns_about_half_of_the_films():
    x = films(200, 8)
    turned = (augment(x, ("flip",), rng()) == x.flip(-1)).all(-1).all(-1).all(-1)
    kept = (augment(x, ("flip",), rng()) == x).all(-1).all(-1).all(-1)
    assert (turned ^ kept).all()
    assert 70 < turned.sum() < 130


def test_kinds_are_applied_in_the_order_given():
    two = augment(films(), ("brightness", "contrast"), rng(5))
    draws = rng(5)
    assert torch.equal(two, augment(augment(films(), ("brightness",), draws), ("contrast",), draws))
    assert torch.equal(augment(films(), (), rng()), films())

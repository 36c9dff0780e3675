"""A config is the tables of the paper, or what was asked for, or a refusal that names the field."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idcgan.config import PRESETS, RunConfig, configure, preset
from idcgan.errors import InputError
from idcgan.fields import AUGMENTATIONS, CHOICES, RANGES
from idcgan.idle_fields import without_effect

FIELDS = [field.name for field in dataclasses.fields(RunConfig)]


@pytest.mark.parametrize(
    ("name", "label_class", "epochs"),
    [
        ("paper-normal-15", "normal", 15),  # Table 1
        ("paper-normal-20", "normal", 20),  # Table 2
        ("paper-abnormal-20", "abnormal", 20),  # Table 3
        ("paper-abnormal-10", "abnormal", 10),  # Table 4
    ],
)
def test_paper_presets_are_the_tables_of_the_paper(name, label_class, epochs):
    config = preset(name)
    stated = {
        "label_class": label_class,
        "epochs": epochs,
        "batch_size": (8,),
        "learning_rate": 0.0001,
        "channels": 1,
        "feature_maps_g": 8,
        "feature_maps_d": 8,
        "resolutions": (64, 128, 512, 1024, 2048),  # section 4: D1 to D5; 256 is in no set
        "transition": "replace",
        "objective": "bce",  # section 3.1
    }
    left_out = {"augment": (), "ema": 0.0, "max_feature_maps": 64, "minutes": 0.0, "label_smoothing": 0.0, "level_shares": ()}
    left_out |= {"blur": False, "edges": "zeros", "kernels": "normal", "smooth_from": 0, "fine_head": False, "grain": False, "patches": False}
    left_out |= {"balanced_kernels": False, "spline_from": 0}
    left_out |= {"projected": False, "crops_from": 0, "lagrange_from": 0, "one_batch_from": 0, "min_feature_maps": 1, "detail": (0.0,)}
    radford = {"latent_dim": 100, "beta1": 0.5, "beta2": 0.999, "learning_rate_d": 0.0}
    for field, value in {**stated, **left_out, **radford}.items():
        assert getattr(config, field) == value, field
        assert type(getattr(config, field)) is type(value), field


def test_every_paper_preset_is_tested_above():
    assert {name for name in PRESETS if name.startswith("paper")} == {
        "paper-normal-15", "paper-normal-20", "paper-abnormal-20", "paper-abnormal-10",
    }  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_sound_config_that_knows_its_name(name):
    config = preset(name)
    assert config.preset == name
    assert bool(config.epochs) != bool(config.minutes)
    assert abs(sum(config.shares()) - 1) < 1e-9
    assert len(config.shares()) == len(config.resolutions)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("learning_rat", 1, "unknown field 'learning_rat'; did you mean 'learning_rate'"),
        ("zzz", 1, "unknown field 'zzz'"),
        ("learning_rate", "fast", "learning_rate is 'fast'; it must be a number"),
        ("learning_rate", None, "learning_rate is None"),
        ("learning_rate", True, "learning_rate is True"),
        ("learning_rate", float("nan"), "learning_rate is nan; give a finite number"),
        ("learning_rate", "nan", "learning_rate is nan"),
        ("learning_rate", 0.0, "learning_rate is 0.0; it must lie between"),
        ("minutes", float("inf"), "minutes is inf"),
        ("seed", float("nan"), "seed is nan"),
        ("seed", 1.5, "seed is 1.5; it must be a whole number"),
        ("seed", -1, "seed is -1"),
        ("seed", 2**31, "seed is 2147483648"),
        ("level_shares", (float("nan"), 1.0), "level_shares is nan"),
        ("level_shares", (1.0,), "level_shares has 1 values for 2 levels"),
        ("level_shares", (1.0, 0.0), "level_shares holds 0.0"),
        ("resolutions", (64, 96), "96"),
        ("resolutions", (), "resolutions"),
        ("resolutions", (32, 16), "resolution 16 cannot follow 32"),
        ("resolutions", ("a", "b"), "resolutions is 'a'"),
        ("batch_size", 0, "batch_size is 0"),
        ("batch_size", (8, 1), "batch_size is 1; batch normalisation"),
        ("batch_size", (8, 8, 8), "batch_size has 3 values for 2 levels"),
        ("batch_size", (), "batch_size has 0 values"),
        ("detail", (16, 16, 64), "detail has 3 values for 2 levels"),
        ("detail", (16, -1), "detail is -1.0; it must lie between"),
        ("blur", "perhaps", "blur is 'perhaps'; it must be true or false"),
        ("blur", 1, "blur is 1"),
        ("label_class", 3, "label_class is 3; it must be text"),
        ("channels", 2, "channels is 2; choose one of 1, 3"),
        ("augment", ("brightness", "elastic"), "augment names 'elastic'"),
        ("latent_dim", 0, "latent_dim is 0"),
    ],
)
def test_wrong_values_are_refused_by_name(field, value, said):
    with pytest.raises(InputError, match=said) as refusal:
        preset("tiny", **{field: value})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("field", CHOICES)
def test_a_choice_that_is_none_is_refused(field):
    with pytest.raises(InputError, match=f"{field} is .*"):
        preset("tiny", **{field: 7 if field == "channels" else "nonsense"})


@pytest.mark.parametrize("field", RANGES)
def test_ranges_hold_at_both_ends(field):
    low, high = RANGES[field]
    others = {"epochs": 0, "minutes": 1.0} if field == "epochs" else {}
    for value in (low, high):
        assert getattr(RunConfig(**{**others, field: value}), field) in (value, (value,))  # detail: one for all levels
    for value in (low - 1, high + 1):
        with pytest.raises(InputError, match=f"{field} is"):
            RunConfig(**{**others, field: value})


def test_unknown_preset_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown preset 'laptp'.*did you mean 'laptop'"):
        preset("laptp")


def test_epochs_and_minutes_exclude_each_other():
    with pytest.raises(InputError, match="epochs and minutes are both set"):
        preset("tiny", epochs=3, minutes=2.0)
    with pytest.raises(InputError, match="epochs and minutes are both 0"):
        preset("tiny", epochs=0)
    assert (preset("recommended", epochs=3).epochs, preset("recommended", epochs=3).minutes) == (3, 0.0)
    assert (preset("tiny", minutes=2).epochs, preset("tiny", minutes=2).minutes) == (0, 2.0)


def test_a_presets_shares_follow_the_resolutions():
    shares = dict(zip(PRESETS["laptop"]["resolutions"], PRESETS["laptop"]["level_shares"], strict=True))
    for resolutions in ((64, 128), "64,128"):
        assert preset("laptop", resolutions=resolutions).level_shares == (shares[64], shares[128])
    assert preset("laptop", resolutions=(32, 64)).level_shares == ()  # 32 has no share to carry over: equal


def test_what_a_preset_says_level_by_level_goes_with_the_levels():
    shorter = preset("long", resolutions="256,512,1024", detail=(16.0, 8.0, 4.0))
    assert (shorter.batch_size, shorter.level_shares, shorter.detail) == ((8, 16, 16), PRESETS["long"]["level_shares"][:3], (16.0, 8.0, 4.0))
    other = preset("long", resolutions=(128, 256, 512, 1024, 2048, 4096))
    assert (other.batch_size, other.detail, other.level_shares) == ((8, 8, 16, 16, 16, 16), (16.0, 16.0, 16.0, 32.0, 64.0, 64.0), ())
    assert preset("long", resolutions=(256,), batch_size=4).batch_size == (4,)


def test_options_left_empty_are_the_presets():
    assert configure("tiny", "films") == preset("tiny")
    assert configure("laptop", "phantom:abnormal").label_class == "abnormal"
    assert configure("laptop", "films", "abnormal", "64,128", 0, 3.0, 7).seed == 7
    with pytest.raises(InputError, match="phantom:normal"):
        configure("laptop", "phantom:normal", "abnormal")


def test_values_from_a_terminal_are_read_as_their_fields_type():
    text = {"resolutions": "16, 32", "learning_rate": "2e-4", "blur": "True", "augment": "flip", "level_shares": "1,2.5", "seed": "3"}
    config = RunConfig.from_dict(text)
    assert (config.resolutions, config.learning_rate, config.blur) == ((16, 32), 0.0002, True)
    assert (config.augment, config.level_shares, config.seed) == (("flip",), (1.0, 2.5), 3)


def test_a_field_that_is_gone_is_read_where_it_was_off():
    """Runs from before it was given up: `sample`, `evaluate` and `--resume` read their config."""
    config = RunConfig()
    assert RunConfig.from_dict({**config.to_dict(), "cubic_from": 0, "mends_from": 0}) == config
    with pytest.raises(InputError, match="mends_from is 1024, and that field is gone"):
        RunConfig.from_dict({**config.to_dict(), "cubic_from": 0, "mends_from": 1024})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"epochs_for": "level", "level_shares": (1.0, 2.0)}, "level_shares"),
        ({"epochs_for": "level", "minutes": 1.0}, "epochs_for"),
        ({"resolutions": (16,), "transition": "fade"}, "transition"),
        ({"augment": (), "augment_strength": 0.5}, "augment_strength"),
        ({"crops_from": 64}, "crops_from"),
        ({"detail": (16.0,)}, "detail"),
        ({"lagrange_from": 64}, "lagrange_from"),
        ({"one_batch_from": 64}, "one_batch_from"),
        ({"spline_from": 16}, "spline_from"),
        ({"lagrange_from": 16, "growth": "reset"}, "lagrange_from"),
        ({"smooth_from": 8, "blur": True}, "blur"),
        ({"smooth_from": 8, "balanced_kernels": True}, "balanced_kernels"),
        ({"resolutions": (16,), "patches": True}, "patches"),
        ({}, ""),
        ({"patches": True, "level_shares": (1.0, 2.0)}, ""),
    ],
)
def test_what_is_set_in_vain_is_said(changes, field):
    says = without_effect(preset("tiny", **changes))
    assert [sentence.split()[0] for sentence in says] == ([field] if field else [])
    assert all(without_effect(preset(name)) == [] for name in PRESETS)


def configs():
    """Any sound config."""

    def numbers(field):
        low, high = RANGES[field]
        return st.integers(low, high) if isinstance(low, int) else st.floats(low, high, allow_nan=False)

    sound = lambda v: (only_with_bce if v["objective"] != "bce" else {}) | ({"growth": "preserve"} if v["crops_from"] else {})  # noqa: E731
    only_with_bce = {"label_smoothing": 0.0, "generator_loss": "non_saturating"}
    resolutions = st.sampled_from([(16,), (16, 32), (64, 128, 512), (64, 128, 256), (64, 256, 512)])
    return resolutions.flatmap(
        lambda levels: st.fixed_dictionaries(
            {
                "resolutions": st.just(levels),
                "label_class": st.text(st.characters(exclude_characters="/\\.", exclude_categories=("C",)), max_size=8),
                "blur": st.booleans(),
                "batch_size": st.one_of(st.tuples(st.integers(2, 64)), st.tuples(*[st.integers(2, 64)] * len(levels))),
                "level_shares": st.one_of(st.just(()), st.tuples(*[st.floats(0.01, 9)] * len(levels))),
                "detail": st.one_of(st.tuples(numbers("detail")), st.tuples(*[numbers("detail")] * len(levels))),
                "augment": st.lists(st.sampled_from(AUGMENTATIONS), unique=True).map(tuple),
                **{field: st.sampled_from(values) for field, values in CHOICES.items()},
                **{field: numbers(field) for field in RANGES if field not in ("epochs", "micro_batch", "detail")},
                "crops_from": st.sampled_from((0, levels[-1]) if len(levels) > 1 and 128 <= levels[-1] == 2 * levels[-2] else (0,)),
                "crop": st.sampled_from((64, 128, 256) if levels[-1] >= 512 else (64,)),
                "micro_batch": st.sampled_from((0, 500)),
                "epochs": st.integers(1, 1_000_000),
            }
        )
    ).map(lambda values: RunConfig(**values | sound(values)))


@settings(max_examples=60, deadline=None)
@given(configs())
def test_a_config_survives_json(config):
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.hash() == config.hash()


@pytest.mark.parametrize("field", FIELDS)
def test_the_hash_changes_with_every_field(field):
    base = preset("tiny")
    others = {
        "preset": "other", "label_class": "abnormal", "resolutions": (16, 64), "square": "pad", "channels": 3, "blur": True, "growth": "reset",
        "epochs_for": "level", "level_shares": (1.0, 2.0), "batch_size": (5,), "transition": "fade", "generator_loss": "saturating",
        "labels": "flipped", "augment": ("flip",), "learning_rate": 0.5, "micro_batch": 2,
        "precision": "bf16", "sync_batch_norm": False, "edges": "replicate", "fine_head": True, "grain": True, "patches": True, "projected": True,
        "kernels": "bilinear", "objective": "hinge", "crops_from": 4096, "from_phantoms": True,
        "detail": (7.0,), "balanced_kernels": True,
    }  # fmt: skip
    now = getattr(base, field)
    value = others[field] if field in others else now + 1 if isinstance(now, int) else 0.9 * now + 0.07
    assert value != now
    assert dataclasses.replace(base, **{field: value}).hash() != base.hash()


def test_a_config_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("tiny").seed = 3


def test_batch_size_and_detail_are_one_for_all_or_one_per_level():
    assert [preset("tiny", batch_size=6).batch_at(level) for level in (0, 1)] == [6, 6]
    assert [preset("tiny", batch_size=(6, 3)).batch_at(level) for level in (0, 1)] == [6, 3]
    assert [preset("tiny", detail=16).detail_at(level) for level in (0, 1)] == [16.0, 16.0]
    assert [preset("tiny", detail="16,64").detail_at(level) for level in (0, 1)] == [16.0, 64.0]


@pytest.mark.parametrize("name", ["../other", "/etc", "a\\b", ".hidden", "two\nlines"])
def test_a_label_class_that_leaves_the_folder_is_refused(name):
    with pytest.raises(InputError, match="label_class"):
        preset("tiny", label_class=name)


@pytest.mark.parametrize("change", [{"label_smoothing": 0.1}, {"generator_loss": "saturating"}])
def test_what_only_cross_entropy_has_is_refused_elsewhere(change):
    preset("tiny", **change)
    with pytest.raises(InputError, match="belong to objective bce; objective is hinge"):
        preset("tiny", objective="hinge", **change)

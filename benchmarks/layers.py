"""(g) Layers and maps that `idcgan` computes in a way of its own beside PyTorch's, forward and backward, batch 8, in 32 and 16 bits.

    python benchmarks/layers.py [--quick]
"""

import argparse
import json

from side_by_side import keep, ratio, rounds, serve

# case: what is put in, (maps, side)
CASES = {
    "ConvFromPicture2d, 1 -> 32 maps": (1, 128),
    "ConvTransposeToPicture2d, 16 -> 1": (16, 128),
    "ConvTransposeToFeatures2d, 128 -> 64": (128, 16),
    "ConvOfEnlarged2d, 64 -> 32": (64, 64),
    "BatchNormNarrow2d, 8": (8, 256),
    "in blocks, 32 -> 16 -> 1": (32, 64),
    "add_in_maps, 16": (16, 128),
    "framed, 32": (32, 64),
    "halve, 1": (1, 512),
    "enlarge, 1": (1, 256),
    "lanczos_halve, 1": (1, 352),
    "lagrange, 1": (1, 176),
}


def functions(case: str) -> dict:
    """The fast and the plain way of a case."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    from idcgan import fast_layers as fast
    from idcgan import fixed_maps
    from idcgan.layers import add_in_maps

    def same(ours: nn.Module, plain: nn.Module) -> dict:
        plain.load_state_dict(ours.state_dict())
        return {"fast": ours, "plain": plain}

    def lagrange(x: torch.Tensor) -> torch.Tensor:  # a transposed convolution whose kernel is not learned
        rows = fixed_maps._lagrange_rows(x.shape[-1], x.dtype, x.device)[16:18, 5:12].mT  # (seven pixels, two new ones)
        kernel = torch.outer(rows.flip(0).flatten(), rows.flip(0).flatten())[None, None]
        return F.conv_transpose2d(F.pad(x, (6, 6, 6, 6), mode="replicate"), kernel, stride=2, padding=18)

    name = case.split(",")[0]
    if name == "ConvFromPicture2d":
        return same(fast.ConvFromPicture2d(1, 32, 4, 2, 1, bias=False), nn.Conv2d(1, 32, 4, 2, 1, bias=False))
    if name == "ConvTransposeToPicture2d":
        return same(fast.ConvTransposeToPicture2d(16, 1, 4, 2, 1, bias=False), nn.ConvTranspose2d(16, 1, 4, 2, 1, bias=False))
    if name == "ConvTransposeToFeatures2d":  # padding 3, as behind `framed`
        return same(fast.ConvTransposeToFeatures2d(128, 64, 4, 2, 3, bias=False), nn.ConvTranspose2d(128, 64, 4, 2, 3, bias=False))
    if name == "BatchNormNarrow2d":
        return same(fast.BatchNormNarrow2d(8), nn.BatchNorm2d(8))
    if name == "ConvOfEnlarged2d":
        ours, conv = fast.ConvOfEnlarged2d(64, 32), nn.Conv2d(64, 32, 3, bias=False)
        both = same(ours, conv)
        return {
            "fast": lambda x: both["fast"](fixed_maps.framed(x)),
            "plain": lambda x: conv(F.pad(F.interpolate(x, scale_factor=2, mode="bilinear"), (1, 1, 1, 1), mode="replicate")),
        }
    if name == "in blocks":  # smooth enlargement, ReLU, a convolution to a picture: what a fine head does, less noise and batch norm
        up, out = fast.ConvOfEnlargedToBlocks2d(32, 16), fast.ConvOfBlocks2d(16, 1, 3, bias=False)
        smooth, conv = fast.ConvOfEnlarged2d(32, 16), nn.Conv2d(16, 1, 3, bias=False)
        return {
            "fast": lambda x: out(F.relu(up(fixed_maps.framed(fixed_maps.framed(x))))),
            "plain": lambda x: conv(F.pad(F.relu(smooth(fixed_maps.framed(x))), (1, 1, 1, 1), mode="replicate")),
        }
    if name == "add_in_maps":
        noise, weight = torch.randn(8, 1, 128, 128), nn.Parameter(torch.ones(16, 1, 1))
        return {"fast": lambda x: add_in_maps(x, noise, weight), "plain": lambda x: x + (noise * weight).to(x.dtype)}
    return {
        "framed": {"fast": fixed_maps.framed, "plain": lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate")},
        "halve": {"fast": fixed_maps.halve, "plain": lambda x: F.avg_pool2d(x, 2)},
        "enlarge": {"fast": fixed_maps.enlarge, "plain": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")},
        "lanczos_halve": {"fast": fixed_maps.lanczos_halve, "plain": lambda x: F.interpolate(x, size=176, mode="lanczos", antialias=True)},
        "lagrange": {"fast": fixed_maps.lagrange, "plain": lagrange},
    }[name]


def once(case: str, way: str, bits: int):
    """Forward and backward."""
    import idcgan  # noqa: F401, I001 (before torch: it says how OpenMP's threads wait, and only then is it heard)
    import torch

    from idcgan import tuning

    tuning.keep_memory()
    maps, side = CASES[case]
    function = functions(case)[way]
    if isinstance(function, torch.nn.Module):
        function.to(memory_format=torch.channels_last)
    x = torch.rand(8, maps, side, side).contiguous(memory_format=torch.channels_last)
    picture = maps == 1
    x = (x if bits == 32 or picture else x.bfloat16()).requires_grad_()  # pictures stay in 32 bits

    def move() -> None:
        for _ in range(10):
            with torch.autocast("cpu", torch.bfloat16, enabled=bits == 16):
                out = function(x)
            out.backward(torch.ones_like(out))

    return move


def table(result: dict) -> str:
    """Markdown."""
    lines = ["| | 32 bits: plain, ms | fast, ms | times as fast | 16 bits: plain, ms | fast, ms | times as fast |", "| --- " * 7 + "|"]
    for case, row in result.items():
        cells = [f"{row[b]['plain_ms']:.2f} | {row[b]['fast_ms']:.2f} | {row[b]['times']:.2f}" for b in ("32", "16")]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """All cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 s each")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(once(**json.loads(options.worker)))
        return
    result = {}
    for case in CASES:
        result[case] = {}
        for bits in (32, 16):
            ways = {way: {"case": case, "way": way, "bits": bits} for way in ("plain", "fast")}
            row = rounds(__file__, ways, 5, 1.0 if options.quick else 5.0, warm=3)
            milliseconds = {f"{way}_ms": round(row[way]["seconds"] * 100, 3) for way in ways}  # ten passes, in seconds
            result[case][str(bits)] = {**milliseconds, "times": round(ratio(row["plain"], row["fast"]), 2)}
    keep("layers", result, table(result))


if __name__ == "__main__":
    main()

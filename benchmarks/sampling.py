"""(d) Films per second out of a generator, one at a time as `idcgan sample` makes them, beside the plain DCGAN's.

    python benchmarks/sampling.py [--quick]

The default network (feature maps 8 to 128, growth preserved) and the plain one with 8 maps and no cap, both in evaluation.
PNG files are not written here.
"""

import argparse
import json

from side_by_side import keep, ratio, rounds, serve


def worker(spec: dict) -> None:
    """One way, ready to be asked for some films."""
    count = spec["count"]
    if spec["way"] == "plain":
        import plain
        import torch

        generator = plain.networks(spec["resolution"], 8)[0].eval()

        def once() -> None:
            with torch.no_grad():
                for _ in range(count):
                    ((generator(torch.randn(1, 100, 1, 1)).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    else:
        import idcgan  # noqa: F401, I001 (before torch, see step.py)
        import torch

        from idcgan import preset, tuning
        from idcgan.building import build
        from idcgan.sampling import Source, picture

        tuning.keep_memory()
        levels = tuple(64 * 2**i for i in range((spec["resolution"] // 64).bit_length()))
        config = preset("paper-normal-15", resolutions=levels, max_feature_maps=128, growth="preserve")
        generator = build(config, len(levels) - 1, 0)[0].to(memory_format=torch.channels_last).eval()
        source = Source(generator, None, {})

        def once() -> None:
            for i in range(count):
                picture(source, 0, i)

    serve(once)


def table(result: dict) -> str:
    """Markdown."""
    lines = ["| resolution | plain DCGAN, films a second | this project | |", "| --- | --- | --- | --- |"]
    for resolution, row in result.items():
        lines.append(f"| {resolution} | {row['plain']['films_a_second']:.3g} | {row['ours']['films_a_second']:.3g} | **{row['speedup']:.1f} x** |")
    return "\n".join(lines)


def main() -> None:
    """Resolution by resolution."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 512 only")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(json.loads(options.worker))
        return
    result = {}
    for resolution in (64, 256, 512) if options.quick else (64, 128, 256, 512, 1024, 2048):
        count = max(1, 2048 // resolution)
        row = rounds(__file__, {way: {"way": way, "resolution": resolution, "count": count} for way in ("plain", "ours")}, 5, 3.0, warm=2)
        for said in row.values():
            said["films_a_second"] = round(count / said["seconds"], 3)
        result[str(resolution)] = {**row, "speedup": round(ratio(row["plain"], row["ours"]), 2)}
    keep("sampling", result, table(result))


if __name__ == "__main__":
    main()

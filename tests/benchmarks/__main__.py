"""`uv run python -m tests.benchmarks [NAME…]`: measurements on this machine, each with its budget.

Medians or 95th percentiles over several runs; a shared machine is noisy, so compare the ratios within one run. These
benchmarks take minutes and run only when they are named: `strategies` (the time each takes), `effort` (keys per label
on digits), `hands` (and on photographs, in `TUILABEL_DATA`), `graphics`, `dialogs` (photographs in the real program),
`own` (100,000 photographs to the first batch), `listing-million`, `keys-million` (files), `rates` (what an image costs,
for docs/scale.md), `kills` (sessions that are killed) and `layers` (a training step beside its convolutions alone).
Some have options of their own, see their modules: `team`, `soak`, `gpu`, `scale` (pools of up to ten million items),
`sampled` (what it costs to see a sample of them) and `rivals` (a comparison with other libraries, by
`uv run --group rivals`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    effort,
    features,
    gpu,
    graphics,
    hands,
    images,
    kills,
    layers,
    learning,
    program,
    rates,
    sampled,
    scale,
    soak,
    team,
    training,
    user_images,
)

BENCHMARKS: dict[str, Callable[[Path], Iterator[tuple[str, str, str]]]] = {
    "help": program.help_command,
    "start": program.start,
    "keys": program.keys,
    "disk": program.disk,
    "round": learning.round_of_mnist,
    "million": learning.round_of_a_million,
    "epoch": training.epoch_ratio,
    "layers": layers.step_and_layers,
    "features": features.rate_of_features,
    "first-start": program.first_start,
    "strategies": learning.every_strategy,
    "effort": effort.effort,
    "hands": hands.hands,
    "own": user_images.first_batch,
    "reading": user_images.reading,
    "own-keys": user_images.keys_meanwhile,
    "keys-million": user_images.keys_in_a_million,
    "hostile": user_images.hostile,
    "listing": images.listing,
    "listing-million": images.listing_a_million,
    "decoding": images.decoding,
    "sent": images.sent,
    "graphics": graphics.keys,
    "dialogs": graphics.dialogs,
    "rates": rates.rates,
    "kills": kills.kills,
}


SLOW = (
    *("layers", "strategies", "effort", "hands", "own", "listing-million", "keys-million"),
    *("rates", "graphics", "dialogs", "kills"),
)


def main(names: list[str]) -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start of the program compiles it again
    if names[:1] == ["scale"]:
        return scale.main(names[1:])
    if names[:1] == ["sampled"]:
        return sampled.main(names[1:])
    if names[:1] == ["team"]:
        return team.main(names[1:])
    if names[:1] == ["gpu"]:
        return gpu.main(names[1:])
    if names[:1] == ["rivals"]:  # its libraries are in a group of their own
        from tests.benchmarks.rivals import run

        return run.main(names[1:])
    if names[:1] == ["soak"]:
        return soak.main(names[1:])
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}: must be one of {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    table = Table("what", "measured", "budget", box=None, pad_edge=False, header_style="bold")
    err = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="tuilabel-bench-") as folder:
        for name in names or [name for name in BENCHMARKS if name not in SLOW]:
            err.print(f"{name} …")
            for row in BENCHMARKS[name](Path(folder)):
                table.add_row(*row)
    Console(width=110).print(table)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, python {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Section 6 of Wendin and Altafini: five layers learn in sequence or at once, told by two criteria.

Trains the network of widths (11, 6, 6, 6, 6, 4) from starts near the origin and away from it,
prints how near it comes to each saddle and how long it pauses between stages, and draws figures 2
to 7 of the survey.

    python examples/plot_section_6.py [FOLDER]
"""

import sys
from pathlib import Path

from dlngeo import sequential, survey_figures

SPECTRA = [(4, 3, 2, 1), (10, 5, 2.5, 1.25), (7, 5.5, 4, 2.5)]
SEPARATE, CLOSE = (7, 5.5, 4, 2.5), (4, 3.9, 2, 1.9)
DELTA_SCALE = 0.043  # weights of this standard deviation are 0.04-balanced


def table():
    """One line a run: the criteria."""
    names = [f"{name}_{k}" for name in ("D", "gap") for k in (1, 2, 3)]
    print(f"{'sigma':22} {'scale':5} seed {'T':>8}", *(f"{x:>7}" for x in names), " verdict")
    for sigma in SPECTRA:
        target = sequential.diagonal_target(sigma)
        for scale in (sequential.NEAR, 0.1, 0.3, sequential.AWAY):
            for seed in range(3):
                path = sequential.train(scale, sigma, rng=seed)
                found = sequential.learning(path, target)
                numbers = [*found.distance[:-1], *found.gap]
                print(
                    f"{sigma!s:22} {scale:5g} {seed:4} {path.t[-1]:8.3g}",
                    *(f"{x:7.2g}" for x in numbers),
                    f" {found.verdict}",
                )


def figures():
    """Figures 2 to 7."""
    near, away = (sequential.train(s, rng=0) for s in (sequential.NEAR, sequential.AWAY))
    yield 2, survey_figures.figure_2(near, away, sequential.SIGMA)
    paths = [sequential.train(DELTA_SCALE, sigma, rng=0) for sigma in (SEPARATE, CLOSE)]
    yield 3, survey_figures.figure_3(*paths, (SEPARATE, CLOSE))
    yield 4, survey_figures.figure_4(sequential.SIGMA)
    yield 5, survey_figures.figure_5()
    yield 6, survey_figures.figure_6()
    yield 7, survey_figures.figure_7()


folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
for number, figure in figures():
    name = folder / f"section_6_figure_{number}.png"
    figure.savefig(name, dpi=110)
    print(f"wrote {name}")
table()

"""The registry of Menon's statements."""

from __future__ import annotations

from properties import Registry

MENON = Registry(
    "menon",
    "properties.md",
    # Misprints of labels and wording: nothing in them could be substituted in a program.
    {
        "(8.9)": "block h^{d,d-1} for h^{d-1,d}, a label: h^{k,l} is symmetric in k and l",
        "(14.4)": "a stray “a ∈ R \\ {0}”",
        "(12.5)": "L(x) for E(x)",
        "(12.12)": "Theorem 14 for Theorem 10",
    },
)
row, same, later, printed = MENON.row, MENON.same, MENON.later, MENON.printed

"""The registry of Wendin and Altafini's statements."""

from __future__ import annotations

from properties import Registry

SURVEY = Registry(
    "survey",
    "properties-survey.md",
    # Misprints of labels and wording: nothing in them could be substituted in a program.
    {
        "section 3.5": "“d_{h-1} components” of the changes of basis are h - 1",
        "section 4.3": "a necessary and sufficient condition “appears a hard problem”; over SΣ, "
        "(32)-(33) with Z_{1:h} = 0 are one",
        "Proposition 36": "the case “ς² < δ²” for ς² < δ",
        "Proposition 20": "H - 2 for h - 2",
    },
)
row, same, later, printed = SURVEY.row, SURVEY.same, SURVEY.later, SURVEY.printed

"""What ``callback=`` may be, and how it ends a run: by raising ``StopIteration``.

A flow calls it with (t, W), any other long call with (count, point): how many units of work are
done, and where the work stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dlngeo import _checks

Callback: TypeAlias = Callable[[Any, Any], Any]


def checked(callback: Callback | None) -> Callback | None:
    """The callback, once it is known that it can be called."""
    return None if callback is None else _checks.function(callback, "callback")


def stops(callback: Callback | None, count: Any, point: Any) -> bool:
    """Call the callback, if there is one, with a copy; whether it asks to end here."""
    if callback is None:
        return False
    point = point.copy() if isinstance(point, np.ndarray) else point
    try:
        callback(count, point)
    except StopIteration:
        return True
    return False

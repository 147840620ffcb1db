"""anchorline: adapt a text-image encoder without losing what it already knew."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anchorline.version import __version__

if TYPE_CHECKING:
    from anchorline.classifier.adapted import AdaptedClassifier as AdaptedClassifier
    from anchorline.classifier.runs import load as load
    from anchorline.encoders.encoder import Encoder as Encoder
    from anchorline.encoders.features import FeatureStore as FeatureStore
    from anchorline.encoders.loading import load_encoder as load_encoder
    from anchorline.errors import UserError as UserError
    from anchorline.methods.table import METHODS as METHODS
    from anchorline.methods.table import Method as Method
    from anchorline.registry import register as register
    from anchorline.suites import SUITES as SUITES
    from anchorline.suites import Suite as Suite
    from anchorline.tasks.classification.adapting import adapt as adapt
    from anchorline.tasks.classification.comparing import Comparison as Comparison
    from anchorline.tasks.classification.comparing import compare as compare
    from anchorline.tasks.classification.evaluating import evaluate as evaluate

# Name -> module. Imported on first use: torch and open_clip take seconds.
_PUBLIC = {
    "AdaptedClassifier": "anchorline.classifier.adapted",
    "Comparison": "anchorline.tasks.classification.comparing",
    "Encoder": "anchorline.encoders.encoder",
    "FeatureStore": "anchorline.encoders.features",
    "METHODS": "anchorline.methods.table",
    "Method": "anchorline.methods.table",
    "SUITES": "anchorline.suites",
    "Suite": "anchorline.suites",
    "UserError": "anchorline.errors",
    "adapt": "anchorline.tasks.classification.adapting",
    "compare": "anchorline.tasks.classification.comparing",
    "evaluate": "anchorline.tasks.classification.evaluating",
    "load": "anchorline.classifier.runs",
    "load_encoder": "anchorline.encoders.loading",
    "register": "anchorline.registry",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'anchorline' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)

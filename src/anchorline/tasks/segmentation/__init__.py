"""Semantic segmentation: a new decoder on a pre-trained backbone, which methods hold to what it knew.

    from anchorline.tasks.segmentation import compare, load_backbone
    from anchorline.suites.masks import scenes
    compare(scenes(), load_backbone("pictogram-clip"), ["fine-tune", "ftp"], "runs/segment")

Needs the extra: pip install 'anchorline[segment]'.
"""

from anchorline.suites.masks.scenes import scenes
from anchorline.suites.masks.sets import MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.segmentation.adapting import adapt
from anchorline.tasks.segmentation.architecture import Architecture
from anchorline.tasks.segmentation.backbones import Backbone, load_backbone
from anchorline.tasks.segmentation.comparing import PAPER_FOUR, SHOWN, Comparison, compare
from anchorline.tasks.segmentation.decoders import DECODERS
from anchorline.tasks.segmentation.methods import METHODS, SegmentationMethod, find_method
from anchorline.tasks.segmentation.predicting import DrawnMask, predict_masks, predicted_mask
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, is_segmentation_run, load

__all__ = [
    "DECODERS", "METHODS", "PAPER_FOUR", "SHOWN", "AdaptedSegmenter", "Architecture", "Backbone",
    "Comparison", "DrawnMask", "MaskedSet", "SegmentationMethod", "SegmentationSuite", "adapt", "compare",
    "find_method", "is_segmentation_run", "load", "load_backbone", "predict_masks", "predicted_mask",
    "scenes",
]  # fmt: skip

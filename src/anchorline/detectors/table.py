"""The table of outlier detectors."""

from __future__ import annotations

from anchorline.detectors import gaussians, on_features, on_logits, on_text
from anchorline.detectors.base import Detector
from anchorline.engine.plugins import Table
from anchorline.metric import MCM_TEMPERATURE, MSP_TEMPERATURE

DETECTORS: Table[Detector] = Table(
    (detector.name, detector)
    for detector in (
        Detector(
            "msp",
            "the largest softmax probability",
            "Hendrycks & Gimpel 2017, arXiv 1610.02136",
            "logits",
            on_logits.msp,
            without_train=True,
            temperature=MSP_TEMPERATURE,
        ),
        Detector(
            "max-logit",
            "the largest logit",
            "Hendrycks et al. 2022, arXiv 1911.11132",
            "logits",
            on_logits.max_logit,
            without_train=True,
        ),
        Detector(
            "energy",
            "the soft maximum of the logits",
            "Liu et al. 2020, arXiv 2010.03759",
            "logits",
            on_logits.energy,
            without_train=True,
        ),
        Detector(
            "entropy",
            "minus the entropy of the softmax probabilities",
            "Chan et al. 2021, arXiv 2012.06575",
            "logits",
            on_logits.entropy,
            without_train=True,
        ),
        Detector(
            "gen",
            "a generalised entropy of the largest softmax probabilities",
            "Liu et al. 2023, CVPR (GEN)",
            "logits",
            on_logits.gen,
            on_logits.gen_space,
        ),
        Detector(
            "temperature",
            "the largest softmax probability, calibrated on val",
            "Guo et al. 2017, arXiv 1706.04599",
            "logits",
            on_logits.temperature,
            on_logits.temperature_space,
        ),
        Detector(
            "kl-matching",
            "how near the softmax probabilities are to those typical of a class",
            "Hendrycks et al. 2022, arXiv 1911.11132",
            "logits",
            on_logits.kl_matching,
        ),
        Detector(
            "knn",
            "how near the k-th nearest training image is",
            "Sun et al. 2022, arXiv 2204.06507",
            "features",
            on_features.knn,
            on_features.knn_space,
        ),
        Detector(
            "mahalanobis",
            "how near the nearest class mean is, in units of the spread within classes",
            "Lee et al. 2018, arXiv 1807.03888",
            "features",
            gaussians.mahalanobis,
            gaussians.space,
        ),
        Detector(
            "rmd",
            "the same, relative to the spread of all images",
            "Ren et al. 2021, arXiv 2106.09022",
            "features",
            gaussians.rmd,
            gaussians.space,
        ),
        Detector(
            "vim",
            "the energy less what the features hold outside the training images' main directions",
            "Wang et al. 2022, arXiv 2203.10807",
            "features",
            on_features.vim,
            on_features.vim_space,
        ),
        Detector(
            "react",
            "the energy after the largest activations were clipped",
            "Sun et al. 2021, arXiv 2111.12797",
            "features",
            on_features.react,
            on_features.react_space,
        ),
        Detector(
            "ash",
            "the energy after the smallest activations were dropped and the others scaled (ASH-S)",
            "Djurisic et al. 2023, arXiv 2209.09858",
            "features",
            on_features.ash,
            on_features.ash_space,
        ),
        Detector(
            "she",
            "how alike the features are to the mean of the class that is answered",
            "Zhang et al. 2023, ICLR (SHE)",
            "features",
            on_features.she,
        ),
        Detector(
            "nnguide",
            "the energy, guided by how near confident training images are",
            "Park et al. 2023, arXiv 2309.14888",
            "features",
            on_features.nnguide,
            on_features.nnguide_space,
        ),
        Detector(
            "fdbd",
            "how far the decision boundaries are",
            "Liu & Qin 2024, arXiv 2312.11536",
            "features",
            on_features.fdbd,
        ),
        Detector(
            "mcm",
            "the largest softmax probability of the cosines to the class captions",
            "Ming et al. 2022, arXiv 2211.13445",
            "text",
            on_text.mcm,
            without_train=True,
            temperature=MCM_TEMPERATURE,
        ),
        Detector(
            "gl-mcm",
            "the same for the image and for its best patch, added",
            "Miyai et al. 2023, arXiv 2304.04521",
            "text",
            on_text.gl_mcm,
        ),
        Detector(
            "neglabel",
            "the probability of the class captions against words far from them",
            "Jiang et al. 2024, arXiv 2403.20078",
            "text",
            on_text.neglabel,
            on_text.neglabel_space,
        ),
    )
)

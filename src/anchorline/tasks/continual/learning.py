"""One method on one sequence, at one learning rate: what is trained, task after task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anchorline.classifier.adapted import Classifier
from anchorline.classifier.runs import TENSORS, templates_of
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import read_tensors, write_tensors
from anchorline.methods.blends import Weights
from anchorline.methods.tunables import AdaptedModel, Pretrained
from anchorline.suites.images.image_set import ImageSet
from anchorline.tasks.classification.problem import Examples
from anchorline.tasks.continual.methods import ContinualMethod
from anchorline.tasks.continual.problem import CurrentTask
from anchorline.tasks.continual.sequence import Rows, TaskSequence, stored
from anchorline.training.loop import train
from anchorline.training.optimization import mixed_seed
from anchorline.training.state import CHECKPOINT


@dataclass(frozen=True, eq=False)
class Setting:
    """What all methods of a comparison share, of one seed.

    Attributes:
        encoder: pre-trained.
        sequence: the tasks; its seed is that of all random numbers.
        rehearsal: training images that are kept in all; 0: none.
        store: decoded images and features.
        narrator: tells how far it is.
    """

    encoder: Encoder
    sequence: TaskSequence
    rehearsal: int
    store: FeatureStore
    narrator: Narrator


class Learner:
    """A method at one learning rate. What a task has trained lies in run/task-TT and is not trained again."""

    def __init__(
        self, row: ContinualMethod, setting: Setting, values: dict[str, float], run: Path, identity: str
    ) -> None:
        """`row` has the `values` of its search in place; `identity`: of the request that results answer."""
        self.row, self.method, self.setting = row, row.method, setting
        self.values, self.run, self.identity = values, run, identity
        classes = setting.sequence.classes(len(setting.sequence))
        self.templates = templates_of(setting.encoder, row.method)
        self.captions = setting.store.classes(setting.encoder, classes, self.templates).vectors

    def classifier(self, task: int) -> Classifier:
        """What has been learnt after a task (from 1), over the classes seen, in the order of learning."""
        return self._classifier(self.tuned(task), task)

    def final(self) -> Classifier:
        """What has been learnt in the end, with classes in the order of the suite."""
        last, suite = len(self.setting.sequence), self.setting.sequence.suite
        known = self.setting.sequence.classes(last)
        places = [known.index(name) for name in suite.classes]
        whole = replace(self._pretrained(last, self.setting.encoder), classes=suite.classes,
                        captions=self.captions[places])  # fmt: skip
        before = self.method.tunable.start(self._pretrained(last, self.setting.encoder))
        before.put(self.tuned(last))
        tuned = self.method.tunable.start(whole).grown_from(before)
        return replace(self._classifier(tuned, last), classes=suite.classes, captions=self.captions[places])

    def tuned(self, task: int) -> dict[str, Tensor]:
        """The tuned tensors after a task; trains it, and those before it, where that has not been done."""
        if self.method.training is None:
            return {}
        found = read_tensors(self._directory(task) / TENSORS)
        if found and found[1].get("identity") == self.identity:
            # Copies lie aligned in memory, so that products round as they did before saving.
            return {name: tensor.clone() for name, tensor in found[0].items()}
        tuned = self._learn(task)
        with main_process_first():
            if is_main_process():
                write_tensors(self._directory(task) / TENSORS, tuned, {"identity": self.identity})
                (self._directory(task) / CHECKPOINT).unlink(missing_ok=True)
        return tuned

    def clean(self) -> None:
        """The tensors of the tasks have served; the logs of their training stay."""
        for task in range(1, len(self.setting.sequence) + 1):
            (self._directory(task) / TENSORS).unlink(missing_ok=True)

    def _learn(self, task: int) -> dict[str, Tensor]:
        before = self.tuned(task - 1) if task > 1 and not self.row.joint else None
        setting, training = self.setting, self.method.training
        assert training is not None
        assert self.method.objective is not None
        sequence, suite = setting.sequence, setting.sequence.suite
        model = self._start(task, before)
        begun = model.tuned()
        kept = stored(sequence, task - 1, setting.rehearsal) if before else np.empty(0, np.int64)
        own = sequence.rows(suite.train, 1 if self.row.joint else task, task)
        problem = CurrentTask(
            model, self.method.objective, training,
            self._examples(suite.train, np.concatenate([own, kept])),
            self._examples(suite.val, sequence.rows(suite.val, 1 if self.row.joint else task, task)),
            first=0 if before is None or len(kept) else sequence.seen(task - 1),
        )  # fmt: skip
        stays = before is not None and self.row.anchor == "pre-trained"
        rate = "".join(f" {path.split('.')[-1]} {value:g}" for path, value in self.values.items())
        trained = train(
            problem, self.method.constraint.continued() if stays else self.method.constraint, training,
            seed=mixed_seed(sequence.seed, task), run=self._directory(task), identity=self.identity,
            progress=setting.narrator.bar(f"{self.row.name}{rate}, task {task}", "steps"),
        )  # fmt: skip
        return Weights().weights(trained.tuned, begun, self.row.between)

    def _start(self, task: int, before: dict[str, Tensor] | None) -> AdaptedModel:
        """What a task trains, with what the task before has left."""
        encoder, start = self.setting.encoder, self.method.tunable.start
        if before is None:
            return start(self._pretrained(task, encoder))
        old = start(self._pretrained(task - 1, encoder))
        old.put(before)
        held_to = old.tuned_encoder() if self.row.anchor == "previous task" else encoder
        model = start(self._pretrained(task, held_to))
        model.put(model.grown_from(old))
        return model

    def _pretrained(self, task: int, encoder: Encoder) -> Pretrained:
        classes = self.setting.sequence.classes(task)
        return Pretrained(
            encoder, classes, self.templates, self.captions[: len(classes)], self.setting.sequence.seed
        )

    def _examples(self, images: ImageSet, rows: Rows) -> Examples:
        """Some images of a set, with the places of their classes as labels."""
        setting = self.setting
        labels = torch.from_numpy(setting.sequence.labels(images)[rows])
        if self.method.tunable.changes_images:
            inputs = torch.from_numpy(setting.store.pixels(setting.encoder.geometry, images)[0])
        else:
            inputs = setting.store.images(setting.encoder, images).vectors
        return Examples(inputs, labels, torch.from_numpy(rows))

    def _classifier(self, tuned: dict[str, Tensor], task: int) -> Classifier:
        sequence, known = self.setting.sequence, self.method.blend.alpha
        classes = sequence.classes(task)
        return Classifier(
            encoder=self.setting.encoder,
            method=self.method,
            classes=classes,
            templates=self.templates,
            captions=self.captions[: len(classes)],
            tuned=tuned,
            alpha=known or 0.0,
            seed=sequence.seed,
        )

    def _directory(self, task: int) -> Path:
        return self.run / f"task-{task:02d}"

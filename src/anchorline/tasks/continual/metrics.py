"""What the accuracy matrix of a sequence says. Imports numpy only.

R[t, i] is the accuracy on the test images of task i after task t, all classes seen by then competing; rows
and columns count from 0 here, and what lies above the diagonal is not looked at.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def average_accuracy(matrix: Matrix, task: int) -> float:
    """A_{1:t}, the mean of R[t, i] over the tasks i seen after `task` tasks (from 1).

    After the last task this is A_{1:N} of Smith et al. 2023 (arXiv 2203.17269) and A_N of CODA-Prompt (arXiv
    2211.13218), whose released code takes the mean over tasks as here.
    """
    return float(np.mean(matrix[task - 1, :task]))


def forgetting(matrix: Matrix, task: int) -> float:
    """F_t: how much a task learnt before loses, on average, each time that another task is learnt.

        F_N = 1 / (N - 1) sum over t = 2..N of 1 / (t - 1) sum over i < t of (R[t-1, i] - R[t, i])

    as in the released code of CODA-Prompt (`calc_forgetting`), the code base of arXiv 2203.17269 and arXiv
    2310.19182. It is a mean of losses of one step: a task that loses everything over many small steps counts
    less than in `forgetting_from_best`. Raises ValueError before the second task.
    """
    if task < 2:
        raise ValueError("nothing can be forgotten before a second task")
    drops = [np.mean(matrix[t - 1, :t] - matrix[t, :t]) for t in range(1, task)]
    return float(np.mean(drops))


def forgetting_from_best(matrix: Matrix, task: int) -> float:
    """The mean over earlier tasks i of max over t' < t of R[t', i], less R[t, i].

    Chaudhry et al. 2018 (arXiv 1801.10112, section 3.1), the measure of most other papers. Raises ValueError
    before the second task.
    """
    if task < 2:
        raise ValueError("nothing can be forgotten before a second task")
    last = task - 1
    best = [matrix[i:last, i].max() for i in range(last)]
    return float(np.mean(np.array(best) - matrix[last, :last]))

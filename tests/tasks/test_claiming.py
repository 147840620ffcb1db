"""Whose a directory is: comparisons, ablations and runs keep apart."""

import json

import pytest

from anchorline.engine.directories import Named
from anchorline.engine.jobs import Job
from anchorline.engine.progress import Silent
from anchorline.errors import UserError
from anchorline.tasks.claiming import claim_comparison, claim_jobs, claim_run

ABOUT = {"suite": Named("birds", "01"), "encoder": Named("clip", "02")}


def test_a_second_ablation_is_not_put_over_the_first(tmp_path):
    claim_comparison(tmp_path, "ablation of padding of lora", ABOUT, overwrite=False)
    with pytest.raises(UserError, match="an ablation of padding of lora, not an ablation of blend of"):
        claim_comparison(tmp_path, "ablation of blend of lora", ABOUT, overwrite=True)
    with pytest.raises(UserError, match="holds an ablation of padding of lora, not a comparison"):
        claim_comparison(tmp_path, "comparison of classification", ABOUT, overwrite=True)


def test_a_run_of_a_comparison_is_no_place_for_one(tmp_path):
    run = tmp_path / "runs" / "lora" / "seed-0"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"configuration_hash": "0"}))
    with pytest.raises(UserError, match="holds a run, not a comparison of classification"):
        claim_comparison(run, "comparison of classification", ABOUT, overwrite=False)


def test_another_request_stands_in_the_way_until_it_is_replaced(tmp_path):
    before, now = ({"format": 1, "seed": seed} for seed in (0, 1))
    file = tmp_path / "config.json"
    Job(before, file).put({})
    with pytest.raises(UserError, match="a finished run with other settings or images"):
        claim_run(tmp_path, "run", Job(now, file), overwrite=False, narrator=Silent())
    assert Job(before, file).finished()
    claim_jobs([Job(before, file)], overwrite=True, narrator=Silent())
    assert Job(before, file).finished()
    claim_jobs([Job(now, file)], overwrite=True, narrator=Silent())
    assert not file.exists()

"""The plan of a study: keys follow from content, and steps come after what they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from models.study.arms import ALL_ARMS, ArmName
from models.study.conditions import ALL, conditions_of
from models.study.plan import MAX_SAMPLES, ConditionFacts, Plan, StepKind, plan_of
from models.study.sizes import SIZES, Settings

FACTS = ConditionFacts(400, 20, 300, {"bbdm": 50, "cyclegan": 50, "painted": 60})
FEW: tuple[ArmName, ...] = ("real", "augmented-bbdm-filtered", "augmented-painted")
SETTINGS = replace(SIZES["quick"], arms=FEW, condition_arms=("augmented", "augmented-bbdm"))
LEAVE_OUT = {"line": ["b"]}


def plan(
    settings: Settings = SETTINGS,
    *,
    dataset: str = "0" * 64,
    seed: int = 0,
    leave_out: Mapping[str, list[str]] | None = None,
    counts: tuple[int, ...] = (),
    generators: Mapping[str, Mapping[str, str]] | None = None,
    **arms: Any,
) -> Plan:
    """Plan a study on twenty aberrations."""
    conditions = conditions_of(leave_out or {}, counts)
    facts = {
        one.name: replace(FACTS, train_aberrations=min(20, one.max_aberrations or 20)) for one in conditions
    }
    return plan_of(
        replace(settings, **arms),
        conditions,
        dataset_sha256=dataset,
        facts=facts,
        seed=seed,
        generators=generators or {},
    )


def keys(found: Plan) -> set[str]:
    """Keys of all steps."""
    return {step.key for step in found.steps}


class TestOrder:
    def test_a_step_comes_after_what_it_needs(self) -> None:
        """With every arm, in every condition."""
        found = plan(SIZES["full"], leave_out=LEAVE_OUT, counts=(5,))
        seen: set[str] = set()
        for step in found.steps:
            assert set(step.needs.values()) <= seen, step.title
            seen.add(step.key)

    def test_each_network_is_trained_once(self) -> None:
        """The one whose embeddings are filtered is the reference's first, where that is compared."""
        with_reference = plan(arms=(*FEW, "augmented"))

        assert 3 * 2 + 1 == sum(1 for _ in plan().of_kind("run"))
        assert 4 * 2 == sum(1 for _ in with_reference.of_kind("run"))

    def test_a_network_to_filter_with_is_not_compared(self) -> None:
        """Unless its arm is."""
        with_reference = plan(arms=(*FEW, "augmented"))

        assert set(FEW) == {step.spec["arm"]["name"] for step in plan().compared()}
        assert {*FEW, "augmented"} == {step.spec["arm"]["name"] for step in with_reference.compared()}

    def test_conditions_have_arms_and_seeds_of_their_own(self) -> None:
        """The whole data set first."""
        found = plan(leave_out=LEAVE_OUT, condition_seeds=3)
        runs = [step for step in found.of_kind("run") if step.condition.name == "without-line"]

        assert [ALL, "without-line"] == list(dict.fromkeys(step.condition.name for step in found.steps))
        assert ["augmented"] * 3 + ["augmented-bbdm"] * 3 == [step.spec["arm"]["name"] for step in runs]
        assert [0, 1, 2] * 2 == [step.spec["run_seed"] for step in runs]

    @pytest.mark.parametrize(
        ("arms", "kinds"),
        [
            (("real",), {"run"}),
            (("real-painted",), {"candidates", "run"}),
            (("real-bbdm",), {"generator", "candidates", "run"}),
            (
                ("augmented-bbdm-random",),
                {"generator", "candidates", "embeddings", "filter", "run"},
            ),
        ],
    )
    def test_nothing_is_planned_that_no_arm_needs(
        self, arms: tuple[ArmName, ...], kinds: set[StepKind]
    ) -> None:
        """Real arms train no generator, unfiltered ones fit no filter."""
        assert kinds == {step.kind for step in plan(arms=arms).steps}

    def test_every_filter_needs_the_umap_filter_too(self) -> None:
        """The others let in as many crops as it does."""
        found = plan(arms=("augmented-bbdm-knn",))
        (run,) = [step for step in found.of_kind("run") if "filter-knn" in step.needs][:1]

        assert {"umap", "knn"} == {step.spec["rule"] for step in found.of_kind("filter")}
        assert {"candidates-bbdm", "embeddings-bbdm", "filter-umap", "filter-knn"} == set(run.needs)


class TestKeys:
    def test_the_order_of_arms_changes_none(self) -> None:
        """Nor the order of the steps."""
        assert plan(arms=ALL_ARMS).key == plan(arms=ALL_ARMS[::-1]).key

    @pytest.mark.parametrize("arm", ALL_ARMS)
    def test_one_more_arm_leaves_all_others(self, arm: ArmName) -> None:
        """What was computed for a smaller study is used in a larger one."""
        assert keys(plan()) <= keys(plan(arms=(*FEW, arm)))

    def test_one_more_seed_or_condition_leaves_all_others(self) -> None:
        """Only its own steps are new."""
        larger = plan(num_seeds=3, leave_out=LEAVE_OUT, counts=(5,))

        assert keys(plan()) < keys(larger)

    @pytest.mark.parametrize(
        "changed",
        [
            {"dataset": "1" * 64},
            {"seed": 1},
            {"canvas_px": 48},
            {"scale": 1.0},
        ],
    )
    def test_what_concerns_every_crop_changes_every_key(self, changed: dict[str, Any]) -> None:
        """Nothing computed from other crops is taken for these."""
        assert not keys(plan()) & keys(plan(**changed))

    @pytest.mark.parametrize(
        ("changed", "kinds"),
        [
            ({"steps": 31}, {"run", "embeddings", "filter"}),
            ({"learning_rate": 1e-4}, {"run", "embeddings", "filter"}),
            ({"generator_steps": 41}, {"generator", "candidates", "embeddings", "run"}),
            ({"candidates": 40}, {"candidates", "embeddings", "run"}),
            ({"level": 0.5}, {"filter", "run"}),
            ({"synthetic_ratio": 2.0}, {"run", "embeddings", "filter"}),
            ({"normal_ratio": 5.0}, {"run", "embeddings", "filter"}),
        ],
    )
    def test_a_setting_changes_what_depends_on_it(
        self, changed: dict[str, Any], kinds: set[StepKind]
    ) -> None:
        """And what comes after that, and nothing else."""
        before, after = plan(), plan(**changed)

        assert kinds == {step.kind for step in after.steps if step.key not in keys(before)}

    def test_conditions_share_no_step(self) -> None:
        """What was trained with a group does not stand for what was trained without it."""
        found = plan(leave_out=LEAVE_OUT, counts=(5,), arms=("augmented", "augmented-bbdm"))
        by_condition = {
            name: {step.key for step in found.steps if step.condition.name == name} for name in found.arms
        }

        assert len(found.steps) == len(keys(found)) == sum(map(len, by_condition.values()))

    def test_the_name_of_left_out_groups_does_not_matter(self) -> None:
        """What counts is which they are."""
        named, renamed = (plan(leave_out={name: ["b"]}) for name in ("line", "other"))

        assert named.key == renamed.key != plan(leave_out={"line": ["c"]}).key

    def test_given_generators_stand_for_trained_ones(self) -> None:
        """Their content is part of the key; nothing is trained."""
        first, second = (plan(generators={ALL: {"bbdm": digest * 64}}) for digest in "ab")

        assert [] == list(first.of_kind("generator"))
        assert first.key != second.key


class TestCounts:
    def test_fewer_aberrations_keep_the_normals_of_the_whole(self) -> None:
        """A learning curve changes one thing."""
        assert {ALL: 200, "aberrations-5": 200} == dict(plan(counts=(5,)).normals)

    def test_all_normals_where_no_ratio_is_named(self) -> None:
        """As in the paper; and never more than there are."""
        assert 400 == plan(SIZES["full"]).normals[ALL] == plan(normal_ratio=900.0).normals[ALL]

    def test_synthetic_crops_make_no_training_longer(self) -> None:
        """Every arm of a condition has the same number of steps."""
        found = plan(SIZES["full"])

        assert 1 == len({step.spec["steps"] for step in found.of_kind("run")})
        assert 1 == len({step.work for step in found.of_kind("run")})

    def test_a_source_is_used_a_few_times_at_most(self) -> None:
        """However many candidates are asked for."""
        (step,) = plan(arms=("augmented-painted",), candidates=10_000).of_kind("candidates")

        assert 60 * MAX_SAMPLES * 32**2 == step.work.amount

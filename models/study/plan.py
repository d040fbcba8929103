"""The plan of a study: every step, what it needs, and a name that follows from its content.

A step's key is a digest of everything that its result depends on: the data set's content, the condition,
the settings and the keys of the steps before it. What lies in the store under that key need not be computed
again, by whichever study it was computed. `REVISION` changes when the code of a step does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from models.study.arms import Arm, GeneratorName, Selection, arms_of
from models.study.conditions import ALL, Condition
from models.study.costs import Work
from models.study.sizes import Settings

REVISION: Final = 1
StepKind = Literal["generator", "candidates", "embeddings", "filter", "run"]


@dataclass(frozen=True)
class ConditionFacts:
    """What a data set holds for one condition.

    Attributes
    ----------
    train_normals, train_aberrations
        Crops that classifiers learn from, before normals are thinned.
    scored
        Crops of validation, test and left-out groups together.
    sources
        Crops that each generator may start from.
    """

    train_normals: int
    train_aberrations: int
    scored: int
    sources: Mapping[GeneratorName, int]

    def normals_used(self, settings: Settings, aberrations_of_all: int) -> int:
        """Normals after thinning; a condition with fewer aberrations keeps as many normals as the whole."""
        if settings.normal_ratio is None:
            return self.train_normals
        return min(self.train_normals, round(settings.normal_ratio * aberrations_of_all))


@dataclass(frozen=True)
class Step:
    """One piece of work whose result is kept.

    Attributes
    ----------
    key
        64 hexadecimal digits.
    needs
        Names of steps before it, by role.
    spec
        Everything else that its result depends on.
    """

    kind: StepKind
    title: str
    condition: Condition
    key: str
    spec: Mapping[str, Any]
    needs: Mapping[str, str]
    work: Work


@dataclass(frozen=True)
class Plan:
    """All steps, each after those that it needs.

    Attributes
    ----------
    arms, normals
        By condition: what is compared, and normals in training after thinning.
    """

    settings: Settings
    conditions: tuple[Condition, ...]
    steps: tuple[Step, ...]
    arms: Mapping[str, tuple[Arm, ...]] = field(default_factory=dict)
    normals: Mapping[str, int] = field(default_factory=dict)

    def of_kind(self, kind: StepKind) -> Iterator[Step]:
        """Steps of one kind, in order."""
        return (step for step in self.steps if step.kind == kind)

    def compared(self) -> Iterator[Step]:
        """Runs of the study's arms: without the networks that are only trained to be filtered with."""
        names = {name: {arm.name for arm in arms} for name, arms in self.arms.items()}
        return (
            step for step in self.of_kind("run") if step.spec["arm"]["name"] in names[step.condition.name]
        )

    @property
    def key(self) -> str:
        """Digest of all steps: two plans with the same key have the same results."""
        return _digest([step.key for step in self.steps])


def plan_of(
    settings: Settings,
    conditions: tuple[Condition, ...],
    *,
    dataset_sha256: str,
    facts: Mapping[str, ConditionFacts],
    seed: int,
    generators: Mapping[str, Mapping[str, str]],
) -> Plan:
    """Plan a study.

    Parameters
    ----------
    facts
        By condition.
    seed
        First one of the networks, and of everything that is shared.
    generators
        By condition and method, digests of trained generators that are used instead of new ones.
    """
    steps: list[Step] = []
    arms: dict[str, tuple[Arm, ...]] = {}
    whole = facts[ALL].train_aberrations
    normals = {one.name: facts[one.name].normals_used(settings, whole) for one in conditions}
    for condition in conditions:
        names = settings.arms if condition.name == ALL else settings.condition_arms
        arms[condition.name] = arms_of(names)
        planner = _Planner(
            settings,
            condition,
            facts[condition.name],
            normals=normals[condition.name],
            dataset_sha256=dataset_sha256,
            seed=seed,
        )
        steps += planner.steps(arms[condition.name], generators.get(condition.name, {}))
    return Plan(settings, conditions, tuple(steps), arms, normals)


class _Planner:
    """Plans one condition."""

    def __init__(
        self,
        settings: Settings,
        condition: Condition,
        facts: ConditionFacts,
        *,
        normals: int,
        dataset_sha256: str,
        seed: int,
    ) -> None:
        self._settings = settings
        self._condition = condition
        self._facts = facts
        self._normals = normals
        self._seed = seed
        self._steps: dict[str, Step] = {}
        whose = {"groups": list(condition.left_out_groups), "aberrations": condition.max_aberrations}
        self._base = {
            "revision": REVISION,
            "dataset": dataset_sha256,
            "condition": whose,
            "canvas": [settings.canvas_px, settings.scale],
            "seed": seed,
        }

    def steps(self, arms: tuple[Arm, ...], given: Mapping[str, str]) -> tuple[Step, ...]:
        """Plan the steps that some arms need."""
        for method in dict.fromkeys(name for arm in arms for name in arm.synthetic):
            self._plan_candidates(method, given.get(method))
        filters = sorted({(g, m) for arm in arms for g in arm.synthetic for m in arm.filter_methods})
        if filters:
            self._plan_filters([g for g, _ in filters], filters)
        is_whole = self._condition.name == ALL
        for arm in arms:
            for number in range(self._settings.num_seeds if is_whole else self._settings.condition_seeds):
                self._plan_run(arm, self._seed + number)
        return tuple(self._steps.values())

    def _plan_candidates(self, method: GeneratorName, given: str | None) -> None:
        settings, needs = self._settings, {}
        spec: dict[str, Any] = {"method": method, "candidates": settings.candidates}
        if given is not None:
            spec["artifact"] = given
        elif method != "painted":
            needs["generator"] = self._plan_generator(method)
        count = min(settings.candidates, self._facts.sources[method] * MAX_SAMPLES)
        work = Work(f"generate-{method}", count * settings.canvas_px**2)
        self._add("candidates", f"{method}: {count} synthetic crops", spec, needs, work)

    def _plan_generator(self, method: GeneratorName) -> str:
        settings = self._settings
        steps = settings.generator_steps if method == "bbdm" else settings.cyclegan_steps
        preset = settings.generator_preset
        spec = {"method": method, "preset": preset, "steps": steps}
        planned = steps or PAPER_EPOCHS * self._facts.train_aberrations // PAPER_BATCH + 1
        work = Work(f"train-{method}-{preset}", planned * settings.canvas_px**2)
        return self._add("generator", f"training {method}", spec, {}, work)

    def _plan_filters(self, methods: list[GeneratorName], filters: list[tuple[Any, Selection]]) -> None:
        base = self._plan_base()
        once = list(dict.fromkeys(methods))
        real = self._normals + self._facts.train_aberrations + self._facts.scored
        self._add(
            "embeddings", "embedding real crops", {"of": "real"}, {"base": base}, self._embed_work(real)
        )
        for method in once:
            needs = {"base": base, "candidates": self._named("candidates", method=method).key}
            work = self._embed_work(self._settings.candidates)
            self._add("embeddings", f"embedding {method} crops", {"of": method}, needs, work)
        rules = dict.fromkeys(["umap", *(rule for _, rule in filters)])
        for rule in rules:
            spec = {"rule": rule, "level": self._settings.level if rule == "umap" else None}
            needs = {"real": self._named("embeddings", of="real").key}
            rows = self._normals + self._facts.train_aberrations
            self._add("filter", f"fitting the filter {rule}", spec, needs, Work("fit-filter", rows))

    def _embed_work(self, crops: int) -> Work:
        return Work("embed", crops * self._settings.canvas_px**2)

    def _plan_base(self) -> str:
        """The network whose embeddings are filtered: trained on augmented real crops, as in the paper."""
        return self._plan_run(arms_of(("augmented",))[0], self._seed)

    def _plan_run(self, arm: Arm, seed: int) -> str:
        settings = self._settings
        steps = settings.steps_for(self._normals + self._facts.train_aberrations)
        needs: dict[str, str] = {}
        for method in arm.synthetic:
            needs[f"candidates-{method}"] = self._named("candidates", method=method).key
            if arm.filter_methods:
                needs[f"embeddings-{method}"] = self._named("embeddings", of=method).key
        for rule in dict.fromkeys(("umap", *arm.filter_methods)) if arm.filter_methods else ():
            needs[f"filter-{rule}"] = self._named("filter", rule=rule).key
        told = asdict(arm)
        told.pop("title")
        recipe = ("batch_size", "learning_rate", "schedule", "recipe", "synthetic_ratio")
        spec = {
            "arm": told,
            "run_seed": seed,
            "steps": steps,
            **{name: getattr(settings, name) for name in recipe},
        }
        work = Work("train", steps * settings.batch_size * settings.canvas_px**2)
        return self._add("run", f"{arm.title}, seed {seed}", spec, needs, work)

    def _named(self, kind: StepKind, **wanted: str) -> Step:
        return next(
            step
            for step in self._steps.values()
            if step.kind == kind and all(step.spec[name] == value for name, value in wanted.items())
        )

    def _add(
        self, kind: StepKind, title: str, spec: Mapping[str, Any], needs: Mapping[str, str], work: Work
    ) -> str:
        # Generators never see a normal crop's class; all others learn from the thinned ones.
        normals = None if kind in ("generator", "candidates") else self._normals
        key = _digest([kind, self._base, normals, dict(spec), dict(needs)])
        if key not in self._steps:
            self._steps[key] = Step(kind, title, self._condition, key, spec, needs, work)
        return key


MAX_SAMPLES: Final = 8  # of one source
PAPER_EPOCHS: Final = 200
PAPER_BATCH: Final = 8


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

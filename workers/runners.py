"""The table of pipelines, by job kind. Each is imported when its first job comes.

A worker's parent process never imports one. Its children are forked from it, and a process that
forks after torch or OpenMP have started threads may hang or crash in the child.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, cast

from services.jobs.context import JobContext
from services.pipelines.resources import Resources

Pipeline = Callable[[JobContext, Resources], dict[str, Any]]

PIPELINES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "segmentation": "services.pipelines.segmentation",
        "segmenter_training": "services.pipelines.segmenter_training",
        "classification": "services.pipelines.classification",
        "scoring": "services.pipelines.scoring",
        "classifier_training": "services.pipelines.classifier_training",
        "generation": "services.pipelines.generation",
        "generator_training": "services.pipelines.generator_training",
        "filter_fitting": "services.pipelines.filter_fitting",
        "filtering": "services.pipelines.filtering",
        "study": "services.pipelines.study.pipeline",
        "simulation": "services.pipelines.simulation",
        "artifact_import": "services.pipelines.artifact_import",
        "diagnostic": "services.pipelines.diagnostic",
    }
)


def pipeline_of(kind: str) -> Pipeline:
    """Import the pipeline of a kind that `services.jobs.kinds` knows."""
    return cast("Pipeline", import_module(PIPELINES[kind]).run)

"""What goes wrong with filters, each with a stable code."""

from __future__ import annotations

from typing import ClassVar


class FilterError(ValueError):
    """A filter cannot be made of these parts, or cannot do what it was asked for."""

    code: ClassVar[str] = "filter_invalid"
    title: ClassVar[str] = "Filter invalid"


class FilterFileError(FilterError):
    """The bytes are no filter, were changed, or do not give the scores they promise."""

    code = "filter_file_invalid"
    title = "Filter file invalid"


class FilterFitError(FilterError):
    """These crops do not suffice for this filter; the message says what would."""

    code = "filter_fit_failed"
    title = "Filter cannot be fitted"


class ComparisonError(FilterError):
    """Two filters that do not see the same embeddings cannot be compared."""

    code = "filters_not_comparable"
    title = "Filters cannot be compared"

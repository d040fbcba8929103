"""Checks an installation and says what to do: ``python -m services.doctor``.

Each check is a function from an `Installation` to findings; `checks` is the list of them. They run in every
image, with torch or without, change nothing that they do not remove again, and each has a deadline.
"""

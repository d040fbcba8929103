"""``make study``: a service of its own, a study on it, and its report in a folder."""

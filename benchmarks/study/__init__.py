"""The study measured over HTTP: on simulated data of known difficulty, and what sharing of steps saves."""

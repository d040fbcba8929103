"""How good synthetic aberrations are: likeness to real ones, copies, spread, colours."""

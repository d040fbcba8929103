"""How good and how fast generators are, on the real chromosomes of the development set."""

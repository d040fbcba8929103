"""How many workers a load needs: a simulation, and a real run that it is held against."""

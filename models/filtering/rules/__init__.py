"""Ways to decide which crops look like real aberrations, behind one face."""

"""Studies without torch: what a data set holds for one, its plan and its cost, and what is done already."""

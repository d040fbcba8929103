"""The paper's experiment as data: arms, what they train on, and the statistics that compare them."""

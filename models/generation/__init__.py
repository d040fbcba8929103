"""What every generator shares: the crops it starts from, its noise, the pairs it learns from."""

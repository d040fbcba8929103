"""Large files that clients send to the store themselves, before a batch, data set or artifact takes them."""

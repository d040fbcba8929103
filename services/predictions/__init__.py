"""What classifiers said of crops: scores, embeddings, and which crops a job is about."""

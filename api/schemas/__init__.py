"""What travels over HTTP: request and response bodies, with examples."""

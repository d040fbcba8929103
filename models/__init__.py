"""Neural networks and statistical models: arrays in, arrays out; no HTTP, database or settings."""

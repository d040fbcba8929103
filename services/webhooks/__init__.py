"""Webhooks: jobs' ends, told to whoever asked to be told, signed as Standard Webhooks has it."""

"""Postgres and Redis from pip wheels, and the supervisor that runs the whole service on one machine."""

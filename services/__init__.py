"""What the product does: no FastAPI, no Celery; callers pass in what a service needs."""

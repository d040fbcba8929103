"""HTTP only: routes declare what comes in, call one service, and answer."""

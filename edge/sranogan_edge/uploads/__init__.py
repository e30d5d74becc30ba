"""Images that programs send: ``POST /v1/score``, by ``sranogan-serve`` and beside the service's page."""

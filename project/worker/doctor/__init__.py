"""``python -m project.worker doctor``: what keeps a worker on this machine from a site's space, and how to mend it."""

"""The conformance suite: puts any worker, in any language, through the worker protocol before a site of its own."""

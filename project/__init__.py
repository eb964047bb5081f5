"""WebSocket Spaces: a private model on a public page, over a connection the model's machine opens itself."""

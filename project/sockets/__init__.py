"""The workers' side of the wire: Socket.IO, default namespace, WebSocket only."""

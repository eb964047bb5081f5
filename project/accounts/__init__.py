"""Who people are: users, passwords, logins that live on the server."""

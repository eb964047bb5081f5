"""The console's side of the site: methods that can be called, their log, the inbox, the load tester."""

"""What happened: the log every act leaves, and what is made of it: history, values of the past, undo, the feed."""

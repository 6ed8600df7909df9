"""Who gets the model next: what a batch costs, what can still be in time, whose turn it is. No threads, no clock."""

"""What exchange rests on: the masters that say what may be exchanged, and the keys that say by whom."""

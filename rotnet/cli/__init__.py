"""One module for each sub-command of `rotnet`: its options in `add`, its work in `run`."""
